import pytest

from instructkit.chat.shards import read_split, split_counts
from instructkit.errors import InputError
from instructkit.schema import Example, frame


@pytest.mark.parametrize("folder", ["plain", "run [1]", "a*b", "what?"])
def test_shards_are_read_from_any_folder(tmp_path, make_example, folder):
    path = tmp_path / folder / "0.parquet"
    path.parent.mkdir()
    rows = [make_example(("user", "a"), id=f"e{i}", split=split) for i, split in enumerate(["train", "test", None])]
    frame(Example, rows).write_parquet(path)
    assert split_counts([path]) == {"": 1, "test": 1, "train": 1}
    assert [shard["id"].to_list() for shard in read_split([path], "train")] == [["e0"]]


def test_a_file_that_is_no_shard_is_named(tmp_path):
    path = tmp_path / "0.parquet"
    path.write_text("no parquet")
    with pytest.raises(InputError, match=r"0\.parquet: not a Parquet shard"):
        split_counts([path])
    with pytest.raises(InputError, match=r"0\.parquet: not a Parquet shard"):
        list(read_split([path], "train"))
