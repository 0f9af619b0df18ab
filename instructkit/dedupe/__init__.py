"""Near-duplicates out of JSON Lines or Parquet files in one go, without a recipe: what `instructkit dedupe` does."""
