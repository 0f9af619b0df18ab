import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings

from instructkit.train.watch.classes import SLICE, classify

STEPS = 100
NOTHING = pl.DataFrame(schema={"template": pl.String, "source": pl.String, "after": pl.Float64})


def usual(count=40, level=1.0):
    """Examples that fall from about 5 to about `level`, each a little different."""
    return [
        (5 + 0.01 * i, [(10 + i % 5, 3 + 0.01 * i), (60 + i % 5, level * (1.2 + 0.005 * i))], level * (1 + 0.005 * i))
        for i in range(count)
    ]


def classes(entries, held_out=NOTHING, steps=STEPS):
    judged = classify(entries, held_out, steps)
    assert judged.drop("class", "value", "threshold").equals(entries)
    return judged


def test_examples_of_a_kind_are_all_learned(entries):
    judged = classes(entries(usual()))
    assert judged["class"].to_list() == ["learned"] * 40
    assert judged["value"].null_count() == 40


def test_what_stays_above_its_slice_all_along_is_suspicious_even_when_known_by_heart_at_the_end(entries):
    odd = [(5.2, [(12, 4.9), (62, 3.9)], 3.5), (5.2, [(12, 5.5), (62, 5.0)], 1.1)]
    judged = classes(entries(usual() + odd))
    assert judged["class"].to_list() == ["learned"] * 40 + ["suspicious"] * 2
    value, threshold = judged.select("value", "threshold").row(-1)
    assert value > threshold > 0


def test_hard_from_the_start_is_not_late(entries):
    # Met when the loss of all was still high: compared with the others at that time, it is nothing special.
    early = (5.0, [(2, 4.9)], 1.05)
    others = [(5.0, [(2, 4.8 + 0.01 * i)], 1.0 + 0.002 * i) for i in range(20)]
    assert classes(entries([*usual(), *others, early]))["class"].to_list() == ["learned"] * 61


def test_what_was_known_at_a_visit_and_is_lost_is_forgotten(entries):
    lost = (5.0, [(12, 0.5), (62, 0.6)], 1.9)
    judged = classes(entries([*usual(), lost]))
    assert judged["class"].to_list()[-1] == "forgotten"
    assert judged.select("value", "threshold").row(-1) == (1.9, 1.0)


def test_what_the_base_model_knew_and_the_training_took_is_forgotten(entries):
    assert classes(entries([*usual(), (0.3, [(12, 0.8)], 1.9)]))["class"][-1] == "forgotten"


def test_what_does_not_fall_where_the_others_do_is_never_learned(entries):
    # Losses differ so much that it is no outlier; its fall is one.
    wide = [(3 + 0.1 * i, [(60, 2.5 + 0.1 * i)], 1 + 0.1 * i) for i in range(40)]
    still = (4.5, [(60, 4.5)], 4.45)
    judged = classes(entries([*wide, still]))
    assert judged["class"].to_list() == ["learned"] * 40 + ["never-learned"]
    assert judged["value"][-1] == pytest.approx(0.05 / 4.5)


def test_below_all_that_held_out_examples_reach_is_memorised(entries):
    held_out = pl.DataFrame(
        {"template": ["t"] * 30, "source": ["s"] * 30, "after": [1.0 + 0.01 * i for i in range(30)]}
    )
    by_heart = (5.0, [(60, 1.0)], 0.02)
    judged = classes(entries([*usual(), by_heart]), held_out)
    assert judged["class"].to_list() == ["learned"] * 40 + ["memorised"]
    # Where held-out examples get as low, nothing but the rule was learned.
    easy = held_out.with_columns(after=pl.lit(0.03))
    assert classes(entries([*usual(), by_heart]), easy)["class"][-1] == "learned"


def test_without_enough_held_out_examples_nothing_is_memorised(entries):
    few = pl.DataFrame({"template": ["t"] * (SLICE - 1), "source": ["s"] * (SLICE - 1), "after": [1.0] * (SLICE - 1)})
    assert classes(entries([*usual(), (5.0, [], 0.0)]), few)["class"][-1] == "learned"


def test_templates_with_few_held_out_examples_share_the_very_best_of_theirs(entries):
    rows = entries([*usual(), (5.0, [(60, 1.0)], 0.02), (5.0, [(60, 1.0)], 0.3)])
    few = pl.DataFrame({"template": ["t", "u"] * 10, "source": ["s"] * 20, "after": [2.0, 0.5] * 10})
    assert classes(rows, few)["class"].to_list()[-2:] == ["memorised", "learned"]
    easier = pl.concat([few, pl.DataFrame({"template": ["v"], "source": ["s"], "after": [0.03]})])
    assert classes(rows, easier)["class"].to_list()[-2:] == ["learned", "learned"]


def test_each_template_is_measured_by_itself(entries):
    low, high = entries(usual(), template="low"), entries(usual(level=3.0), template="high")
    both = pl.concat([low, high.with_columns(id=pl.lit("h") + pl.col("id"))])
    assert set(classes(both)["class"]) == {"learned"}
    moved = both.with_columns(template=pl.when(pl.col("id") == "he010").then(pl.lit("low")).otherwise("template"))
    judged = classes(moved).filter(pl.col("class") != "learned")
    assert judged.select("id", "class").rows() == [("he010", "suspicious")]


def test_small_templates_are_judged_together_and_too_few_examples_not_at_all(entries):
    small = entries(
        [{"before": b, "during": d, "after": a, "template": f"t{i % 8}"} for i, (b, d, a) in enumerate(usual())]
    )
    assert classes(small)["class"].to_list() == ["learned"] * 40
    assert classes(entries(usual(SLICE - 1)))["class"].null_count() == SLICE - 1


def test_what_was_not_measured_has_no_class(entries):
    judged = classes(entries([*usual(), (None, [(5, 3.0)], None)]))
    assert judged["class"].to_list() == ["learned"] * 40 + [None]


def test_without_losses_from_before_nothing_is_never_learned(entries):
    rows = [(None, during, after) for _, during, after in usual()]
    assert set(classes(entries([*rows, (None, [(60, 4.5)], 4.4)]))["class"]) == {"learned", "suspicious"}


losses = st.floats(0, 12)
visits = st.lists(st.tuples(st.integers(1, STEPS), losses), max_size=3).map(sorted)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(losses, visits, losses), min_size=SLICE, max_size=60), st.randoms())
def test_every_measured_example_has_one_class_whatever_the_order_of_rows(entries, rows, random):
    table = entries(rows)
    judged = classes(table)
    assert judged["class"].null_count() == 0
    assert (judged.filter(pl.col("class") == "learned")["value"].null_count()) == (judged["class"] == "learned").sum()
    order = list(range(len(rows)))
    random.shuffle(order)
    again = classes(table[order]).sort("id")
    assert again["class"].to_list() == judged["class"].to_list()
    # Suspects are few by construction: never more than the quarter above the upper quartile.
    assert (judged["class"] == "suspicious").sum() <= len(rows) / 4 + 1
