import msgspec
import pytest

from instructkit.errors import TrainingError, UsageFault
from instructkit.evaluate.choose import choose
from instructkit.evaluate.generate import generate
from instructkit.evaluate.result import BeforeAfter, Evaluation, read_evaluations, write_evaluations
from instructkit.evaluate.run import evaluate
from instructkit.evaluate.table import loss_rows


def test_a_split_without_examples_names_those_that_have_some(shards):
    with pytest.raises(UsageFault, match=r"split 'tset'; the shards hold: test \(10\), train \(30\)"):
        choose(shards, "tset", None, 0)


def test_examples_are_chosen_per_template_by_seed_not_by_shard(shards):
    chosen = choose(shards, "train", 4, 0)
    assert dict(chosen.group_by("template").len().rows()) == {"t0": 4, "t1": 4, "t2": 4}
    assert choose(shards[::-1], "train", 4, 0)["id"].to_list() == chosen["id"].to_list()
    assert choose(shards, "train", 4, 1)["id"].to_list() != chosen["id"].to_list()


def test_a_saved_model_is_measured_and_answers(saved, shards):
    result = evaluate(saved, shards, by=("template", "language"), generations=3)
    assert (result.split, result.overall.examples) == ("test", 10)
    assert {s.name for s in result.slices} == {"t0", "t1", "t2", "en"}
    assert [g.template for g in result.generations] == ["t0", "t1", "t2"]
    assert all(g.prompt[-1].role == "user" and g.expected.startswith("one") for g in result.generations)


def test_an_unknown_slice_is_a_usage_fault(saved, shards):
    with pytest.raises(UsageFault, match="no losses by 'tasks'; did you mean 'task'"):
        evaluate(saved, shards, by=("tasks",))


def test_a_file_that_is_no_model_says_so(tmp_path, shards):
    with pytest.raises(TrainingError, match="the config cannot be loaded; taken as a folder"):
        evaluate(tmp_path, shards)


def test_a_prompt_that_fills_the_model_is_a_usage_fault(saved):
    with pytest.raises(UsageFault, match=r"prompt has \d+ tokens, the model takes 128"):
        generate(saved, "z" * 300)


def test_evaluations_come_back_from_their_file(saved, shards, tmp_path):
    result = evaluate(saved, shards, generations=1)
    write_evaluations(tmp_path / "evaluation.json", BeforeAfter(before=result))
    assert read_evaluations(tmp_path / "evaluation.json") == BeforeAfter(before=result)


def test_tables_show_before_after_and_the_change(saved, shards):
    before = evaluate(saved, shards)
    lower = [msgspec.structs.replace(s, loss=s.loss - 1) for s in before.slices]
    after = msgspec.structs.replace(before, slices=lower)
    heads, lines = loss_rows(BeforeAfter(before=before, after=after))
    assert heads == ("template", "examples", "tokens", "before", "after", "change", "95 %", "perplexity")
    assert [line[5] for line in lines] == ["-1.000"] * 3 + ["+0.000"]
    assert loss_rows(BeforeAfter(before=None, after=after))[0] == (
        "template",
        "examples",
        "tokens",
        "loss",
        "95 %",
        "perplexity",
    )
    assert isinstance(before, Evaluation)
