from instructkit.evaluate.result import BeforeAfter, Change, Evaluation, Score, Slice
from instructkit.evaluate.table import loss_rows, score_rows


def evaluation(loss, match):
    slices = [Slice(by="template", name="t", examples=10, tokens=90, loss=loss, low=loss - 0.1, high=loss + 0.1)]
    scores = [
        Score(by=by, name=name, metric=metric, value=value, examples=10)
        for by, name in (("all", "all"), ("template", "t"))
        for metric, value in (("exact_match", match), ("normalised_match", match), ("stopped", 1.0), ("tokens", 4.0))
    ]
    whole = Slice(by="all", name="all", examples=10, tokens=90, loss=loss, perplexity=7.389)
    return Evaluation(split="test", overall=whole, slices=slices, scores=scores)


def test_a_model_alone_has_its_own_intervals():
    heads, lines = loss_rows(BeforeAfter(before=None, after=evaluation(2.0, 0.5)))
    assert heads == ("template", "examples", "tokens", "loss", "95 %", "perplexity")
    assert lines == [("t", "10", "90", "2.000", "1.900 to 2.100", "-"), ("all", "10", "90", "2.000", "-", "7.39")]


def test_two_models_have_the_interval_of_their_difference():
    changes = [
        Change(by="template", name="t", metric="loss", value=-1.0, examples=10, low=-1.2, high=-0.8),
        Change(by="template", name="t", metric="exact_match", value=0.25, examples=10, low=0.1, high=0.4),
    ]
    found = BeforeAfter(before=evaluation(3.0, 0.25), after=evaluation(2.0, 0.5), changes=changes)
    _, (first, whole) = loss_rows(found, names=("base", "model"))
    assert first[3:7] == ("3.000", "2.000", "-1.000", "-1.200 to -0.800")
    assert whole[3:7] == ("3.000", "2.000", "-1.000", "-")
    heads, lines = score_rows(found, names=("base", "model"))
    assert heads[3:6] == ("base", "model", "change")
    assert lines[0] == (
        "t",
        "exact_match",
        "10",
        "0.250",
        "0.500",
        "+0.250",
        "+0.100 to +0.400",
        "1.00 → 1.00",
        "4 → 4",
        "- → -",
    )
    assert lines[1][0] == ""  # the slice's name stands once


def test_no_evaluation_is_an_empty_table():
    assert loss_rows(BeforeAfter(before=None))[1] == []
    assert score_rows(BeforeAfter(before=None))[1] == []
