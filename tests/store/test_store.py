import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import StoreError, UsageFault
from instructkit.store.shards import read_shard, write_shard
from instructkit.store.store import CallRecord, Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".store")


def shard(*values):
    return pl.DataFrame({"id": list(values)})


def test_equal_rows_are_one_file_however_they_are_chunked(store):
    whole = store.put_shard(shard("a", "b", "c"))
    pieces = store.put_shard(pl.concat([shard("a"), shard("b", "c")], rechunk=False))
    assert whole == pieces
    assert len(list(store.root.glob("shards/*/*"))) == 1
    assert store.get_shard(whole).equals(shard("a", "b", "c"))


@given(st.lists(st.text(max_size=5), max_size=30), st.integers(1, 29))
def test_a_shard_reads_back_as_it_was_written(values, cut):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.parquet"
        frame = pl.DataFrame({"x": values}, schema={"x": pl.String})
        write_shard(pl.concat([frame[:cut], frame[cut:]]), path)
        assert read_shard(path).equals(frame)


def test_a_call_is_done_only_while_all_its_shards_are_whole(store):
    ref = store.put_shard(shard("a"))
    record = store.put_call(CallRecord(key="00ff", kept=[ref], dropped=[]))
    assert store.get_call("00ff") == record
    path = store.shard_path(ref)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert store.get_call("00ff") is None
    with pytest.raises(StoreError, match="run the build again"):
        store.get_shard(ref)
    assert store.put_shard(shard("a")) == ref
    assert store.get_call("00ff") == record


def test_a_torn_record_counts_as_not_there(store):
    store.put_call(CallRecord(key="00ff", kept=[], dropped=[]))
    store.call_path("00ff").write_bytes(b'{"key": "00')
    assert store.get_call("00ff") is None


def test_gc_keeps_what_is_used_and_nothing_else(store):
    used, unused = store.put_shard(shard("used")), store.put_shard(shard("unused"))
    store.put_call(CallRecord(key="aa", kept=[used], dropped=[]))
    store.put_call(CallRecord(key="bb", kept=[unused], dropped=[used]))
    files, size = store.gc(["aa"], dry_run=True)
    assert (files, size > 0) == (2, True)
    assert store.get_call("bb") is not None
    assert store.gc(["aa"])[0] == 2
    assert store.get_call("aa") is not None
    assert store.get_call("bb") is None
    assert not store.shard_path(unused).exists()
    assert store.gc(["aa"]) == (0, 0)


def test_sweep_removes_what_killed_builds_left_and_spares_a_running_one(store):
    folder = store.root / "tmp"
    folder.mkdir(parents=True)
    (folder / "123-0").touch()
    with store.held():  # a build is running
        store.sweep()
        assert list(folder.iterdir())
    store.sweep()
    assert not list(folder.iterdir())


def test_sweep_leaves_alone_what_is_not_named_by_a_process(store):
    folder = store.root / "tmp"
    folder.mkdir(parents=True)
    (folder / ".nfs0001").touch()
    store.sweep()
    assert (folder / ".nfs0001").exists()


def test_gc_and_builds_keep_out_of_each_others_way(store):
    with store.held(), store.held(), pytest.raises(UsageFault, match="a build is running"), store.held(alone=True):
        pass
    with store.held(alone=True):
        pass
