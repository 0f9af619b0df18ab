import pytest

from benchmarks.corpus import make_corpus
from benchmarks.dedupe.planted import plant


@pytest.fixture(scope="session")
def pieces() -> list[str]:
    """Four hundred texts of this machine."""
    return [piece.body for piece in make_corpus(400).pieces]


@pytest.fixture(scope="session")
def planted(pieces, tmp_path_factory):
    """A corpus of them on disk, with edited copies."""
    return plant(pieces, len(pieces), tmp_path_factory.mktemp("planted") / "corpus.jsonl")
