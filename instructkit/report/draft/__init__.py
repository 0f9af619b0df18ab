"""First drafts of templates from a data file: what its columns are, what they are likely for, and the file written."""
