"""gaoya: its index of texts with its own word shingles, in bulk on all cores; candidates are checked by signature.

https://github.com/serega/gaoya, py-gaoya/examples. The index tells all texts like each; the first of them is kept.
"""

from __future__ import annotations

from gaoya.minhash import MinHashStringIndex
from lines import arguments, read, write

source, target, threshold = arguments()
lines, texts = read(source)
index = MinHashStringIndex(
    hash_size=32,
    jaccard_threshold=threshold,
    num_bands=16,
    band_size=8,
    analyzer="word",
    lowercase=True,
    ngram_range=(5, 5),
    id_container="smallvec",
)
index.par_bulk_insert_docs(list(range(len(texts))), texts)
dropped: set[int] = set()
for i, alike in enumerate(index.par_bulk_query(texts)):
    if i not in dropped:
        dropped.update(j for j in alike if j > i)
write(target, lines, (i not in dropped for i in range(len(lines))))
