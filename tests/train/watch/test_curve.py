import xml.etree.ElementTree as ElementTree

import orjson
import pytest

from instructkit.evaluate.result import BeforeAfter, Evaluation, Slice, write_evaluations
from instructkit.train.watch import curve
from instructkit.train.watch.curve import FEWEST, MOST, by_slice, draw_curve, smoothed

pytest.importorskip("matplotlib", reason="drawing is an extra")


def evaluation(overall, **templates):
    parts = [Slice(by="template", name=n, examples=1, tokens=10 + len(n), loss=v) for n, v in templates.items()]
    whole = Slice(by="all", name="all", examples=1, tokens=100, loss=overall)
    return Evaluation(split="test", overall=whole, slices=parts)


@pytest.fixture
def run(tmp_path):
    """A run's folder: losses of steps, validation losses by step, before and after."""

    def make(losses, validation=(), found=None):
        lines = [{"step": i + 1, "loss": loss, "supervised_tokens": 10 + i} for i, loss in enumerate(losses)]
        for step, parts in dict(validation).items():
            lines[step - 1] |= {"validation_loss": sum(parts.values()) / len(parts), "validation": {"template": parts}}
        (tmp_path / "metrics.jsonl").write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
        if found is not None:
            write_evaluations(tmp_path / "evaluation.json", found)
        return tmp_path

    return make


def words(out):
    return [e.text for e in ElementTree.parse(out / "curve.svg").iter() if e.tag.endswith("}text") and e.text]


LOSSES = [3.0 - 0.05 * i for i in range(30)]


def test_the_picture_names_each_line_with_the_loss_that_it_ends_at(run):
    validation = {10: {"qa/open": 2.5, "qa/closed": 2.9}, 30: {"qa/open": 1.5, "qa/closed": 2.25}}
    out = run(LOSSES, validation, BeforeAfter(before=evaluation(3.1), after=evaluation(1.62)))
    assert draw_curve(out) == []
    said = words(out)
    assert {
        "1.57 training",
        "1.88 validation",
        "3.10 test before",
        "1.62 test after",
        "1.50 qa/open",
        "2.25 qa/closed",
    } <= set(said)
    assert "Loss by template, validation split" in said
    assert (out / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_numbers_give_the_same_bytes(run):
    out = run(LOSSES, {10: {"a": 2.0, "b": 3.0}})
    draw_curve(out)
    first = [(out / f"curve.{kind}").read_bytes() for kind in ("png", "svg")]
    draw_curve(out)
    assert [(out / f"curve.{kind}").read_bytes() for kind in ("png", "svg")] == first


def test_without_validation_on_the_way_slices_are_those_of_the_test_split(run):
    found = BeforeAfter(before=evaluation(3.0, a=3.0, b=2.5), after=evaluation(1.0, a=1.5, b=0.5))
    out = run(LOSSES, found=found)
    draw_curve(out)
    assert {"Loss by template, test split, before and after", "1.50 a", "0.50 b"} <= set(words(out))


def test_one_slice_needs_no_panel_and_losses_far_apart_a_logarithmic_axis(run):
    out = run([8.0, *[0.02 + 1 / (i + 1) for i in range(30)]], {10: {"only": 0.5}})
    draw_curve(out)
    said = words(out)
    assert not [word for word in said if "by template" in word]
    assert {"0.1", "1"} <= set(said)


def test_of_many_slices_those_with_most_tokens_are_drawn():
    names = ["x" * n for n in range(1, MOST + 5)]
    found = BeforeAfter(
        before=evaluation(1.0, **dict.fromkeys(names, 2.0)), after=evaluation(1, **dict.fromkeys(names, 1.0))
    )
    by, slices = by_slice([{"step": 5}], found)
    assert by == "template"
    assert sorted(slices) == sorted(names[-MOST:])


def test_a_few_steps_are_no_curve(run):
    out = run(LOSSES[: FEWEST - 1])
    assert draw_curve(out) == []
    assert not (out / "curve.png").exists()


def test_without_matplotlib_the_run_says_how_to_get_a_curve(run, monkeypatch):
    monkeypatch.setattr(curve, "find_spec", lambda name: None)
    (note,) = draw_curve(run(LOSSES))
    assert "pip install matplotlib" in note


def test_smoothing_is_weighted_by_tokens_and_keeps_the_ends():
    lines = [{"step": i + 1, "loss": float(i % 2), "supervised_tokens": 1 + 2 * (i % 2)} for i in range(100)]
    points = smoothed(lines)
    assert [step for step, _ in points] == list(range(1, 101))
    assert points[50][1] == pytest.approx((2 * 3 * 1 + 3 * 0) / (2 * 3 + 3), abs=0.2)


def test_a_step_without_a_loss_leaves_no_trace_in_the_curve(run):
    out = run([None if i == 3 else loss for i, loss in enumerate(LOSSES)], {4: {"a": 2.0}, 10: {"a": 1.0}})
    assert draw_curve(out) == []
    assert any(word.endswith("training") for word in words(out))


def test_a_name_that_begins_with_an_underscore_is_shown_too(run):
    out = run(LOSSES, {10: {"_drafts/a": 2.0, "b": 1.0}})
    draw_curve(out)
    assert {"2.00 _drafts/a", "1.00 b"} <= set(words(out))
