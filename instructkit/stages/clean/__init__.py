"""Stages that change the text of a record and leave the record in place."""
