"""Evaluation rows and records that are clean or contaminated by construction."""

import polars as pl
import pytest

from instructkit.contamination.find import find
from instructkit.contamination.index import Index
from instructkit.contamination.rows import EVALUATION, Settings


@pytest.fixture(scope="session")
def evaluation():
    """evaluation((prompt, answer, passage), ...): rows of an evaluation; an answer may be a list or None."""

    def rows(*given):
        made = []
        for line, row in enumerate(given, 1):
            prompt, answer, passage = (*row, None, None)[:3]
            answers = [answer] if isinstance(answer, str) else answer or []
            made.append(("eval.jsonl", line, None, prompt, answers, passage))
        return pl.DataFrame(made, schema=EVALUATION, orient="row")

    return rows


@pytest.fixture(scope="session")
def found(evaluation):
    """found(rows, records, **settings): (record, row, part, score) of each finding; a record is a list of turns."""

    def found(rows, records, void=None, groups=None, **settings):
        index = Index.of(evaluation(*rows), settings.pop("ngram", 5))
        turns = pl.Series([[turn] if isinstance(turn, str) else turn for turn in records], dtype=pl.List(pl.String))
        groups = pl.Series(range(len(records)) if groups is None else groups)
        frame = find(index, turns, groups, Settings(**settings), void)
        return [
            (record, row, part, round(score, 3))
            for record, row, part, score in frame.select("record", "row", "part", "score").iter_rows()
        ]

    return found
