"""What no split may do, told from the rows alone."""

import pytest


def _crossings(kept):
    """Atoms of groups, and documents, that lie in two splits."""
    sides = {}
    for row in kept.iter_rows(named=True):
        made_of = row.get("document_ids", [row["id"]])
        for name in [*(("group", atom) for atom in row["group"].split("+")), *(("document", d) for d in made_of)]:
            sides.setdefault(name, set()).add(row["split"])
    return {name: splits for name, splits in sides.items() if len(splits) > 1}


@pytest.fixture(scope="session")
def crossings():
    """A function: atoms of groups, and documents, that lie in two splits."""
    return _crossings


@pytest.fixture
def divided(run_corpus_stage, crossings):
    """A function: kept and dropped rows of a `split` over shards; nothing may cross."""

    def divided(stage, *shards):
        assert stage.faults() == []
        kept, dropped = run_corpus_stage(stage, list(shards))
        assert crossings(kept) == {}
        return kept, dropped

    return divided


@pytest.fixture
def splits(divided):
    """A function: id → split of the kept rows, and id → rule of the others."""

    def splits(stage, *shards):
        kept, dropped = divided(stage, *shards)
        return dict(kept.select("id", "split").rows()), dict(dropped.select("id", "rule").rows())

    return splits


@pytest.fixture(scope="session")
def stands_apart(crossings):
    """A function: by the groups that rows had before the split, only old records may cross, and the outlook tells of
    each that does.
    """

    def stands_apart(stage, rows, kept, old):
        as_given = kept.drop("group").join(rows.select("id", "group"), on="id")
        crossing = crossings(as_given)
        for row in as_given.iter_rows(named=True):
            names = {*(("group", atom) for atom in row["group"].split("+")),
                     *(("document", d) for d in row.get("document_ids", [row["id"]]))}  # fmt: skip
            assert row["id"] in old or not names & crossing.keys()
        assert len([line for line in stage.outlook(rows.lazy()) if "stand apart" in line]) == bool(crossing)

    return stands_apart
