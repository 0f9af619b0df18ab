"""Datasets of any origin, looked at: what stands on both sides of a split, and what is wrong with the rows."""
