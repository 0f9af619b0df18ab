"""Decontamination: rows of an evaluation planted in real text, found and not found, and what looking for them takes."""
