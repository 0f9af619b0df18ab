"""Lint: what is wrong, or likely to be, in templates that load; a table of rules, and a check behind each."""
