"""Templates: how a document becomes an example, one Jinja file each; its format, checks, sandbox and rendering."""
