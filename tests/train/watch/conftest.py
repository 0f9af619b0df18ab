"""A ledger without a training, and colours of which some are wrong."""

import msgspec
import polars as pl
import pytest

from instructkit.hashing import uniform
from instructkit.schema import LedgerEntry, Message, columns

COLOURS = {"sky": "blue", "grass": "green", "snow": "white", "coal": "black", "blood": "red", "lemon": "yellow"}


@pytest.fixture(scope="session")
def entries():
    """Rows of a ledger before they are judged, from (before, [(step, loss), …], after) or a dict with more."""

    def make(rows, **same):
        known = {
            "content_hash": "c", "template": "t", "source": "s", "task": None, "language": None, "group": "g",
            "document_ids": [], "origin": {"file": "f", "line": 1}, "tokens": 10, **same,
        }  # fmt: skip
        made = []
        for i, row in enumerate(rows):
            row = row if isinstance(row, dict) else dict(zip(("before", "during", "after"), row, strict=True))
            visits = [{"step": step, "loss": loss} for step, loss in row.pop("during")]
            made.append({"id": f"e{i:03d}", **known, **row, "during": visits})
        schema = pl.Schema({k: v for k, v in columns(LedgerEntry).items() if k not in ("class", "value", "threshold")})
        return pl.DataFrame(made, schema=schema, orient="row")

    return make


@pytest.fixture(scope="session")
def plant():
    """Short questions for colours; a share of the answers of the training split wrong. (examples, ids of the wrong)"""

    def make(examples, share):
        made, wrong = [], set()
        for example in examples:
            thing = next(t for t in COLOURS if t in example.messages[0].content)
            answer = COLOURS[thing]
            if example.split == "train" and uniform(3, "wrong", example.id) < share:
                others = [colour for colour in COLOURS.values() if colour != answer]
                answer = others[int(uniform(3, "which", example.id) * len(others))]
                wrong.add(example.id)
            turns = [Message(role="user", content=f"{thing}?"), Message(role="assistant", content=answer)]
            made.append(msgspec.structs.replace(example, messages=turns))
        return made, wrong

    return make
