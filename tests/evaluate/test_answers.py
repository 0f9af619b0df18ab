import msgspec
import polars as pl
import pytest

from instructkit.evaluate.answers import answer, metric_notes, to_answer
from instructkit.evaluate.decode import Decoding
from instructkit.evaluate.losses import measure
from instructkit.evaluate.metrics import measures
from instructkit.evaluate.scores import reply_scores
from instructkit.evaluate.subject import Subject
from instructkit.schema import Candidate, Example, Message, frame, records


@pytest.fixture
def subject(runner, chat):
    return Subject(runner, chat, 128, ())


def test_examples_are_taken_from_the_templates_in_turn(examples):
    assert to_answer(examples, total=4)["template"].to_list() == ["t0", "t1", "t2", "t0"]
    few = to_answer(examples, per_template=2)
    assert few["id"].to_list() == ["x0", "x1", "x2", "x3", "x4", "x5"]


def test_only_what_ends_with_a_reply_is_answered(examples):
    rows = list(records(Example, examples.head(3)))
    rows[0] = msgspec.structs.replace(rows[0], messages=rows[0].messages[:1])
    rows[1] = msgspec.structs.replace(rows[1], messages=rows[1].messages[1:])
    assert to_answer(frame(Example, rows))["id"].to_list() == ["x2"]


def test_a_template_is_measured_by_what_it_declared_when_it_was_rendered(subject, examples):
    asked = examples.head(6).with_columns(template_hash=pl.col("template") + "-hash")
    declared = {"t0-hash": ["chrf", "perplexity"], "t1-hash": []}
    replies = answer(subject, asked, Decoding(max_new_tokens=3), declared)
    assert [r.metrics for r in replies[:3]] == [
        ["chrf", "perplexity"],
        ["exact_match", "rougeL"],
        ["exact_match", "rougeL"],
    ]
    default, elsewhere = metric_notes(subject.chat, replies, asked, declared)
    assert default == "no metrics declared by t1, t2: measured by exact_match and rougeL"
    assert elsewhere.startswith("perplexity is not measured on replies")


def test_equal_endings_are_accepted_too_and_ranked_ones_are_not(subject, examples):
    (row,) = records(Example, examples.head(1))
    endings = [
        Candidate(messages=[Message(role="assistant", content=c)], rank=r) for c, r in (("uno", None), ("bad", 2))
    ]
    (reply,) = answer(subject, frame(Example, [msgspec.structs.replace(row, candidates=endings)]), Decoding(), {})
    assert (reply.expected, reply.also_accepted) == ("one ", ["uno"])


def test_tool_calls_are_expected_as_the_model_writes_them(subject, examples):
    (row,) = records(Example, examples.head(1))
    call = '[{"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}]'
    tools = '[{"type": "function", "function": {"name": "add", "parameters": {}}}]'
    messages = [row.messages[0], Message(role="assistant", content="", tool_calls=call)]
    row = msgspec.structs.replace(row, messages=messages, tools=tools)
    (reply,) = answer(subject, frame(Example, [row]), Decoding(max_new_tokens=2), {})
    assert reply.expected.startswith("<tool_call>")
    assert '"add"' in reply.expected


def test_sampled_replies_are_numbered_and_repeat_with_the_seed(subject, examples):
    decoding = Decoding(max_new_tokens=8, temperature=1.0, samples=3, seed=1)
    replies = answer(subject, examples.head(2), decoding, {})
    assert [(r.example_id, r.sample) for r in replies] == [(i, n) for i in ("x0", "x1") for n in range(3)]
    assert replies == answer(subject, examples.head(2), decoding, {})
    # An example's replies are its own, whatever it is answered with.
    assert replies[3:] == answer(subject, examples[1:2], decoding, {})


def test_without_sacrebleu_its_metrics_are_left_out_and_named(subject, examples, monkeypatch):
    monkeypatch.setattr(measures, "find_spec", lambda name: None)
    measures.unmeasured.cache_clear()
    try:
        asked = examples.head(3).with_columns(template_hash=pl.lit("h"))
        replies = answer(subject, asked, Decoding(max_new_tokens=2), {"h": ["chrf"]})
        (note,) = metric_notes(subject.chat, replies, asked, {"h": ["chrf"]})
        assert note == "chrf is not measured on replies: it needs sacreBLEU: pip install 'instructkit[metrics]'"
        rows = measure(subject.runner, subject.chat, asked, None).rows
        assert "chrf" not in {score.metric for score in reply_scores(replies, rows, [])}
    finally:
        measures.unmeasured.cache_clear()
