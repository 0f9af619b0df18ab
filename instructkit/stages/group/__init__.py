"""Stages that say which records belong together, so that no split divides them; they drop nothing."""
