"""The laws of both stages, against brute force over small corpora of every make."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructkit.schema import Origin
from instructkit.stages.dedupe.exact import DedupeExact
from instructkit.stages.dedupe.minhash import DedupeMinhash

# So sure that brute force, which misses nothing, must come to the same.
SURE = {"recall": 0.999999, "num_perm": 512}
PREFER = ("web", "book")


def laws(cases):
    """Settings: so many cases, with fixtures that make things and keep nothing."""
    return settings(max_examples=cases, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


edits = st.lists(st.sampled_from([0, 4, 15, 29]), max_size=2)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "start": st.sampled_from([0, 50]),
            "length": st.sampled_from([30, 32]),
            "edits": edits,
            "case": st.booleans(),
            "group": st.integers(0, 6),
            "source": st.sampled_from(["web", "book", "forum", "news"]),
            "file": st.sampled_from(["a", "b"]),
            "line": st.integers(1, 3),
            "score": st.sampled_from([1, 2, -3, None]),
        }
    ),
    min_size=5,
    max_size=10,
)
KEEPS = ["first", "longest", "best"]
prefers = st.sampled_from([PREFER, ()])


@pytest.fixture
def written(prose, changed):
    def written(drawn):
        """Rows in full, from what was drawn of them; ids are in no order of anything else."""
        result = []
        for number, row in enumerate(drawn):
            text = changed(prose(row["start"], row["length"]), *row["edits"])
            result.append(
                {
                    **{name: row[name] for name in ("source", "file", "line", "score")},
                    "text": text.upper() if row["case"] else text,
                    "id": f"d{number * 7 % 10}",
                    "group": f"g{row['group']}",
                }
            )
        return result

    return written


@pytest.fixture
def shard_of(documents):
    def shard_of(rows):
        return documents(
            *(
                {
                    **{name: row[name] for name in ("id", "text", "group", "source")},
                    "origin": Origin(file=row["file"], line=row["line"]),
                    "fields": {} if row["score"] is None else {"rating": row["score"]},
                }
                for row in rows
            )
        )

    return shard_of


def holds(shard, kept, dropped, decision, expected, rule):
    """Every promise about a decision and what it does to a corpus of one shard."""
    goes = {name for name, verdict in expected.items() if verdict.goes}
    assert dict(kept.select("id", "group").rows()) == {
        name: verdict.group for name, verdict in expected.items() if name not in goes
    }
    # But for the group, what stays is what it was, in its order.
    assert kept.drop("group").equals(shard.filter(~pl.col("id").is_in(list(goes))).drop("group"))
    assert set(dropped["id"]) == goes
    assert set(dropped["rule"]) <= {rule}
    said = {row["id"]: row for row in decision.iter_rows(named=True)}
    groups = dict(shard.select("id", "group").rows())
    assert decision["id"].is_sorted()
    for name, verdict in expected.items():
        # Nobody is named who is in no cluster, is like nobody and keeps its group.
        assert (name in said) == (verdict.nearest is not None or verdict.group != groups[name])
        if name in said:
            assert said[name]["cluster"] == verdict.cluster
            assert said[name]["survivor"] == (verdict.cluster if verdict.goes else None)
            assert said[name]["group"] == verdict.group
    return said


@pytest.mark.parametrize("keep", KEEPS)
@laws(15)
@given(rows, st.sampled_from([(0.6, 0.6), (0.75, 0.5), (0.5, 0.9)]), prefers)
def test_near_duplicates_stay_go_and_move_as_brute_force_says(
    written, shard_of, run_corpus_stage, verdicts, jaccard, keep, drawn, thresholds, prefer
):
    rows, (threshold, group_threshold) = written(drawn), thresholds
    stage = DedupeMinhash(
        threshold=threshold,
        group_threshold=group_threshold,
        keep=keep,
        score="fields.rating" if keep == "best" else None,
        prefer=prefer,
        **SURE,
    )
    shard = shard_of(rows)
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    expected = verdicts(rows, jaccard, threshold, group_threshold, keep, prefer)
    kept, dropped = run_corpus_stage(stage, [shard])
    said = holds(shard, kept, dropped, decision, expected, "near_duplicate")
    texts = dict(shard.select("id", "text").rows())
    for name, row in said.items():
        assert row["similarity"] == expected[name].nearest
        if row["nearest"] is not None:
            assert row["similarity"] == jaccard(texts[name], texts[row["nearest"]])
    assert (decision.drop_nulls("survivor")["similarity"] >= threshold).all()
    for row in dropped.iter_rows(named=True):
        verdict = said[row["id"]]
        assert row["detail"] == f"kept '{verdict['survivor']}'; most like '{verdict['nearest']}'"
        assert float(row["value"]) == pytest.approx(verdict["similarity"], abs=1e-4)


@pytest.mark.parametrize("keep", KEEPS)
@laws(30)
@given(rows, prefers)
def test_equal_texts_stay_go_and_move_as_brute_force_says(
    written, shard_of, run_corpus_stage, verdicts, keep, drawn, prefer
):
    rows = written(drawn)
    stage = DedupeExact(keep=keep, score="fields.rating" if keep == "best" else None, prefer=prefer)
    shard = shard_of(rows)
    decision = stage.decide(stage.sketch(shard).lazy(), shard.lazy())
    expected = verdicts(rows, lambda one, other: float(one.lower() == other.lower()), 1, 1, keep, prefer)
    kept, dropped = run_corpus_stage(stage, [shard])
    holds(shard, kept, dropped, decision, expected, "duplicate")


@pytest.mark.parametrize("stage", [DedupeExact(keep="longest"), DedupeMinhash(threshold=0.6, group_threshold=0.5)])
@laws(20)
@given(rows, st.randoms(use_true_random=False), st.lists(st.integers(0, 10), max_size=4))
def test_rows_in_any_order_and_in_any_shards_come_to_the_same(
    written, shard_of, run_corpus_stage, stage, drawn, random, cuts
):
    shard = shard_of(written(drawn))
    kept, dropped = run_corpus_stage(stage, [shard])
    order = random.sample(range(shard.height), shard.height)
    edges = sorted({0, shard.height, *(min(cut, shard.height) for cut in cuts)})
    shards = [shard[order][start:end] for start, end in pairwise(edges)]
    kept_2, dropped_2 = run_corpus_stage(stage, shards)
    assert kept_2.sort("id").equals(kept.sort("id"))
    assert dropped_2.sort("id").equals(dropped.sort("id"))


@pytest.mark.parametrize("of", ["all", "prompt", "response"])
@pytest.mark.parametrize("stage", [DedupeExact, DedupeMinhash])
@laws(8)
@given(rows, st.lists(edits, min_size=10, max_size=10))
def test_examples_are_decided_as_documents_of_the_text_that_is_looked_at(
    written, shard_of, examples, prose, changed, stage, of, drawn, answers
):
    rows = written(drawn)
    answers = [changed(prose(200, 30), *places) for places in answers]
    conversations = examples(
        *(
            {
                **{name: row[name] for name in ("id", "group", "source")},
                "origin": Origin(file=row["file"], line=row["line"]),
                "messages": [("system", "Be brief."), ("user", row["text"]), ("assistant", answer)],
            }
            for row, answer in zip(rows, answers, strict=False)
        )
    )
    texts = {
        "all": lambda row, answer: f"Be brief.\n\n{row['text']}\n\n{answer}",
        "prompt": lambda row, answer: f"Be brief.\n\n{row['text']}",
        "response": lambda row, answer: answer,
    }
    looked_at = [{**row, "text": texts[of](row, answer)} for row, answer in zip(rows, answers, strict=False)]
    shard = shard_of(looked_at)
    on_examples = stage(of=of, keep="longest")
    on_documents = stage(keep="longest")
    assert on_examples.decide(on_examples.sketch(conversations).lazy(), conversations.lazy()).equals(
        on_documents.decide(on_documents.sketch(shard).lazy(), shard.lazy())
    )
