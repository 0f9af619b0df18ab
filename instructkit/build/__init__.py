"""The build: memoised calls of stages over shards, from a recipe to a manifest."""
