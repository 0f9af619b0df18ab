import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.errors import StageError
from instructkit.hashing import canonical_json
from instructkit.schema import Document, Drop, Example, Origin, check, frame, records
from instructkit.stages.render.template import RenderTemplate
from instructkit.templates.rendering import compiled
from instructkit.text.conversation import content_hash

SOURCE = """---
summary: s
task: question_answering
inputs: {text: , answer: , tone: {required: false}, language: {required: false}}
---
{% if tone %}{% block system %}Be {{ tone }}.{% endblock %}{% endif %}
{% block user %}{{ ["Q:", "Question:"] | choice }} {{ text }} {{ language or "" }}{% endblock %}
{% block assistant %}{{ answer }}{% endblock %}
"""
values = st.one_of(st.none(), st.text(max_size=8), st.integers(-9, 9), st.lists(st.text(max_size=3), max_size=2))
documents = st.lists(
    st.builds(
        Document,
        id=st.uuids().map(str),
        source=st.sampled_from(["news", "books"]),
        origin=st.builds(Origin, file=st.just("f.jsonl"), line=st.integers(1, 99)),
        text=st.text(max_size=10),
        fields=st.dictionaries(st.sampled_from(["answer", "tone", "text", "other"]), values).map(canonical_json),
        language=st.sampled_from([None, "en"]),
        group=st.text("ab", min_size=1),
        split=st.sampled_from([None, "train"]),
    ),
    max_size=6,
    unique_by=lambda d: d.id,
)


def stage(source=SOURCE, seed=0):
    return RenderTemplate(template="qa/open", template_hash="h", sources={"qa/open.jinja": source}, seed=seed)


def document(id="d", text="Why?", **fields):  # noqa: A002
    origin = Origin(file="f", line=1)
    return Document(id=id, source="s", origin=origin, text=text, fields=canonical_json(fields), group="g", split="test")


def render(*docs, **options):
    return stage(**options).apply(frame(Document, docs))


@settings(max_examples=60, deadline=None)
@given(documents)
def test_one_document_gives_one_example_or_one_drop(docs):
    outcome = render(*docs)
    check(Example, outcome.kept, "render")
    check(Drop, outcome.dropped, "render")
    kept = [example.document_ids for example in records(Example, outcome.kept)]
    assert sorted([*[i for ids in kept for i in ids], *outcome.dropped["id"]]) == sorted(d.id for d in docs)
    order = [d.id for d in docs]
    assert [i for ids in kept for i in ids] == [i for i in order if [i] in kept]


@settings(max_examples=60, deadline=None)
@given(documents, st.randoms(use_true_random=False), st.integers(0, 5))
def test_order_and_cut_of_shards_change_no_row(docs, random, cut):
    whole = render(*docs)
    random.shuffle(docs)
    parts = [render(*docs[:cut]), render(*docs[cut:])]
    for name in ("kept", "dropped"):
        together = pl.concat([getattr(part, name) for part in parts])
        assert together.sort("id").equals(getattr(whole, name).sort("id"))


@settings(max_examples=60, deadline=None)
@given(documents)
def test_hashes_of_columns_are_the_hashes_of_records(docs):
    for example in records(Example, render(*docs).kept):
        assert example.content_hash == content_hash(example.messages, None)


def test_an_example_inherits_from_its_document_and_names_its_template():
    (example,) = records(Example, render(document(answer="Because.", tone="kind")).kept)
    assert [m.role for m in example.messages] == ["system", "user", "assistant"]
    assert (example.id, example.template, example.template_hash) == ("d/qa/open", "qa/open", "h")
    assert (example.source, example.group, example.split, example.task) == ("s", "g", "test", "question_answering")
    assert example.origin == Origin(file="f", line=1)
    assert (example.variant, example.exemplar_ids, example.weight, example.repeats, example.meta) == (
        None,
        [],
        1,
        1,
        "{}",
    )


def test_rows_of_other_turns_keep_the_documents_order():
    docs = [document(id=str(i), answer=f"A{i}", **({"tone": "kind"} if i % 2 else {})) for i in range(6)]
    kept = list(records(Example, render(*docs).kept))
    assert [e.messages[-1].content for e in kept] == [f"A{i}" for i in range(6)]
    assert [len(e.messages) for e in kept] == [2, 3] * 3


def test_a_drop_names_field_template_and_origin():
    dropped = render(document(answer="")).dropped.row(0, named=True)
    assert dropped == {
        "id": "d", "origin": {"file": "f", "line": 1}, "step": None, "template": "qa/open", "rule": "missing_input",
        "value": "answer", "threshold": None, "detail": "the template needs 'answer', which is missing or empty",
    }  # fmt: skip


