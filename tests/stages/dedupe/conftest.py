"""What the stages must come to, by brute force, and corpora small enough for it."""

import itertools
from types import SimpleNamespace

import pytest

WORDS = [f"word{n}" for n in range(400)]


def _prose(start, length=60):
    return " ".join(WORDS[start : start + length])


def _changed(text, *places):
    words = text.split()
    for place in places:
        words[place] = "changed"
    return " ".join(words)


def _jaccard(one, other, size=5):
    one, other = (tuple(text.lower().split()) for text in (one, other))
    one, other = ({t[i : i + size] for i in range(max(1, len(t) - size + 1))} for t in (one, other))
    return len(one & other) / len(one | other)


@pytest.fixture(scope="session")
def prose():
    """Some successive words, of which no five stand in two places."""
    return _prose


@pytest.fixture(scope="session")
def changed():
    """A text with the words at some places changed."""
    return _changed


@pytest.fixture(scope="session")
def jaccard():
    """Similarity of two texts by plain sets of tuples: the brute force that the engine must agree with."""
    return _jaccard


def _joined(names, pairs):
    """Name → the smallest name that pairs link it with."""
    result = {name: name for name in names}
    for _ in names:
        for one, other in pairs:
            result[one] = result[other] = min(result[one], result[other])
    return result


@pytest.fixture(scope="session")
def verdicts():
    """What must become of each row, told by the rules and not by the stage.

    `rows` are dictionaries with the columns that count, `similarity` tells how alike two of them are. Gives id → the
    survivor of its cluster (None: of no cluster), whether it goes, group, and the similarity to its nearest.
    """

    def verdicts(rows, similarity, threshold, group_threshold, keep, prefer=()):
        ids = [row["id"] for row in rows]
        pairs = {
            (one["id"], other["id"]): similarity(one["text"], other["text"])
            for one, other in itertools.combinations(rows, 2)
        }
        loosest = min(threshold, group_threshold)
        kin = {pair: like for pair, like in pairs.items() if like >= loosest}
        cluster = _joined(ids, [pair for pair, like in kin.items() if like >= threshold])
        of_id = {row["id"]: row for row in rows}
        group = _joined({row["group"] for row in rows}, [tuple(of_id[name]["group"] for name in pair) for pair in kin])

        def rank(row):
            best = {"longest": -len(row["text"]), "best": -row["score"] if row["score"] is not None else float("inf")}
            source = prefer.index(row["source"]) if row["source"] in prefer else len(prefer)
            return source, best.get(keep, 0), row["source"], row["file"], row["line"], row["id"]

        result = {}
        for row in rows:
            members = [other for other in rows if cluster[other["id"]] == cluster[row["id"]]]
            survivor = min(members, key=rank)["id"]
            result[row["id"]] = SimpleNamespace(
                cluster=survivor if len(members) > 1 else None,
                goes=survivor != row["id"],
                group=group[row["group"]],
                nearest=max((like for pair, like in kin.items() if row["id"] in pair), default=None),
            )
        return result

    return verdicts
