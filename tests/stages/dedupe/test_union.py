from hypothesis import given
from hypothesis import strategies as st

from instructkit.stages.dedupe.union import united

pairs = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20)


def components(edges):
    """By repeated merging of overlapping sets: slow and plain."""
    sets = [{a, b} for a, b in edges]
    while True:
        for i, one in enumerate(sets):
            other = next((s for s in sets[i + 1 :] if s & one), None)
            if other is not None:
                sets = [s for s in sets if s is not one and s is not other] + [one | other]
                break
        else:
            return sets


@given(pairs)
def test_sets_are_the_connected_components_named_by_their_smallest(edges):
    union = united(edges)
    for members in components(edges):
        assert {union.find(m) for m in members} == {min(members)}
    assert union.find(99) == 99


@given(pairs, st.randoms())
def test_order_of_joining_does_not_show(edges, random):
    shuffled = [(b, a) for a, b in edges]
    random.shuffle(shuffled)
    assert united(edges).names() == united(shuffled).names()
