"""What a template's body may look like, checked before any row is rendered.

At the top level stand blocks (the turns, in order), `set`, `macro`, `import` and `if`; text stands in blocks only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jinja2 import TemplateSyntaxError, nodes

from instructkit.errors import Fault, did_you_mean
from instructkit.templates.checknames import check_names, exported, is_stateless, reached
from instructkit.templates.checkwords import Report, check_calls, check_formats, check_mark, check_wordings, check_words
from instructkit.templates.environment import Sandbox
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.head import Head
from instructkit.text.conversation import LEARNED, PLAIN_TEXT

ROLES = ("system", "user", "assistant", "tool")
TURN = re.compile(rf"({'|'.join(ROLES)}|{PLAIN_TEXT})(?:_([1-9][0-9]*))?\Z")
ASSIGNING = (nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Import, nodes.FromImport)


@dataclass
class Body:
    """What checking found."""

    turns: list[str] = field(default_factory=list)
    """Block names in file order."""
    imports: list[tuple[str, int]] = field(default_factory=list)
    """Names of imported files and the lines that name them."""
    taken: list[tuple[str, str, int]] = field(default_factory=list)
    """File, name and line of each name taken from an imported file."""
    defined: set[str] = field(default_factory=set)
    """What the top level defines, and another file can import."""
    blocks_only: bool = True
    """Nothing but blocks at the top level: they can be rendered without running the rest."""
    stateless: bool = True
    """An imported file of macros and constants: what it defines cannot remember a row."""
    answer_names: set[str] = field(default_factory=set)
    """Names that the blocks that are learned read, themselves or by way of variables and macros."""
    unused: list[str] = field(default_factory=list)
    """Inputs that nothing uses."""
    formats: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    """The formats that the filter `options` is given, with their lines."""
    faults: list[Fault] = field(default_factory=list)


def role_of(block: str) -> str:
    """`assistant_2` → `assistant`."""
    return block.partition("_")[0]


def check_body(source: str, name: str, file: str, head: Head | None = None, *, macros: bool = False) -> Body:
    """Check a template, or a file of macros. `source` is the whole file, `head` what it was taken apart into.

    Where the front matter has faults its inputs are not known, so no name is called unknown.
    """
    body = Body()
    lines = source.split("\n")

    def report(line: int, words: str, message: str) -> None:
        at = re.search(rf"(?<!\w){re.escape(words)}(?!\w)", lines[line - 1]) if words and line <= len(lines) else None
        body.faults.append(Fault(file, line, at.start() + 1 if at else 0, message))

    try:
        _check(source, name, head, body, report, macros)
    except TemplateSyntaxError as error:
        report(error.lineno, "", f"not a Jinja template: {error.message}")
    except RecursionError:
        report(1, "", "nested too deeply to be read")
    except ValueError as error:  # a number of more digits than Python reads
        report(1, "", f"not a Jinja template: {error}")
    return body


def _check(source: str, name: str, head: Head | None, body: Body, report: Report, macros: bool) -> None:
    wordings = head.wordings if head else ()
    environment = Sandbox(wordings={name: wordings} if wordings else {})
    environment.globals = {}
    if not check_wordings(wordings, report):
        return
    tree = environment.read(head.body if head else source, name)
    front = head.front if head else None
    _check_top(tree.body, body, report, macros_only=macros)
    if not macros:
        _check_turns(tree, body, report, front)
    _check_imports(tree, body, report)
    check_words(tree, environment, report)
    check_formats(tree, body, report)
    check_calls(tree, body, report, front)
    if head and wordings:
        check_mark(tree, head, report)
    for node in tree.find_all((nodes.Filter, nodes.Test)):  # unknown ones are reported; they hide no other fault
        (environment.filters if isinstance(node, nodes.Filter) else environment.tests).setdefault(node.name, repr)
    if macros or front:
        check_names(tree, body, report, front)
    answers = [block for block in tree.find_all(nodes.Block) if role_of(block.name) in LEARNED]
    body.answer_names = reached(answers, tree)
    body.defined = {name for name in exported(tree) if not name.startswith("_")}
    body.stateless = is_stateless(tree)


def _check_top(top: list[nodes.Node], body: Body, report: Report, macros_only: bool) -> None:
    for node in top:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                text = part.data if isinstance(part, nodes.TemplateData) else "an expression"
                if text.strip():
                    line = part.lineno + (text[: len(text) - len(text.lstrip())].count("\n"))
                    first = text.strip().split("\n")[0]
                    where = "a file of macros prints nothing" if macros_only else "put it into a block, or into {# #}"
                    shown = repr(first[:40]) if text != "an expression" else text
                    report(
                        line, first if text != "an expression" else "", f"{shown} stands outside of all blocks; {where}"
                    )
        elif isinstance(node, nodes.Block) and not macros_only:
            body.turns.append(node.name)
            if node.required:
                report(node.lineno, "required", f"block '{node.name}': 'required' has no meaning here; remove it")
        elif isinstance(node, nodes.If):
            body.blocks_only = False
            for branch in (node.body, *(other.body for other in node.elif_), node.else_):
                _check_top(branch, body, report, macros_only)
        elif isinstance(node, ASSIGNING):
            body.blocks_only = False
        elif isinstance(node, nodes.Extends | nodes.Include):
            pass  # reported with the imports
        elif macros_only and isinstance(node, nodes.Block):
            report(
                node.lineno,
                node.name,
                "a file of macros has no blocks; its name starts with '_', rename it if it is a template",
            )
        else:
            kind = type(node).__name__.lower()
            report(node.lineno, "", f"'{kind}' stands outside of all blocks; only set, macro, import and if may")


def _check_turns(tree: nodes.Template, body: Body, report: Report, front: FrontMatter | None) -> None:
    counts: dict[str, int] = {}
    for block in tree.find_all(nodes.Block):
        if block.name not in body.turns:
            report(
                block.lineno,
                block.name,
                f"block '{block.name}' stands inside of something; turns stand at the top level, or in an if there",
            )
            continue
        match = TURN.match(block.name)
        if match is None:
            hint = did_you_mean(block.name.partition("_")[0], (*ROLES, PLAIN_TEXT))
            report(
                block.lineno,
                block.name,
                f"block '{block.name}' is not a role; roles are {', '.join(ROLES)}, then user_2 …, or {PLAIN_TEXT} "
                f"alone{hint}",
            )
            continue
        role = match[1]
        counts[role] = counts.get(role, 0) + 1
        expected = role if counts[role] == 1 else f"{role}_{counts[role]}"
        if block.name != expected:
            report(
                block.lineno,
                block.name,
                f"block '{block.name}' is turn {counts[role]} of its role; name it '{expected}'",
            )
    if front and front.answer == "model":
        if not body.turns or role_of(body.turns[-1]) != "user":
            report(1, "", "with 'answer: model' the last block is the user's: what the model is to answer")
    elif front and not any(role_of(name) in LEARNED for name in body.turns):
        report(1, "", "there is no assistant block: nothing to learn from; or is it for a model, 'answer: model'?")
    for block in tree.find_all(nodes.Block):
        if block.name == PLAIN_TEXT and len(body.turns) > 1:
            others = ", ".join(name for name in body.turns if name != PLAIN_TEXT)
            message = f"block 'text' is a plain text, a whole example; take the other blocks away ({others})"
            report(block.lineno, PLAIN_TEXT, message)
    if "system" in body.turns[1:]:
        (block,) = (b for b in tree.find_all(nodes.Block) if b.name == "system")
        report(block.lineno, "system", "block 'system' must be the first turn")


def import_nodes(tree: nodes.Template) -> list[nodes.Import | nodes.FromImport]:
    """Every import of a template, at its top or inside of a block."""
    return [*tree.find_all(nodes.Import), *tree.find_all(nodes.FromImport)]


def _check_imports(tree: nodes.Template, body: Body, report: Report) -> None:
    for node in tree.find_all((nodes.Extends, nodes.Include)):
        word = type(node).__name__.lower()
        report(node.lineno, word, f"'{word}' is not allowed; import macros from a file of a template folder instead")
    for node in tree.find_all(nodes.ScopedEvalContextModifier):
        report(node.lineno, "autoescape", "'autoescape' is not allowed: messages are text, not HTML")
    for node in import_nodes(tree):
        if node.with_context:
            report(node.lineno, "with", "'import … with context' is not allowed; hand the macro what it needs")
        if isinstance(node.template, nodes.Const) and isinstance(node.template.value, str):
            body.imports.append((node.template.value, node.lineno))
        else:
            report(
                node.lineno, "", "the imported file must be named by a plain string, so that its content can be tracked"
            )
        if isinstance(node, nodes.FromImport):
            for item in node.names:
                name = item if isinstance(item, str) else item[0]
                if isinstance(node.template, nodes.Const):
                    body.taken.append((str(node.template.value), name, node.lineno))
