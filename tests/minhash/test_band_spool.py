import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from instructkit.minhash.band_spool import BandSpool


@given(counts=st.lists(st.integers(0, 5), max_size=6), bands=st.integers(1, 4))
def test_a_band_of_all_blocks_comes_back_in_the_order_of_the_rows(tmp_path_factory, counts, bands):
    blocks = [np.arange(bands * n, dtype=np.uint64).reshape(bands, n) + 100 * i for i, n in enumerate(counts)]
    folder = tmp_path_factory.mktemp("spool")
    with BandSpool(bands, folder) as spool:
        for block in blocks:
            spool.add(block)
        found = [band.tolist() for band in spool.bands()]
    assert found == [[int(x) for block in blocks for x in block[band]] for band in range(bands)]
    assert not list(folder.iterdir())
