import ast
import json
import sys

import polars as pl
import pytest

from instructkit.errors import InputError
from instructkit.hashing import record_hash
from instructkit.stages.ingest.python import IngestPython, module_name

SHAPES = '''"""Module."""
import functools


class Shape(object):
    """A shape.

        Indented.
    """

    sides = 4

    @functools.cached_property
    def area(self) -> float:
        """Area of
        the shape.

        In metres.
        """
        sql = """
  keep
        this
        """
        return 1.0

    def _inner(self):
        """Hidden."""

    def bare(self): return 1


if True:
    def twice(n: int = 2, *rest, key=None) -> int:
        """First."""
        return n
else:
    async def twice(n):
        """Second."""; return n

def outer():
    "Outer."
    def inner():
        """Not looked for."""

class Empty(Exception):
    """Nothing but this."""
'''


@pytest.fixture
def shapes(read, write):
    write("lib/pkg/__init__.py", "")
    write("lib/pkg/shapes.py", SHAPES)
    kept, dropped = read("ingest.python", path="lib")
    assert dropped.is_empty()
    return {row["id"]: {**row, **json.loads(row["fields"])} for row in kept.iter_rows(named=True)}


def test_documented_definitions_become_documents_with_stable_ids(shapes):
    names = ["Shape", "Shape.area", "twice", "twice~2", "outer", "Empty"]
    assert list(shapes) == [f"src-pkg/shapes.py:{name}" for name in names]
    assert [row["kind"] for row in shapes.values()] == ["class", "method", "function", "function", "function", "class"]
    assert [row["origin"]["line"] for row in shapes.values()] == [5, 14, 33, 37, 40, 45]
    assert {row["module"] for row in shapes.values()} == {"pkg.shapes"}


def test_fields_say_what_the_definition_is(shapes):
    area = shapes["src-pkg/shapes.py:Shape.area"]
    assert area["qualname"] == "Shape.area"
    assert area["name"] == "area"
    assert area["signature"] == "def area(self) -> float:"
    assert area["docstring"] == "Area of\nthe shape.\n\nIn metres."
    assert area["summary"] == "Area of the shape."
    assert area["decorators"] == ["functools.cached_property"]
    assert shapes["src-pkg/shapes.py:twice"]["signature"] == "def twice(n: int=2, *rest, key=None) -> int:"
    assert shapes["src-pkg/shapes.py:twice~2"]["signature"] == "async def twice(n):"
    assert shapes["src-pkg/shapes.py:Shape"]["signature"] == "class Shape(object):"


def test_source_moves_to_the_margin_and_texts_in_it_stay(shapes):
    area = shapes["src-pkg/shapes.py:Shape.area"]
    texts = '    sql = """\n  keep\n        this\n        """\n    return 1.0'
    head = "@functools.cached_property\ndef area(self) -> float:\n"
    doc = '    """Area of\n    the shape.\n\n    In metres.\n    """\n'
    assert area["text"] == head + doc + texts
    assert area["body"] == head + texts


def test_a_body_without_docstring_is_still_python(shapes):
    assert shapes["src-pkg/shapes.py:Empty"]["body"] == "class Empty(Exception):\n    pass"
    assert shapes["src-pkg/shapes.py:twice~2"]["body"] == "async def twice(n):\n    return n"
    assert shapes["src-pkg/shapes.py:outer"]["body"].startswith("def outer():\n    def inner():")


def test_private_definitions_come_when_asked_for(read, write):
    write("a.py", 'def _f():\n    """F."""\nclass _C:\n    """C."""\n    def __init__(self):\n        """I."""\n')
    assert read("ingest.python", path="a.py")[0].is_empty()
    kept, _ = read("ingest.python", path="a.py", private=True)
    assert kept["id"].to_list() == ["src-a.py:_f", "src-a.py:_C", "src-a.py:_C.__init__"]


