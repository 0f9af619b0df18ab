"""The sizes that cut a source into parts and a part into shards; none of them changes a record, an id or a line."""

from __future__ import annotations

PART_BYTES = 64 << 20
"""A line-oriented file above this is read in byte ranges of about this size, cut after line ends."""

SMALL_FILE_BYTES = 4 << 20
"""Files up to this size share a part with others; larger ones have a part of their own."""

BUCKET_BYTES = 8 << 20
"""Mean size of a bucket of small files at which the number of buckets doubles."""

BUCKET_FILES = 256
"""Mean number of files in a bucket at which the number of buckets doubles."""

SHARD_TEXT_BYTES = 32 << 20
"""A shard is closed when the text and fields of its rows reach this many bytes (of UTF-8)."""

SHARD_ROWS = 50_000
"""A shard is closed at this many rows, kept and dropped together."""

READ_BYTES = 1 << 20
"""Bytes read from a file at a time."""

ZSTD_READ_BYTES = 8 << 10
"""Compressed bytes given to zstd at a time: it may return 30,000 times as many, and cannot be asked for less."""
