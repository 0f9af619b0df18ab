import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from instructkit.hashing import canonical_json
from instructkit.stages.render.exemplars import Exemplar, Pool, as_text, as_turns, is_answered, read_pool, write_pool
from instructkit.templates.turns import Rendered, Turn


def exemplar(number, group=None, variant=None, tools=None):
    turns = [Turn("user", f"Q{number}"), Turn("assistant", f"A{number}")]
    rendered = Rendered(turns, tools, variant)
    return Exemplar(id=f"d{number}", group=group or f"g{number}", place=number / 100, rendered=rendered)


ROW = exemplar(0).rendered
SHOWN = [exemplar(n).rendered.turns for n in (1, 2)]
variants = st.sampled_from([None, "options=letters", "options=dashes"])
pools = st.builds(
    lambda variants, tools: [
        exemplar(n, variant=v, tools=t) for n, (v, t) in enumerate(zip(variants, tools, strict=True))
    ],
    st.lists(variants, min_size=12, max_size=12),
    st.lists(st.sampled_from([None, "[]"]), min_size=12, max_size=12),
)


@given(pools, st.integers(0, 13), st.text("ab", max_size=4), st.integers(0, 11), variants, st.integers(0, 3))
def test_a_draw_has_no_exemplar_twice_none_of_the_own_group_and_as_many_as_there_are(
    pool, count, example_id, own, variant, seed
):
    row = Rendered(ROW.turns, None, variant)
    drawn = Pool(pool, seed).draw(count, example_id, f"g{own}", row)
    possible = [e.id for e in pool if e.rendered.tools is None and e.group != f"g{own}"]
    assert len({e.id for e in drawn}) == len(drawn) == min(count, len(possible))
    assert {e.id for e in drawn} <= set(possible)
    # Those that ask in the row's own way come first.
    alike = [e.rendered.variant == variant for e in drawn]
    assert alike == sorted(alike, reverse=True)
    assert sum(alike) == min(count, sum(e.rendered.variant == variant for e in pool if e.id in possible))


def test_joint_groups_are_told_apart_by_their_atoms():
    pool = Pool([exemplar(n, group=g) for n, g in enumerate(["a", "b+c", "c", "d", "c+d"])], 0)
    for own, free in [("a+b", {"c", "d"}), ("c", {"a", "d"}), ("e", {"a", "b", "c", "d"})]:
        for number in range(20):
            groups = [e.group.split("+") for e in pool.draw(5, str(number), own, ROW)]
            atoms = [atom for group in groups for atom in group]
            assert len(atoms) == len(set(atoms))
            assert set(atoms) <= free


@given(pools, st.permutations(range(12)), st.text("ab", max_size=4))
def test_a_row_draws_alike_before_and_after_others(pool, order, example_id):
    alone = Pool(pool, 0).draw(5, example_id, "g", ROW)
    used = Pool(pool, 0)
    for n in order:
        used.draw(3, str(n), f"g{n}", exemplar(0, variant="options=letters").rendered)
    assert used.draw(5, example_id, "g", ROW) == alone


def test_every_exemplar_is_drawn_about_as_often_as_any_other_in_every_place():
    pool = Pool([exemplar(n) for n in range(10)], 0)
    drawn = [pool.draw(3, str(i), "none", ROW) for i in range(3000)]
    for place in range(3):
        counts = Counter(e[place].id for e in drawn)
        assert len(counts) == 10
        assert all(240 < count < 360 for count in counts.values())


def test_a_longer_draw_begins_with_the_shorter_one():
    pool = Pool([exemplar(n) for n in range(10)], 0)
    assert pool.draw(5, "x", "g3", ROW)[:2] == pool.draw(2, "x", "g3", ROW)


def test_a_pool_survives_its_frame():
    call = canonical_json([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}])
    turns = [Turn("user", "é\n"), Turn("assistant", "", 0.5, None, call), Turn("tool", "x", None, "f", None, "call_1")]
    pool = [exemplar(1), Exemplar("d", "g", 0.25, Rendered(turns, "[]", "options=letters"))]
    assert read_pool(write_pool(pool)) == pool
    assert read_pool(write_pool([])) == []


def test_exemplars_are_earlier_turns_that_are_not_trained_on():
    assert as_turns(SHOWN, ROW.turns) == [
        Turn("user", "Q1"), Turn("assistant", "A1", 0.0), Turn("user", "Q2"), Turn("assistant", "A2", 0.0),
        Turn("user", "Q0"), Turn("assistant", "A0"),
    ]  # fmt: skip


def test_exemplars_are_text_in_front_of_the_question():
    assert as_text(SHOWN, ROW.turns, "\n--\n") == [
        Turn("user", "Q1\n--\nA1\n--\nQ2\n--\nA2\n--\nQ0"), Turn("assistant", "A0"),
    ]  # fmt: skip


def test_the_rows_own_system_message_stays_first_and_no_other_is_there():
    system = Turn("system", "Be kind.")
    shown = [[Turn("system", "Be brief."), *turns] for turns in SHOWN]
    turns = as_turns(shown, [system, *ROW.turns])
    assert [t for t in turns if t.role == "system"] == turns[:1] == [system]
    assert as_text(shown, [system, *ROW.turns], "|") == [
        system,
        Turn("user", "Q1|A1|Q2|A2|Q0"),
        Turn("assistant", "A0"),
    ]


def test_weights_of_the_row_stay_and_those_of_exemplars_go():
    given_weight = [Turn("user", "q", 0.5), Turn("assistant", "a", 0.25)]
    assert [t.weight for t in as_turns([given_weight], given_weight)] == [0.0, 0.0, 0.5, 0.25]


def call(number, name="f"):
    made = [{"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": {"x": 1}}}]
    return Turn("assistant", "", None, None, canonical_json(made))


def test_calls_are_numbered_through_and_answers_keep_their_calls():
    turns = [
        Turn("user", "q"), call(1), Turn("tool", "r", None, "f", None, "call_1"), call(2),
        Turn("tool", "s", None, "f", None, "call_2"), Turn("assistant", "a"),
    ]  # fmt: skip
    found = as_turns([turns, SHOWN[0]], turns)
    calls = [c["id"] for t in found if t.tool_calls for c in json.loads(t.tool_calls)]
    assert calls == ["call_1", "call_2", "call_3", "call_4"]
    assert [t.tool_call_id for t in found if t.tool_call_id] == calls
    assert [t.weight for t in found if t.tool_calls] == [0.0, 0.0, None, None]


def test_a_conversation_is_answered_when_it_ends_in_words_and_no_call_waits():
    asked, said = Turn("user", "Q"), Turn("assistant", "A")
    call = Turn("assistant", "", tool_calls=canonical_json([{"id": "call_1"}, {"id": "call_2"}]))
    results = [Turn("tool", "r", tool_call_id=f"call_{n}") for n in (1, 2)]
    assert is_answered([asked, said])
    assert is_answered([asked, call, *results, said])
    assert not is_answered([])
    assert not is_answered([asked])
    assert not is_answered([asked, said, asked])
    assert not is_answered([asked, call])
    assert not is_answered([asked, call, *results])
    assert not is_answered([asked, call, results[0], said])
    assert not is_answered([asked, call._replace(content="A moment")])
