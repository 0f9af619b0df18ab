"""Sources: files, tables, conversations, hub datasets and Python code become shards of documents or examples."""
