"""Rows that have nothing to do with each other, and folders of splits made of them."""

import json
from random import Random

import pytest

from instructkit.audit.crossings import Settings
from instructkit.audit.evaluations import named
from instructkit.audit.lineage import Lineage
from instructkit.audit.verify import datasets_of, verify

SYLLABLES = [a + b for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u", "al", "en", "or")]


def words(seed, count):
    """So many words that no other seed gives in this order."""
    draw = Random(f"words {seed}")
    return " ".join("".join(draw.choices(SYLLABLES, k=draw.randint(2, 3))) for _ in range(count))


def row(seed, **changes):
    """A question and its answer like no others."""
    return {"prompt": f"{words(f'q{seed}', 30)}?", "completion": f"{words(f'a{seed}', 30)}."} | changes


@pytest.fixture
def text():
    """`text(seed, count)`: words."""
    return words


@pytest.fixture
def new_row():
    """`new_row(seed, prompt=…)`: a row like no other, but for what is given."""
    return row


@pytest.fixture
def folder(tmp_path):
    """`folder(train=[rows], test=[rows])`: its path as text."""

    def make(name="set", **splits):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        for split, rows in splits.items():
            lines = "".join(json.dumps(each) + "\n" for each in rows)
            (place / f"{split}.jsonl").write_text(lines, encoding="utf-8")
        return str(place)

    return make


@pytest.fixture
def verified():
    """`verified(path, threshold=…)`: what is found in the one dataset there."""

    def run(path, step=None, given=None, against=(), build=None, **settings):
        ((dataset, lineage),) = datasets_of(str(path), step, build)
        assert isinstance(lineage, Lineage)
        return verify(dataset, lineage, Settings(**settings), given, named(against))

    return run


@pytest.fixture
def crossing():
    """`crossing(found)`: (kind, later split, line, earlier split, line) of each pair of rows that was named."""

    def of(found):
        return {
            (each.kind, each.later.split, each.later.line, each.earlier.split, each.earlier.line)
            for each in found.evidence
        }

    return of
