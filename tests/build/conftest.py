import hashlib

import pytest


@pytest.fixture
def snapshot():
    """Name → hash of every file of a build folder but the log, which says when things ran."""

    def snapshot(build_dir):
        return {
            path.relative_to(build_dir).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(build_dir.rglob("*"))
            if path.is_file() and path.name != "log.jsonl"
        }

    return snapshot


@pytest.fixture
def ran():
    """Step → calls that ran, for the steps where any did."""

    def ran(result):
        return {name: step.ran for name, step in result.steps.items() if step.ran}

    return ran