def test_the_documents_own_text_stands_before_a_field_of_that_name():
    shard = frame(Document, [document(answer="a")]).with_columns(fields=pl.lit('{"answer":"a","text":"theirs"}'))
    (example,) = records(Example, stage().apply(shard).kept)
    assert example.messages[0].content.endswith(": Why?")


def test_fields_that_are_no_object_stop_the_stage_with_the_document():
    shard = frame(Document, [document(answer="a")]).with_columns(fields=pl.lit("[1]"))
    with pytest.raises(StageError, match="document d: fields are not a JSON object"):
        stage().apply(shard)


def test_the_seed_draws_other_words_and_is_all_that_does():
    docs = [document(id=str(i), answer="a") for i in range(40)]
    first = render(*docs, seed=1)
    assert render(*docs, seed=1).kept.equals(first.kept)
    assert not render(*docs, seed=2).kept.equals(first.kept)


def test_what_was_drawn_stands_on_the_example():
    source = SOURCE.replace("---\n{% if", "phrasings: ['{{ text }}', '{{ text }}?']\n---\n{% if").replace(
        "{{ text }} {{ l", "{{ phrasing }} {{ l"
    )
    docs = [document(id=str(i), answer="a") for i in range(40)]
    kept = list(records(Example, render(*docs, source=source).kept))
    assert {e.variant for e in kept} == {"phrasing=1", "phrasing=2"}
    assert all((e.variant == "phrasing=2") == e.messages[0].content.endswith("??") for e in kept)
    assert [e.id for e in kept] == [f"{i}/qa/open" for i in range(40)]


TOOLS = """---
summary: s
task: tools
inputs: {text: , answer: , tone: {required: false}}
tools: [{name: look_up}]
weights: {assistant: 0, tool: 0.5}
---
{% block user %}{{ text }}{% endblock %}
{% block assistant %}{{ tool_call("look_up", {"of": text, "n": [1, {"b": none, "a": tone}]}) }}{% endblock %}
{% block tool %}{{ answer }}{% endblock %}
{% block assistant_2 %}So {{ answer }}{% endblock %}
"""


def test_tools_calls_and_weights_stand_on_the_example_and_in_its_hash():
    docs = [document(answer="Because.", tone="kind"), document(id="e", answer="b")]
    for example in records(Example, render(*docs, source=TOOLS).kept):
        _, call, answer, _ = example.messages
        assert [m.weight for m in example.messages] == [None, 0, 0.5, None]
        assert (answer.name, answer.tool_call_id, json.loads(call.tool_calls)[0]["id"]) == (
            "look_up",
            "call_1",
            "call_1",
        )
        assert json.loads(example.tools) == [{"type": "function", "function": {"name": "look_up"}}]
        assert example.content_hash == content_hash(example.messages, example.tools)


def test_an_empty_shard_gives_empty_frames():
    outcome = render()
    check(Example, outcome.kept, "render")
    check(Drop, outcome.dropped, "render")
    assert outcome.kept.height == outcome.dropped.height == 0


PRINTS = """---
summary: s
task: question_answering
inputs: {text: , answer: , tone: {required: false}}
phrasings: ["{{ text }}", "{% if tone %}{{ tone }}: {% endif %}{{ text }}?"]
---
{% block user %}{{ phrasing }}{% endblock %}
{% block assistant %}{{ answer }}{% endblock %}
"""


@settings(max_examples=60)
@given(documents, st.sampled_from([None, "1", "2"]), st.integers(0, 3))
def test_the_quicker_way_gives_the_same_frames(docs, phrasing, seed):
    quick = RenderTemplate(
        template="qa/prints", template_hash="h", sources={"qa/prints.jinja": PRINTS}, phrasing=phrasing, seed=seed
    )
    # A loop that does nothing is more than printing.
    slower = PRINTS.replace("{{ answer }}", "{% for x in [] %}{% endfor %}{{ answer }}")
    slow = RenderTemplate(
        template="qa/prints", template_hash="h", sources={"qa/prints.jinja": slower}, phrasing=phrasing, seed=seed
    )
    assert compiled("qa/prints", quick.sources).direct
    assert not compiled("qa/prints", slow.sources).direct
    for one, other in zip(quick.apply(frame(Document, docs)), slow.apply(frame(Document, docs)), strict=True):
        assert one.equals(other)


def test_a_template_depends_on_jsonschema_where_it_has_tools_and_not_where_it_speaks_of_them():
    speaks = SOURCE.replace("Be {{ tone }}", "Use your tools: {{ tone }}")
    assert stage(speaks).packages == ("jinja2",)
    quoted = SOURCE.replace("task: question_answering\n", 'task: question_answering\n"tools" : [{name: look}]\n')
    assert stage(quoted).packages == ("jinja2", "jsonschema")
