import json
import re
from itertools import combinations

import pytest

from instructkit.dedupe.files import plan
from instructkit.dedupe.run import dedupe
from instructkit.dedupe.settings import Settings


@pytest.fixture
def run(tmp_path):
    """Deduplicate files of the test's folder, by name; gives the Deduped."""

    def deduped(*inputs: str, out: str = "out.jsonl", clusters: str | None = None, force: bool = False, **settings):
        files = plan(
            [str(tmp_path / name) for name in inputs],
            str(tmp_path / out) + ("/" if out.endswith("/") else ""),
            tmp_path / clusters if clusters else None,
            force=force,
        )
        return dedupe(files, Settings(**settings))

    return deduped


@pytest.fixture
def write_lines(tmp_path):
    """Write rows as JSON Lines to a file of the test's folder."""

    def write(name: str, rows: list) -> None:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write


@pytest.fixture(scope="session")
def text_of():
    """A text of 80 words that shares none with other numbers' texts, some of its words changed."""

    def text(number: int, changed: int = 0) -> str:
        words = [f"w{number}x{i}" for i in range(80)]
        for i in range(changed):
            words[-1 - i] = f"c{number}y{changed}z{i}"  # at the end, where a word touches the fewest shingles
        return " ".join(words)

    return text


@pytest.fixture(scope="session")
def clusters_by_hand():
    """Clusters by comparing all texts with all, for texts of ASCII letters, digits and spaces: lists of rows."""

    def shingles(text: str) -> set:
        words = re.findall(r"\w+", text.lower())
        return {tuple(words[i : i + 5]) for i in range(max(len(words) - 4, 1))}

    def clusters(texts: list, threshold: float) -> list[list[int]]:
        sets = {i: shingles(text) for i, text in enumerate(texts) if text is not None}
        cluster = {i: {i} for i in sets}
        for i, j in combinations(sets, 2):
            if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold:
                joined = cluster[i] | cluster[j]
                cluster |= dict.fromkeys(joined, joined)
        return sorted(sorted(c) for c in {frozenset(c) for c in cluster.values()})

    return clusters