def test_editing_a_function_keeps_its_id_and_moves_its_group(read, write):
    write("a.py", 'def f():\n    """F."""\n')
    before = read("ingest.python", path="a.py")[0].row(0, named=True)
    write("a.py", '\n\ndef f():\n    """F!"""\n')
    after = read("ingest.python", path="a.py")[0].row(0, named=True)
    assert before["id"] == after["id"]
    assert before["group"] != after["group"]


@pytest.mark.filterwarnings("error")
def test_escapes_and_comparisons_of_others_raise_no_warning(read, write):
    write("a.py", 'def f(x):\n    """Matches \\d."""\n    return x is 5\n')
    assert json.loads(read("ingest.python", path="a.py")[0]["fields"][0])["docstring"] == "Matches \\d."


def test_declared_encodings_and_old_line_ends_are_read(read, write):
    write("a.py", "# -*- coding: latin-1 -*-\r\ndef f():\r\n    '''Café.'''\r\n    return 1\r\n".encode("latin-1"))
    row = read("ingest.python", path="a.py")[0].row(0, named=True)
    assert row["text"] == "def f():\n    '''Café.'''\n    return 1"


@pytest.mark.parametrize(
    ("data", "rule", "line", "detail"),
    [
        (b"x = 1\ndef f(:\n", "syntax_error", 2, "not Python as this interpreter reads it"),
        (b"print 'two'\n", "syntax_error", 1, "Missing parentheses"),
        (b"a = 1\nb = '\xe9'\n", "undecodable", 2, "byte 0xe9 at byte 12 of the file is not utf-8"),
        (b"# coding: nonsense\n", "undecodable", 1, "unknown encoding"),
        (b"a = 1\x00", "syntax_error", None, "null bytes"),
    ],
)
def test_a_file_that_is_no_python_is_dropped_with_its_line(read, write, data, rule, line, detail):
    write("d/bad.py", data)
    write("d/good.py", 'def f():\n    """F."""\n')
    kept, dropped = read("ingest.python", path="d")
    assert kept.height == 1
    drop = dropped.row(0, named=True)
    assert (drop["rule"], drop["origin"]) == (rule, {"file": "bad.py", "line": line})
    assert detail in drop["detail"]


def test_half_a_surrogate_in_a_docstring_is_a_drop(read, write):
    write("a.py", 'def f():\n    "\\ud800"\n\ndef g():\n    "G."\n')
    kept, dropped = read("ingest.python", path="a.py")
    assert (kept.height, dropped["rule"].to_list()) == (1, ["lone_surrogate"])
    assert dropped["id"].to_list() == ["src-a.py:f"]


def test_tests_are_left_out_by_default(read, write, tmp_path):
    for name in ("a.py", "test_a.py", "tests/b.py", "pkg/tests/c.py", "pkg/conftest.py", "pkg/test/d.py", "contest.py"):
        write(f"d/{name}", 'def f():\n    """F."""\n')
    kept, _ = read("ingest.python", path="d")
    assert kept["origin"].struct["file"].to_list() == ["a.py", "contest.py"]
    assert read("ingest.python", path="d", exclude=["*/*"])[0].height == 3
    with pytest.raises(InputError, match=r"all 7 files of the source match `exclude`"):
        IngestPython(path="d", exclude=["*"]).parts(tmp_path)


def test_a_folder_that_is_a_package_gives_its_name(read, write):
    for name in ("src/pkg/__init__.py", "src/pkg/sub/__init__.py", "src/pkg/sub/m.py"):
        write(name, 'def f():\n    """F."""\n')
    kept, _ = read("ingest.python", path="src/pkg/sub")
    assert kept["origin"].struct["file"].to_list() == ["pkg/sub/__init__.py", "pkg/sub/m.py"]
    assert [json.loads(f)["module"] for f in kept["fields"]] == ["pkg.sub", "pkg.sub.m"]
    assert module_name("src/pkg/m.py") == "pkg.m"
    assert module_name("__init__.py") == "__init__"


