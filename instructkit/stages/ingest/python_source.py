"""What a file of Python source documents: its functions, classes and methods, read without running any of it."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from instructkit.stages.ingest.json_line import NotRecordError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, kw_only=True)
class Documented:
    """A function, class or method that has a docstring."""

    qualname: str
    kind: str
    """function, class or method."""
    line: int
    """Of its `def` or `class`."""
    signature: str
    docstring: str
    summary: str
    source: str
    body: str
    decorators: list[str]
    outermost: str
    """Source of the outermost definition it stands in (its own, at the top level): they overlap, and must not part."""


class BrokenSourceError(NotRecordError):
    """A file that is no Python source; `line` is where it broke, None where that is not known."""

    def __init__(self, rule: str, line: int | None, detail: str) -> None:
        self.line = line
        super().__init__(rule, detail)


def decode_source(data: bytes) -> str:
    """The source as text, by its declared encoding (PEP 263), with Unix line ends. Raises BrokenSourceError."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        detail = f"byte 0x{data[error.start]:02x} at byte {error.start + 1} of the file is not {error.encoding}"
        raise BrokenSourceError("undecodable", line, detail) from error
    except (SyntaxError, LookupError) as error:
        raise BrokenSourceError("undecodable", 1, str(error)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def documented(text: str, *, private: bool) -> Iterator[Documented]:
    """The documented definitions of a module, in source order; definitions inside functions are not looked for.

    `private` takes those in whose qualified name a part starts with one underscore. Raises BrokenSourceError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes and comparisons in code that is not ours
            tree = ast.parse(text)
    except SyntaxError as error:
        raise BrokenSourceError(
            "syntax_error", error.lineno, f"not Python as this interpreter reads it: {error.msg}"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise BrokenSourceError("syntax_error", None, f"cannot be parsed: {error}") from error
    lines, fixed = text.split("\n"), _inside_texts(tree)
    outermost = ""
    for node, qualname, in_class in _definitions(tree, "", False):
        if "." not in qualname:
            outermost = _dedented(node, lines, fixed, without_docstring=False)
        docstring = ast.get_docstring(node)
        hidden = any(part.startswith("_") and not part.endswith("__") for part in qualname.split("."))
        if docstring and docstring.strip() and (private or not hidden):
            yield _describe(node, qualname, in_class, docstring, lines, fixed, outermost)


def _definitions(node: ast.AST, above: str, in_class: bool) -> Iterator[tuple[Definition, str, bool]]:
    """Definitions with their qualified names, through `if`, `try`, `with` and classes, not through functions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child, above + child.name, in_class
        elif isinstance(child, ast.ClassDef):
            yield child, above + child.name, in_class
            yield from _definitions(child, f"{above}{child.name}.", True)
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _definitions(child, above, in_class)


def _describe(
    node: Definition,
    qualname: str,
    in_class: bool,
    docstring: str,
    lines: list[str],
    fixed: set[int],
    outermost: str,
) -> Documented:
    kind = "class" if isinstance(node, ast.ClassDef) else "method" if in_class else "function"
    return Documented(
        qualname=qualname,
        kind=kind,
        line=node.lineno,
        signature=signature(node),
        docstring=docstring,
        summary=" ".join(docstring.strip().split("\n\n", 1)[0].split()),
        source=_dedented(node, lines, fixed, without_docstring=False),
        body=_dedented(node, lines, fixed, without_docstring=True),
        decorators=[ast.unparse(decorator) for decorator in node.decorator_list],
        outermost=outermost,
    )


def signature(node: Definition) -> str:
    """The head line, as `ast.unparse` writes it: `def f(a, b=1) -> int:`, `class A(B):`; without decorators."""
    head = type(node)(**{**dict(ast.iter_fields(node)), "body": [ast.Pass()], "decorator_list": []})
    return ast.unparse(ast.fix_missing_locations(ast.copy_location(head, node))).removesuffix("\n    pass")


def _dedented(node: Definition, lines: list[str], fixed: set[int], *, without_docstring: bool) -> str:
    """The definition's source lines, decorators included, moved to the left margin.

    Lines inside a text that spans several lines stay as they are (moving them would change the text), except those of
    docstrings, whose indentation means nothing (PEP 257).
    """
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    assert node.end_lineno is not None
    doc = node.body[0]
    assert doc.end_lineno is not None
    skipped = range(0)
    if without_docstring:
        shared = doc.lineno == node.lineno or lines[doc.lineno - 1][: doc.col_offset].strip()
        after = len(node.body) > 1 and node.body[1].lineno <= doc.end_lineno
        if shared or after:
            kept = {**dict(ast.iter_fields(node)), "body": node.body[1:] or [ast.Pass()]}
            return ast.unparse(ast.fix_missing_locations(ast.copy_location(type(node)(**kept), node)))
        skipped = range(doc.lineno, doc.end_lineno + 1)
    margin = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
    result = [
        line if number in fixed else line.removeprefix(margin)
        for number, line in enumerate(lines[first - 1 : node.end_lineno], first)
        if number not in skipped
    ]
    if without_docstring and len(node.body) == 1:
        result.append(lines[doc.lineno - 1][: doc.col_offset].removeprefix(margin) + "pass")
    return "\n".join(result)


def _inside_texts(tree: ast.AST) -> set[int]:
    """Numbers of the lines that begin inside a text of several lines which is no docstring."""
    fixed, statements = set[int](), set[int]()
    for part in ast.walk(tree):  # parents come before children
        if isinstance(part, ast.Expr):
            statements.add(id(part.value))
            continue
        is_text = isinstance(part, ast.Constant) and isinstance(part.value, str | bytes)
        if (is_text or isinstance(part, ast.JoinedStr)) and id(part) not in statements:
            fixed.update(range(part.lineno + 1, (part.end_lineno or part.lineno) + 1))  # type: ignore[attr-defined]
    return fixed
