"""promptsource's own files, where they are at hand: most convert, and render as they do there.

    INSTRUCTKIT_DATA=../data python -m pytest -s tests/templates/promptsource/test_real_set.py

The folder holds `promptsource/DATASET/…/templates.yaml`. It takes some minutes.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from instructkit.templates.cases import run_tests
from instructkit.templates.promptsource.collection import convert_path
from instructkit.templates.template import from_sources

FOLDER = Path(os.environ.get("INSTRUCTKIT_DATA", "none")) / "promptsource"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="no promptsource files: INSTRUCTKIT_DATA names no folder of them")
def test_nearly_all_of_promptsource_converts_and_renders_the_same(verdict, rows_of):
    conversions = convert_path(FOLDER)
    outcomes: Counter[str] = Counter()
    for done in conversions:
        if done.text is None:
            outcomes[f"not converted: {done.reason}"] += 1
            continue
        found = Counter(verdict(done.original, done.text, row) for row in rows_of(done.original))
        wrong = [text for text in found if text not in ("same", "dropped")]
        failed = [r for r in run_tests(from_sources("a/b", {"a/b.jinja": done.text})) if not r.passed]
        outcome = "differs" if wrong or failed else "same" if found["same"] else "no row gave messages"
        if outcome != "same":
            print(f"{done.original.file}: {done.original.name}: {outcome}: {wrong[:1] or failed[:1]}")
        outcomes[outcome] += 1
    print(f"\n{outcomes['same']:,} of {len(conversions):,} templates render the same messages; {dict(outcomes)}")
    assert not outcomes["differs"]
    assert outcomes["same"] >= 0.95 * len(conversions) > 0
