"""rensa: its keep-first deduplicator with LSH, as in its README; candidates are checked by their signatures.

Left to itself it chooses fewer bands at a threshold of 0.8, and misses a third of the pairs.
"""

from __future__ import annotations

from lines import arguments, read, shingles, write
from rensa import RMinHashDeduplicator

source, target, threshold = arguments()
lines, texts = read(source)
first = RMinHashDeduplicator(threshold=threshold, num_perm=128, use_lsh=True, num_bands=16)
write(target, lines, first.add_pairs((str(i), shingles(text)) for i, text in enumerate(texts)))
