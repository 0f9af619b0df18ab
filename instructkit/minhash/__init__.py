"""The near-duplicate engine: texts to MinHash sketches, sketches to candidate pairs, pairs verified and clustered."""
