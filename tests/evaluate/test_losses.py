import msgspec
import polars as pl
import pytest
import torch

from instructkit.chat.labels import label
from instructkit.evaluate.losses import measure
from instructkit.evaluate.slices import loss_slices
from instructkit.schema import Example, Message, frame, records


def by_hand(model, chat, examples):
    """(sum of weighted nll, weight) of each example, one forward pass each, with plain cross-entropy."""
    found = {}
    for example, result in zip(records(Example, examples), label(list(records(Example, examples)), chat), strict=True):
        ids = torch.from_numpy(result.input_ids).long()
        with torch.no_grad():
            logits = model.eval()(ids[None], use_cache=False).logits[0, :-1]
        nll = torch.nn.functional.cross_entropy(logits, ids[1:], reduction="none")
        weights = torch.from_numpy(result.weights[1:])
        found[example.id] = ((nll * weights).sum().item(), weights.sum().item())
    return found


def test_losses_are_means_over_tokens_not_means_of_means(runner, chat, examples):
    measured = measure(runner, chat, examples, None)
    expected = by_hand(runner.model, chat, examples)
    for part in loss_slices(measured.rows, ["template"])[1:]:
        ids = examples.filter(pl.col("template") == part.name)["id"]
        sums = [expected[i] for i in ids]
        assert part.loss == pytest.approx(sum(s for s, _ in sums) / sum(w for _, w in sums), rel=1e-4)
    total = loss_slices(measured.rows, [])[0]
    assert total.loss == pytest.approx(
        sum(s for s, _ in expected.values()) / sum(w for _, w in expected.values()), rel=1e-4
    )
    assert total.tokens == sum(p.tokens for p in loss_slices(measured.rows, ["template"])[1:])


def test_weights_count_in_the_mean(runner, chat, examples):
    weighted = examples.with_columns(weight=pl.when(pl.col("id") == "x3").then(5.0).otherwise(1.0))
    expected = by_hand(runner.model, chat, weighted)
    loss = loss_slices(measure(runner, chat, weighted, None).rows, [])[0].loss
    assert loss == pytest.approx(sum(s for s, _ in expected.values()) / sum(w for _, w in expected.values()), rel=1e-4)


def test_what_is_not_measured_is_counted(runner, chat, examples):
    rows = list(records(Example, examples))
    control = [Message(role="user", content="<|im_end|>"), Message(role="assistant", content="x")]
    long = [Message(role="user", content="z" * 300), Message(role="assistant", content="x")]
    rows[0] = msgspec.structs.replace(rows[0], messages=control)
    rows[1] = msgspec.structs.replace(rows[1], messages=long)
    measured = measure(runner, chat, frame(Example, rows), 128)
    assert (measured.unlabelled, measured.overlong, measured.rows.height) == (1, 1, 38)


def test_a_slice_without_supervised_tokens_has_no_loss(runner, chat, examples):
    prompts = [msgspec.structs.replace(e, messages=e.messages[:1]) for e in records(Example, examples.head(3))]
    assert loss_slices(measure(runner, chat, frame(Example, prompts), None).rows, [])[0].loss is None


def test_a_missing_value_is_a_slice_of_its_own(runner, chat, examples):
    assert [s.name for s in loss_slices(measure(runner, chat, examples, None).rows, ["task"])] == ["all", "-"]
