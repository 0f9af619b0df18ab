"""The commands of `instructkit templates import`, one file for each collection."""
