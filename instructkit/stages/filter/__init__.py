"""Stages that keep or drop each record by looking at that record alone."""
