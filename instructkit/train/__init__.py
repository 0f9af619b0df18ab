"""The trainer: Parquet shards of examples in, a tuned Hugging Face model directory out."""
