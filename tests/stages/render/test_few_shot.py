import msgspec
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.hashing import canonical_json
from instructkit.schema import Document, Drop, Example, Origin, check, columns, frame, records
from instructkit.stages.contract import CorpusStage
from instructkit.stages.render.few_shot import RenderFewShot
from instructkit.stages.render.template import RenderTemplate
from instructkit.text.conversation import content_hash, trained_weight

HEAD = "---\nsummary: s\ntask: question_answering\ninputs: {text: , answer: , tone: {required: false}}\n"
SOURCE = (
    HEAD + "---\n"
    "{% if tone %}{% block system %}Be {{ tone }}.{% endblock %}{% endif %}\n"
    "{% block user %}{{ text }}?{% endblock %}\n"
    "{% block assistant %}{{ answer }}{% endblock %}\n"
)
documents = st.lists(
    st.builds(
        lambda number, group, split, answer, tone: document(number, group, split, answer, tone),
        st.integers(0, 999),
        st.integers(0, 9),
        st.sampled_from(["train", "train", "validation", "test"]),
        st.sampled_from(["yes", "no", "", None]),
        st.sampled_from([None, None, "kind"]),
    ),
    max_size=24,
    unique_by=lambda d: d.id,
)


def document(number, group=None, split="train", answer="yes", tone=None):
    return Document(
        id=f"d{number}",
        source="s",
        origin=Origin(file="f", line=number),
        text=f"Q{number}",
        fields=canonical_json({"answer": answer and f"{answer} {number}", "tone": tone}),
        # A group has one split, as `split` makes it.
        group=f"{split}-{number if group is None else group}",
        split=split,
    )


def stage(source=SOURCE, **options):
    return RenderFewShot(template="qa/open", template_hash="h", sources={"qa/open.jinja": source}, **options)


def run(stage, *shards):
    """As the runner does it: sketch, decide, apply."""
    frames = [frame(Document, docs) for docs in shards]
    decision = stage.decide(pl.concat([stage.sketch(shard).lazy() for shard in frames]), pl.LazyFrame())
    outcomes = [stage.apply(shard, decision) for shard in frames]
    for shard, outcome in zip(frames, outcomes, strict=True):
        check(Example, outcome.kept, "few-shot")
        check(Drop, outcome.dropped, "few-shot")
        assert shard.height == outcome.kept.height + outcome.dropped.height
    kept = pl.concat([outcome.kept for outcome in outcomes])
    dropped = pl.concat([outcome.dropped for outcome in outcomes])
    return list(records(Example, kept)), {row["id"]: row["rule"] for row in dropped.to_dicts()}


def test_it_is_a_corpus_stage():
    assert isinstance(stage(), CorpusStage)


@settings(max_examples=60)
@given(documents, st.integers(1, 4), st.integers(0, 3))
def test_exemplars_are_of_the_training_split_of_other_groups_and_none_stands_twice(docs, shots, seed):
    known = {d.id: d for d in docs}
    kept, dropped = run(stage(shots=[shots], seed=seed), docs)
    for example in kept:
        exemplars = [known[name] for name in example.exemplar_ids]
        assert len({e.id for e in exemplars}) == len(exemplars) == shots
        assert {e.split for e in exemplars} == {"train"}
        assert example.group not in {e.group for e in exemplars}
        # What belongs to the example is its own.
        (own,) = example.document_ids
        assert (example.group, example.split, example.id) == (known[own].group, known[own].split, f"{own}/qa/open")
    plain = RenderTemplate(template="qa/open", template_hash="h", sources={"qa/open.jinja": SOURCE})
    can = {example.document_ids[0] for example in records(Example, plain.apply(frame(Document, docs)).kept)}
    groups = {known[name].group for name in can if known[name].split == "train"}
    for d in docs:
        enough = len(groups - {d.group}) >= shots
        assert dropped.get(d.id) == ("missing_input" if d.id not in can else None if enough else "too_few_exemplars")


@settings(max_examples=60)
@given(documents, st.integers(1, 3))
def test_messages_are_the_exemplars_in_order_untrained_and_then_the_own(docs, shots):
    known = {d.id: d for d in docs}
    kept, _ = run(stage(shots=[shots]), docs)
    for example in kept:
        tone = "kind" in known[example.document_ids[0]].fields
        assert [m.role for m in example.messages] == [*["system"] * tone, *["user", "assistant"] * (shots + 1)]
        asked = [m.content for m in example.messages if m.role == "user"]
        assert asked == [f"{known[i].text}?" for i in [*example.exemplar_ids, *example.document_ids]]
        assert [trained_weight(m) for m in example.messages] == [0.0] * (len(example.messages) - 1) + [1.0]
        assert example.content_hash == content_hash(example.messages, None)
        assert example.variant == f"shots={shots}"


