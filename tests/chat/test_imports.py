import ast
from graphlib import TopologicalSorter
from pathlib import Path

import instructkit.chat

FOLDER = Path(instructkit.chat.__file__).parent


def test_the_modules_stand_in_an_order():
    """None imports one that imports it, not even inside a function."""
    graph = {}
    for path in FOLDER.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        names = {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module}
        graph[path.stem] = {n.rpartition(".")[2] for n in names if n.startswith("instructkit.chat.")}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("locate") < order.index("format")
