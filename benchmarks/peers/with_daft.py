"""daft: normalise, MinHash and bands in its engine, as in its tutorial; what shares a band is believed.

https://docs.daft.ai, minhash_dedupe_common_crawl. The components are joined here by union-find over the few bands that
recur, which is quicker at this size than the tutorial's rounds of joins.
"""

from __future__ import annotations

import daft
from daft import col
from daft.functions import chunk, length, minhash, monotonically_increasing_id, normalize
from lines import arguments, write

source, target, _ = arguments()
text = normalize(col("text"), lowercase=True, white_space=True)
sketch = minhash(text, num_hashes=128, ngram_size=5, hash_function="xxhash")
bands = (
    daft.read_json(str(source), schema={"id": daft.DataType.string(), "text": daft.DataType.string()})
    .select(monotonically_increasing_id().alias("place"), chunk(sketch, 8).alias("band"))
    .explode("band")
    .groupby("band")
    .agg(col("place").list_agg().alias("places"))
    .where(length(col("places")) > 1)
)
first: dict[int, int] = {}


def root(place: int) -> int:
    while (above := first.get(place, place)) != place:
        first[place] = first.get(above, above)
        place = above
    return place


for places in bands.to_pydict()["places"]:
    roots = {root(place) for place in places}
    for place in roots:
        first[place] = min(roots)
lines = source.read_bytes().splitlines(keepends=True)
write(target, lines, (root(i) == i for i in range(len(lines))))