@settings(max_examples=60)
@given(documents, st.randoms(use_true_random=False), st.lists(st.integers(0, 24), max_size=3), st.integers(1, 5))
def test_order_and_cut_of_shards_change_no_row(docs, random, cuts, pool):
    few = stage(shots=[0, 1, 3], pool=pool)
    kept, dropped = run(few, docs)
    random.shuffle(docs)
    cuts = sorted(min(cut, len(docs)) for cut in cuts)
    shards = [docs[start:end] for start, end in zip([0, *cuts], [*cuts, len(docs)], strict=True)]
    again, dropped_again = run(few, *shards)
    assert {e.id: e for e in again} == {e.id: e for e in kept}
    assert dropped_again == dropped


@settings(max_examples=40)
@given(documents, documents)
def test_rows_of_other_splits_change_nothing_for_the_others(docs, more):
    known = {d.id for d in docs}
    more = [d for d in more if d.split != "train" and d.id not in known]
    kept, dropped = run(stage(shots=[0, 2]), docs)
    again, dropped_again = run(stage(shots=[0, 2]), docs, more)
    assert [e for e in again if e.document_ids[0] in known] == kept
    assert {name: rule for name, rule in dropped_again.items() if name in known} == dropped


@settings(max_examples=40)
@given(documents, st.integers(1, 6))
def test_the_pool_is_the_smallest_hashes_of_each_group_that_can_be_rendered(docs, size):
    def pool(size):
        few = stage(pool=size)
        return few.decide(few.sketch(frame(Document, docs)).lazy(), pl.LazyFrame())

    everyone = pool(1000)
    assert everyone["place"].is_sorted()
    assert everyone["group"].is_unique().all()
    assert pool(size).equals(everyone.head(size))


def test_a_number_of_shots_is_drawn_for_each_row_and_recorded():
    kept, _ = run(stage(shots=[0, 2, 5]), [document(n) for n in range(300)])
    assert {e.variant for e in kept} == {"shots=0", "shots=2", "shots=5"}
    assert all(e.variant == f"shots={len(e.exemplar_ids)}" for e in kept)
    for shots in (0, 2, 5):
        assert 60 < sum(len(e.exemplar_ids) == shots for e in kept) < 140


def test_as_text_the_exemplars_stand_before_the_question_with_the_separator():
    docs = [document(n, tone="kind") for n in range(4)]
    kept, _ = run(stage(shots=[2], exemplars="text", separator="\n##\n"), docs)
    for e in kept:
        (one, two), (own,) = ([name[1:] for name in names] for names in (e.exemplar_ids, e.document_ids))
        assert [m.role for m in e.messages] == ["system", "user", "assistant"]
        assert e.messages[0].content == "Be kind."
        assert e.messages[1].content == f"Q{one}?\n##\nyes {one}\n##\nQ{two}?\n##\nyes {two}\n##\nQ{own}?"
        assert e.messages[2].content == f"yes {own}"


def test_rows_of_every_split_get_exemplars():
    docs = [document(n, split=split) for n, split in enumerate(["train"] * 5 + ["validation", "test"])]
    kept, _ = run(stage(shots=[3]), docs)
    assert {e.split for e in kept} == {"train", "validation", "test"}
    assert all({int(name[1:]) for name in e.exemplar_ids} <= set(range(5)) for e in kept)


def test_documents_without_a_split_stop_the_stage_with_the_way_out():
    shard = frame(Document, [document(1), document(2)]).with_columns(split=pl.lit(None, dtype=pl.String))
    with pytest.raises(StageError, match="few-shot needs a split step before render"):
        stage().sketch(shard)


def test_too_few_exemplars_is_a_drop_with_both_numbers():
    few = stage(shots=[3])
    shard = frame(Document, [document(n) for n in range(3)])
    _, dropped = few.apply(shard, few.decide(few.sketch(shard).lazy(), pl.LazyFrame()))
    assert dropped.select("rule", "value", "threshold").unique().rows() == [("too_few_exemplars", "2", "3")]


