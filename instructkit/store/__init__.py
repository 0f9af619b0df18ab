"""The store: what every call gave, by key; the bytes of shards, by content."""
