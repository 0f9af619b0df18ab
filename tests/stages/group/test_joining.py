import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from instructkit.hashing import group_atoms, joint_group
from instructkit.stages.group.joining import document_ties, documents, united

atoms = st.sampled_from("abcdefgh")
groups = st.lists(st.sets(atoms, min_size=1, max_size=3).map(joint_group), max_size=12)
ties = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 11)), max_size=8)


def by_hand(groups, ties):
    """Each group → the smallest atom that it hangs together with, by spreading labels until none changes."""
    name = {atom: atom for group in groups for atom in group_atoms(group)}
    sets = [group_atoms(group) for group in groups]
    for tie in {tie for tie, _ in ties}:
        sets.append([atom for t, at in ties if t == tie and at < len(groups) for atom in group_atoms(groups[at])])
    for _ in name:
        for each in sets:
            for atom in each:
                name[atom] = min(name[other] for other in each)
    return {group: name[group_atoms(group)[0]] for group in groups}


@given(groups, ties)
def test_groups_are_one_that_hang_together_by_a_tie_or_an_atom(groups, ties):
    of_tie = [(tie, groups[at]) for tie, at in ties if at < len(groups)]
    frame = pl.DataFrame(of_tie, schema={"tie": pl.Int64, "group": pl.String}, orient="row")
    moves = dict(united(pl.Series(groups, dtype=pl.String), frame).rows())
    assert {group: moves.get(group, group) for group in groups} == by_hand(groups, ties)
    assert set(moves) <= set(groups)


def test_only_documents_of_two_groups_tie():
    records = pl.LazyFrame(
        {"group": ["a", "b", "c", "c", "d"], "documents": [[1, 2], [2], [3], [3], []]},
        schema={"group": pl.String, "documents": pl.List(pl.UInt64)},
    )
    assert sorted(document_ties(records).rows()) == [(2, "a"), (2, "b")]


@given(st.lists(groups.filter(bool), min_size=1, max_size=3))
def test_a_joint_group_of_joint_groups_is_that_of_all_atoms(parts):
    flat = [group for part in parts for group in part]
    assert joint_group(map(joint_group, parts)) == joint_group(flat)
    assert group_atoms(joint_group(flat)) == sorted({atom for group in flat for atom in group_atoms(group)})


@given(st.lists(st.lists(st.sampled_from(["A", "B", "", "ü", "C/1"]), max_size=3), max_size=8))
def test_documents_are_hashed_list_by_list_and_alike_for_alike(lists):
    frame = pl.DataFrame({"document_ids": lists}, schema={"document_ids": pl.List(pl.String)})
    found = frame.select(documents(frame))["documents"].to_list()
    assert [len(each) for each in found] == [len(each) for each in lists]
    names = {}
    for one, other in zip(found, lists, strict=True):
        for value, name in zip(one, other, strict=True):
            assert names.setdefault(name, value) == value
    assert len(set(names.values())) == len(names)


def test_records_without_documents_have_no_ties():
    records = pl.LazyFrame({"id": ["a", "b"], "group": ["g", "h"]})
    assert document_ties(records.with_columns(documents(records))).is_empty()