def test_what_cannot_be_asked_before_cannot_be_shown_exemplars():
    source = (
        HEAD
        + "---\n{% if tone %}{% block user %}{{ text }}{% endblock %}{% endif %}"
        + ("{% block assistant %}{{ answer }}{% endblock %}")
    )
    docs = [document(n, tone="kind" if n else None) for n in range(4)]
    for form in ("turns", "text"):
        kept, dropped = run(stage(source, exemplars=form, shots=[1]), docs)
        assert dropped == {"d0": "no_place_for_exemplars"}
        assert not any("d0" in e.exemplar_ids for e in kept)


def test_wordings_and_shots_are_recorded_and_exemplars_ask_as_the_row_does():
    source = SOURCE.replace("---\n{% if", "phrasings: ['{{ text }}', 'Say: {{ text }}']\n---\n{% if").replace(
        "{{ text }}?", "{{ phrasing }}"
    )
    kept, _ = run(stage(source, shots=[2]), [document(n) for n in range(60)])
    assert {e.variant for e in kept} == {"phrasing=1,shots=2", "phrasing=2,shots=2"}
    for e in kept:
        asked = {m.content.startswith("Say: ") for m in e.messages if m.role == "user"}
        assert asked == {e.variant.startswith("phrasing=2")}


def test_an_empty_shard_gives_empty_frames():
    kept, dropped = run(stage(), [])
    assert (kept, dropped) == ([], {})
    assert stage().sketch(pl.DataFrame(schema=columns(Document))).height == 0


def test_exemplars_and_rows_are_read_from_the_columns_that_are_named():
    docs = [document(n) for n in range(6)]
    moved = [msgspec.structs.replace(d, fields=d.fields.replace('"answer"', '"Best Answer"')) for d in docs]
    expected = run(stage(shots=[2]), docs)[0]
    kept, dropped = run(stage(shots=[2], columns={"answer": "Best Answer"}), moved)
    assert (kept, dropped) == (expected, {})
    assert len(kept[0].exemplar_ids) == 2
    _, dropped = run(stage(shots=[2], columns={"answer": "Best Answer"}), docs)
    assert set(dropped.values()) == {"missing_input"}


def test_a_row_of_a_system_message_alone_has_no_place_and_is_no_exemplar():
    source = (
        HEAD + "answer: model\n---\n"
        "{% block system %}Answer {{ answer }}.{% endblock %}\n"
        "{% if tone %}{% block user %}{{ text }}{% endblock %}{% endif %}\n"
    )
    docs = [document(n, tone="kind" if n else None) for n in range(3)]
    assert run(stage(source, shots=[0]), docs)[1] == {}
    for form, rule in (("turns", "too_few_exemplars"), ("text", "no_place_for_exemplars")):
        kept, dropped = run(stage(source, exemplars=form, shots=[1]), docs)
        assert kept == []
        assert dropped == {"d0": "no_place_for_exemplars", "d1": rule, "d2": rule}


def test_what_ends_in_a_question_is_no_exemplar_but_may_be_shown_some():
    more = "{% if tone %}{% block user_2 %}And?{% endblock %}{% endif %}\n"
    docs = [document(n, tone="kind" if n % 2 else None) for n in range(8)]
    kept, dropped = run(stage(SOURCE + more, shots=[3]), docs)
    assert len(kept) == 8
    assert all(int(name[1:]) % 2 == 0 for e in kept for name in e.exemplar_ids)
    own = ["user", "assistant", "user"]
    assert [m.role for m in kept[1].messages if m.role != "system"] == [*["user", "assistant"] * 3, *own]
    assert dropped == {}


def test_what_ends_in_a_call_of_a_tool_is_no_exemplar_but_may_be_shown_some():
    source = (
        HEAD + "tools: [{name: look, parameters: {type: object, properties: {}}}]\n---\n"
        "{% block user %}{{ text }}?{% endblock %}\n"
        "{% if tone %}{% block assistant %}{{ tool_call('look', {}) }}{% endblock %}\n"
        "{% else %}{% block assistant_2 %}{{ answer }}{% endblock %}{% endif %}\n"
    )
    docs = [document(n, tone="kind" if n % 2 else None) for n in range(8)]
    kept, dropped = run(stage(source, shots=[3]), docs)
    assert dropped == {}
    assert len(kept) == 8
    assert all(int(name[1:]) % 2 == 0 for e in kept for name in e.exemplar_ids)
    assert [bool(e.messages[-1].tool_calls) for e in kept] == [False, True] * 4
