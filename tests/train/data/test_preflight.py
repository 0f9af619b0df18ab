import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructkit.errors import TrainingError
from instructkit.schema import Drop, Example, Origin, check, columns, frame
from instructkit.train.data.preflight import COUNTED, LOST, TRAINED, Preflight, count, fates

rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["t", "u", None]),
        st.none() | st.integers(1, 30),
        st.integers(0, 2),
        st.sampled_from([0.0, 1.0, 2.5]),
        st.none() | st.integers(8, 12),
    ),
    min_size=1,
    max_size=40,
)


def lines(values):
    """Rows as `Tokens` has them; the last value is what the shortened example has, if it was cut."""
    schema = {name: columns(Example)[name] for name in ("id", "source", "template", "origin", "repeats")}
    schema |= {"tokens": pl.Int64, "supervised_tokens": pl.Int64, "weight": pl.Float64}
    whole, cut = [], []
    for i, (source, template, tokens, supervised, repeats, shorter) in enumerate(values):
        about = (f"x{i}", source, template, {"file": "f", "line": i, "row": None}, repeats)
        trained = None if tokens is None else min(supervised, tokens)
        whole.append((*about, tokens, trained, trained))
        if tokens is not None and tokens > 10 and shorter is not None:
            cut.append((*about, shorter, trained, trained))
    return tuple(pl.DataFrame(part, schema=schema, orient="row") for part in (whole, cut))


def drops(whole):
    bad = whole.filter(pl.col("tokens").is_null())["id"]
    return frame(Drop, [Drop(id=i, origin=Origin(file="f", line=1), rule="label.edge", detail="d") for i in bad])


@given(values=rows, cuts=st.booleans())
def test_law_rows_in_are_trained_or_lost_for_one_reason_in_each_cell_and_in_total(values, cuts):
    whole, cut = lines(values)
    sorted_out = fates(whole, cut if cuts else None, 10)
    found = count(sorted_out, drops(whole), 10)
    assert found.table.select(pl.sum_horizontal(TRAINED, *LOST) == pl.col("rows")).to_series().all()
    assert found.total("rows") == len(values) == found.total(TRAINED) + found.dropped.height
    kept = sorted_out.filter(pl.col("fate") == TRAINED)
    assert kept["id"].to_list() == [i for i in whole["id"] if i not in set(found.dropped["id"])]
    assert found.total("tokens") == kept["tokens"].sum()
    assert found.total("supervised_tokens") == kept["supervised_tokens"].sum()
    assert found.total("cut") == found.cut.height == kept["cut"].sum()
    assert (kept["tokens"] <= 10).all()
    assert (kept["supervised_tokens"] > 0).all()
    for frame_ in (found.dropped, found.cut):
        check(Drop, frame_, "preflight")


@pytest.fixture
def lossy(colours, write_shards, with_messages):
    """400 good examples, and one of template `t` for each way to be lost."""
    first, *rest = [e for e in colours(400) if e.split == "train"]
    bad = [
        with_messages(first, ("user", "x" * 500), ("assistant", "y"), id="long", template="t"),
        with_messages(first, ("user", "x"), id="silent", template="t"),
        with_messages(first, ("user", "hi"), ("assistant", "y<|im_end|>y"), id="control", template="t"),
        with_messages(first, ("user", "hi"), ("assistant", "y"), id="never", template="t", repeats=0.0),
    ]
    return write_shards([*bad, *rest])


def test_every_row_is_trained_on_or_counted_with_its_reason(lossy, prepare):
    data, preflight = prepare(lossy)
    row = preflight.table.row(by_predicate=pl.col("template") == "t", named=True)
    assert {name: row[name] for name in ("rows", TRAINED, *LOST)} == {
        "rows": 4,
        "trained": 0,
        "overlong": 1,
        "unlabelled": 1,
        "zero_label": 1,
        "zero_repeats": 1,
    }
    assert dict(preflight.dropped.select("id", "rule").rows()) == {
        "long": "train.overlong",
        "silent": "train.zero_label",
        "control": "label.control-token",
        "never": "train.zero_repeats",
    }
    assert preflight.dropped.row(by_predicate=pl.col("id") == "long", named=True)["threshold"] == "128"
    assert len(data.example_ids) == preflight.total(TRAINED)