@pytest.mark.parametrize(
    ("path", "modules"),
    [
        (["src/pa", "src/pb"], ["pa", "pa.m", "pb", "pb.sub", "pb.sub.m"]),
        (["src/pa", "src"], ["lone", "pa", "pa.m", "pb", "pb.sub", "pb.sub.m"]),
        (["src/pa/__init__.py", "src/pb/sub/m.py"], ["pa", "pb.sub.m"]),
        ("src/pb/__init__.py", ["pb"]),
        ("src/pa/*.py", ["pa", "pa.m"]),
        (["src/lone.py", "src/pb/**/m.py"], ["lone", "pb.sub.m"]),
    ],
)
def test_modules_are_named_by_their_packages_wherever_the_path_begins(read, write, path, modules):
    for name in ("lone", "pa/__init__", "pa/m", "pb/__init__", "pb/sub/__init__", "pb/sub/m"):
        write(f"src/{name}.py", 'def f():\n    """F."""\n')
    kept, _ = read("ingest.python", path=path)
    assert sorted(json.loads(fields)["module"] for fields in kept["fields"]) == modules


def test_modules_are_found_without_importing_them(read, write, tmp_path, monkeypatch):
    write("site/explosive/__init__.py", 'raise SystemExit\ndef f():\n    """F."""\n')
    monkeypatch.syspath_prepend(tmp_path / "site")
    kept, _ = read("ingest.python", modules=["explosive", "json"])
    assert "src-explosive/__init__.py:f" in kept["id"].to_list()
    assert "src-json/decoder.py:JSONDecoder.decode" in kept["id"].to_list()
    assert "explosive" not in sys.modules


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (["jsonn"], r"no module 'jsonn'.*did you mean 'json'"),
        (["_ast"], "no Python source"),
        (["a.b"], "top-level"),
        ([], "empty"),
    ],
)
def test_modules_that_cannot_be_read_are_errors_with_a_way_out(read, modules, message):
    with pytest.raises(InputError, match=message):
        read("ingest.python", modules=modules)


def test_the_standard_library_is_many_small_parts_without_tests(tmp_path):
    parts = IngestPython(modules=["stdlib"], source="src").parts(tmp_path)
    names = [file.name for part in parts for file in part.files]
    assert 2 <= len(parts) <= 16
    assert len(names) == len(set(names)) > 300
    assert {"json/decoder.py", "argparse.py"} <= set(names)
    assert not [name for name in names if "site-packages" in name or "/test" in name or name.startswith("test/")]
    assert {part.options for part in parts} == {(("python", f"{sys.version_info.major}.{sys.version_info.minor}"),)}
    for outcome in IngestPython(modules=["stdlib"], source="src").read(parts[0]):
        for row in outcome.kept.head(200).iter_rows(named=True):
            fields = json.loads(row["fields"])
            ast.parse(row["text"])
            (body,) = ast.parse(fields["body"]).body
            assert ast.get_docstring(body) != fields["docstring"]
            ast.parse(fields["signature"] + " pass")


def test_modules_or_path_but_not_both():
    assert IngestPython().faults()
    assert IngestPython(path="a", modules=["b"]).faults()


def test_a_class_and_its_methods_share_a_group_and_functions_have_their_own(tmp_path):
    (tmp_path / "shapes.py").write_text(
        'class Circle:\n    """A circle."""\n\n    def area(self):\n        """Its area."""\n\n'
        '    class Edge:\n        """Its edge."""\n'
        '\n\ndef unit():\n    """The unit circle."""\n'
    )
    stage = IngestPython(path="shapes.py", source="s")
    (part,) = stage.parts(tmp_path)
    rows = pl.concat([outcome.kept for outcome in stage.read(part)])
    groups = dict(rows.select("id", "group").iter_rows())
    assert len(groups) == 4
    assert len({groups[f"s-shapes.py:{name}"] for name in ("Circle", "Circle.area", "Circle.Edge")}) == 1
    assert groups["s-shapes.py:unit"] == record_hash(rows.filter(id="s-shapes.py:unit")["text"][0])
    assert groups["s-shapes.py:Circle"] == record_hash(rows.filter(id="s-shapes.py:Circle")["text"][0])
