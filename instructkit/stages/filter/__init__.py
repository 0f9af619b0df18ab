"""Filters: each answers for every row whether it goes on, and if not, why."""