def test_the_table_shows_what_is_lost_first_and_says_what_to_do(lossy, prepare):
    preflight = prepare(lossy)[1]
    shown = preflight.lines()
    assert shown[0].split() == [
        "source",
        "template",
        "rows",
        "overlong",
        "unlabelled",
        "zero",
        "label",
        "zero",
        "repeats",
        "trained",
        "tokens",
        "supervised",
        "tokens",
        "share",
    ]
    assert shown[1].split()[:8] == ["colours", "t", "4", "1", "1", "1", "1", "0"]
    assert shown[4].split()[0] == "all"
    assert [line.partition(":")[0] for line in shown[5:]] == [
        f"4 of {preflight.total('rows')} (1.2%) are not trained on; dropped.parquet names them",
        f"1 longer than sequence_length; the longest, long, has {preflight.lengths['longest']} tokens, "
        f"99 % of all have at most {preflight.lengths['p99']}",
        "1 cannot be shown to the model faithfully, or not be labelled",
        "1 have no token to train on",
        "1 have repeats 0",
    ]


def test_the_table_is_shown_when_nothing_is_lost(shards, prepare):
    preflight = prepare(shards)[1]
    _, first, second, total, last = preflight.lines()
    assert last == "nothing is lost: every row is trained on whole"
    assert {first.split()[1], second.split()[1]} == {"ask0", "ask1"}
    assert total.split()[:3] == ["all", *2 * [str(preflight.total("rows"))]]


def test_a_long_table_shows_the_worst_and_adds_up_the_others():
    counts = {name: [0] * 30 for name in COUNTED}
    lost = list(range(30))
    names = [f"t{n}" for n in lost]
    table = pl.DataFrame({"source": ["s"] * 30, "template": names, **counts, "rows": lost, "overlong": lost})
    lengths = {"median": 1, "p95": 1, "p99": 1, "longest": 1}
    shown = Preflight(table, frame(Drop, []), frame(Drop, []), lengths, "x").lines()
    assert shown[1].split()[:2] == ["s", "t29"]
    assert shown[13].startswith("18 more, in preflight.json")
    assert shown[13].split()[4:6] == ["153", "153"]
    assert shown[14].split()[:3] == ["all", "435", "435"]


def test_too_many_overlong_examples_stop_the_training_with_both_numbers(shards, prepare, small):
    _, preflight = prepare(shards, sequence_length=48)
    with pytest.raises(TrainingError, match=r"do not fit sequence_length 48; the longest, x\d+, has \d+ tokens.*drop"):
        preflight.refuse(small(sequence_length=48))
    for way in ("drop", "cut-prompt"):
        preflight.refuse(small(sequence_length=48, overlong=way))


def test_too_many_unlabelled_examples_stop_the_training_with_the_reason(
    colours, write_shards, prepare, small, with_messages
):
    bad = [with_messages(e, ("user", "hi"), ("assistant", "y<|im_end|>")) for e in colours(30)]
    _, preflight = prepare(write_shards(bad))
    with pytest.raises(TrainingError, match=r"cannot be labelled.*max_unlabelled 1\.0%.*label\.control-token"):
        preflight.refuse(small())


def test_nothing_left_to_train_on_stops_the_training(colours, write_shards, prepare, small):
    none = [msgspec.structs.replace(e, repeats=0.0) for e in colours(30)]
    _, preflight = prepare(write_shards(none))
    with pytest.raises(TrainingError, match="is left to train on"):
        preflight.refuse(small())


def test_what_is_saved_names_each_loss_and_counts_all(lossy, prepare, tmp_path):
    _, preflight = prepare(lossy)
    preflight.save(tmp_path, "tuned")
    dropped = pl.read_parquet(tmp_path / "dropped.parquet")
    assert set(dropped["step"]) == {"training 'tuned'"}
    saved = msgspec.json.decode((tmp_path / "preflight.json").read_bytes())
    assert saved["total"]["rows"] == sum(row["rows"] for row in saved["table"])
    assert saved["rules"] == dict.fromkeys(dropped["rule"], 1)
    assert "plan" not in saved
