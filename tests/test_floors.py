"""The floors of the house: a module imports only from lower floors or from its own package."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "instructkit"
FLOORS = [
    {"errors", "__init__"},
    {"schema", "hashing"},
    {"store", "text"},
    {"templates", "chat", "generators", "models", "minhash"},
    {"evaluate", "contamination"},
    {"stages", "train"},
    {"recipe", "executors"},
    {"build", "dedupe"},
    {"audit"},
    {"report"},
    {"cli"},
    {"__main__"},
]
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
MODULES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"torch", "transformers", "datasets", "peft", "datasketch", "ftfy", "langdetect", "scipy", "pyarrow", "numba"}
# Read by recipes and the command line, so without torch although their neighbours need it.
LIGHT = [
    *sorted((PACKAGE / "train/config").glob("*.py")),
    *(PACKAGE / f for f in ("train/watch/progress.py", "evaluate/result.py", "evaluate/table.py")),
]


def room(module: str) -> str:
    """`instructkit.store.shards` → `store`; the package itself is `__init__`."""
    return [*module.split("."), "__init__"][1]


def imports(path: Path, top_level_only: bool = False):
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path):
    here = room(".".join(["instructkit", *path.relative_to(PACKAGE).with_suffix("").parts]))
    for module in imports(path):
        if module.startswith("instructkit"):
            there = room(module)
            assert there == here or FLOOR[there] < FLOOR[here], f"{path.name} ({here}) imports {module}"


# Torch is the trade of these folders; the command line imports them when a command needs them.
TORCH = ("models", "train", "evaluate")
WITHOUT = [p for p in MODULES if p.relative_to(PACKAGE).parts[0] not in TORCH or p in LIGHT]
# Imported by name, and only where texts are sketched: its decorators need numba.
WITHOUT.remove(PACKAGE / "minhash/kernels.py")


@pytest.mark.parametrize("path", WITHOUT, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_heavy_packages_are_imported_where_they_are_used(path):
    assert not {module.split(".")[0] for module in imports(path, top_level_only=True)} & HEAVY
