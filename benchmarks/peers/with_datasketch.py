"""datasketch: its MinHash in bulk with the default scheme, and its LSH index; what the index finds is believed.

https://ekzhu.com/datasketch/lsh.html (params=(16, 8) is its own example; the optimum that it computes for a threshold
misses more than half of the pairs at the threshold).
"""

from __future__ import annotations

from collections.abc import Iterator

from datasketch import MinHash, MinHashLSH
from lines import arguments, encoded_shingles, read, write

BLOCK = 1_000


def keeps(texts: list[str]) -> Iterator[bool]:
    index = MinHashLSH(num_perm=128, params=(16, 8))
    for start in range(0, len(texts), BLOCK):
        sets = map(encoded_shingles, texts[start : start + BLOCK])
        for i, sketch in enumerate(MinHash.bulk(sets, num_perm=128), start):
            new = not index.query(sketch)
            if new:
                index.insert(i, sketch)
            yield new


source, target, _ = arguments()
lines, texts = read(source)
write(target, lines, keeps(texts))
