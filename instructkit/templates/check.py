"""What a template's body may look like, checked before any row is rendered.

At the top level stand blocks (the turns, in order), `set`, `macro`, `import` and `if`; text stands in blocks only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from jinja2 import TemplateAssertionError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from instructkit.errors import Fault, did_you_mean
from instructkit.templates.environment import Sandbox
from instructkit.templates.filters import INSTEAD
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.head import Head
from instructkit.templates.options import FORMATS
from instructkit.templates.phrasings import MARK, NUMBER, Wording, parse_wording

ROLES = ("system", "user", "assistant", "tool")
TURN = re.compile(r"(system|user|assistant|tool)(?:_([1-9][0-9]*))?\Z")
ASSIGNING = (nodes.Assign, nodes.AssignBlock, nodes.Macro, nodes.Import, nodes.FromImport)
OF_A_KEY = {
    "choices": "; the answers to choose from come with the front matter's key 'choices'",
    "phrasing": "; wordings come with the front matter's key 'phrasings'",
    "phrasing_name": "; it comes with the front matter's key 'phrasings'",
}
Report = Callable[[int, str, str], None]
"""Takes line, the words to point at in that line ("" for none), message."""


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

    wordings = head.wordings if head else ()
    environment = Sandbox(wordings={name: wordings} if wordings else {})
    environment.globals = {}
    if not _check_wordings(wordings, report):
        return body
    try:
        tree = environment.read(head.body if head else source, name)
    except TemplateSyntaxError as error:
        report(error.lineno, "", f"not a Jinja template: {error.message}")
        return body
    except RecursionError:
        report(1, "", "nested too deeply to be read")
        return body
    _check_top(tree.body, body, report, macros_only=macros)
    _check_turns(tree, body, report, macros_only=macros)
    _check_imports(tree, body, report)
    _check_words(tree, environment, report)
    _check_formats(tree, body, report)
    if head and wordings:
        _check_mark(tree, head, report)
    for node in tree.find_all((nodes.Filter, nodes.Test)):  # unknown ones are reported; they hide no other fault
        (environment.filters if isinstance(node, nodes.Filter) else environment.tests).setdefault(node.name, repr)
    if macros or (head and head.front):
        _check_names(tree, body, report, head.front if head else None)
    body.defined = {name for name in _exported(tree) if not name.startswith("_")}
    body.stateless = _is_stateless(tree)
    return body


def _check_wordings(wordings: Sequence[Wording], report: Report) -> bool:
    """Whether the phrasings can be read; whatever is meant for the body's top is reported."""
    readable = True
    for wording in wordings:
        try:
            tree = parse_wording(wording, lambda text: Sandbox().read(text, ""))
        except TemplateSyntaxError as error:
            report(error.lineno, "", f"phrasing '{wording.name}' is not a Jinja template: {error.message}")
            readable = False
            continue
        except RecursionError:
            report(wording.line, "", f"phrasing '{wording.name}' is nested too deeply to be read")
            readable = False
            continue
        for node in tree.find_all((nodes.Import, nodes.FromImport, nodes.Macro, nodes.Block)):
            word = "import" if isinstance(node, nodes.Import | nodes.FromImport) else type(node).__name__.lower()
            report(node.lineno, word, f"'{word}' inside of a phrasing; it belongs to the body of the template")
            readable = False
    return readable


def _check_mark(tree: nodes.Template, head: Head, report: Report) -> None:
    """`{{ phrasing }}` stands in a block, bare; what did not become a phrasing is still there."""
    for node in tree.find_all(nodes.Name):
        if node.name == MARK:
            report(
                node.lineno, MARK, f"'{MARK}' stands alone, in a block: {{{{ {MARK} }}}}, without filter or operator"
            )
    if not any(node.name == NUMBER for node in tree.find_all(nodes.Name)):
        line = head.place("phrasings")[0]
        report(line, "phrasings", f"no block says where the phrasing goes: write {{{{ {MARK} }}}} there")


def _check_formats(tree: nodes.Template, body: Body, report: Report) -> None:
    """Formats of options are named by plain strings, so that the one draw of a row knows of them all."""
    for node in tree.find_all(nodes.Filter):
        if node.name != "options":
            continue
        given = [arg.value if isinstance(arg, nodes.Const) else None for arg in node.args]
        if node.kwargs or node.dyn_args or node.dyn_kwargs or not all(isinstance(name, str) for name in given):
            report(node.lineno, "options", 'options: formats are named by plain strings: options("letters", "dashes")')
            continue
        names = tuple(str(name) for name in given)
        for name in names:
            if name not in FORMATS:
                known = ", ".join(FORMATS)
                report(
                    node.lineno, name, f"no format of options is called '{name}'{did_you_mean(name, FORMATS)}; {known}"
                )
        body.formats.append((names, node.lineno))


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


def _check_turns(tree: nodes.Template, body: Body, report: Report, macros_only: bool) -> None:
    if macros_only:
        return
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
            hint = did_you_mean(block.name.partition("_")[0], ROLES)
            report(
                block.lineno,
                block.name,
                f"block '{block.name}' is not a role; roles are {', '.join(ROLES)}, then user_2 …{hint}",
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
    if not any(role_of(name) == "assistant" for name in body.turns):
        report(1, "", "there is no assistant block: nothing to learn from")
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


def _check_words(tree: nodes.Template, environment: Sandbox, report: Report) -> None:
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        table = environment.filters if isinstance(node, nodes.Filter) else environment.tests
        kind = type(node).__name__.lower()
        if node.name not in table or node.name.startswith("_"):
            known = [word for word in table if not word.startswith("_")]
            hint = f"; {INSTEAD[node.name]}" if node.name in INSTEAD else did_you_mean(node.name, known)
            report(node.lineno, node.name, f"no {kind} named '{node.name}'{hint}")
    for name in tree.find_all(nodes.Name):
        if name.name in ("self", "super"):
            message = f"'{name.name}' is not there: a turn cannot be read from another; set a variable above both"
            report(name.lineno, name.name, message)
    read = [(get.lineno, get.attr) for get in tree.find_all(nodes.Getattr)]
    read += [(g.lineno, g.arg.value) for g in tree.find_all(nodes.Getitem) if isinstance(g.arg, nodes.Const)]
    for line, attribute in read:
        if isinstance(attribute, str) and attribute.startswith("_"):
            report(line, attribute, f"'{attribute}': names that start with an underscore cannot be read")


def _check_names(tree: nodes.Template, body: Body, report: Report, front: FrontMatter | None) -> None:
    inputs = list(front.declared()) if front else None
    known = {*Sandbox().globals, *(front.variables() if front else ())}
    try:
        used = find_undeclared_variables(tree)
    except TemplateAssertionError as error:
        report(error.lineno, "", f"not a Jinja template: {error.message}")
        return
    used.discard(NUMBER)
    here = set(_exported(tree))
    unknown = used - known - here - set(inputs or ()) - ({MARK} if front and front.phrasings else set())
    blocks = list(tree.find_all(nodes.Block))
    for name in sorted(unknown):
        node, owner = _first_use(name, tree, blocks)
        who = f"block '{owner.name}'" if owner else "the file" if inputs is None else "the top level"
        line = node.lineno if node else 1
        if inputs is None:
            hint = did_you_mean(name, here | known)
            report(
                line,
                name,
                f"{who} uses '{name}', which it does not define; macros see their arguments only{hint}",
            )
        else:
            listed = ", ".join(sorted(inputs))
            hint = OF_A_KEY.get(name) or did_you_mean(name, [*inputs, *here, *known])
            report(
                line,
                name,
                f"{who} uses '{name}', which is not in inputs [{listed}]{hint}",
            )
    if front and isinstance(front.choices, str):
        used.add(front.choices)
    body.unused = [name for name in inputs or () if name not in used]


def _first_use(
    name: str, tree: nodes.Template, blocks: list[nodes.Block]
) -> tuple[nodes.Name | None, nodes.Block | None]:
    """Where a name is read, and in which block; rather where no variable of that name is set."""
    uses: list[tuple[bool, int, nodes.Name, nodes.Block | None]] = []
    for node in tree.find_all(nodes.Name):
        if node.name == name and node.ctx == "load":
            owner = next((block for block in blocks if any(n is node for n in block.find_all(nodes.Name))), None)
            is_set = any(n.name == name and n.ctx != "load" for n in (owner or tree).find_all(nodes.Name))
            uses.append((is_set, len(uses), node, owner))
    return min(uses)[2:] if uses else (None, None)


def _exported(tree: nodes.Template) -> Iterator[str]:
    """Names that the top level defines for the blocks."""
    pending: list[nodes.Node] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, nodes.If):
            pending += [*node.body, *node.elif_, *node.else_]
        elif isinstance(node, nodes.Assign | nodes.AssignBlock):
            yield from (n.name for n in [node.target, *node.target.find_all(nodes.Name)] if isinstance(n, nodes.Name))
        elif isinstance(node, nodes.Macro):
            yield node.name
        elif isinstance(node, nodes.Import):
            yield node.target
        elif isinstance(node, nodes.FromImport):
            yield from (item if isinstance(item, str) else item[1] for item in node.names)


def _is_stateless(tree: nodes.Template) -> bool:
    return all(
        isinstance(node, nodes.Macro | nodes.Import | nodes.FromImport)
        or (isinstance(node, nodes.Assign) and isinstance(node.node, nodes.Const))
        or (isinstance(node, nodes.Output) and all(isinstance(part, nodes.TemplateData) for part in node.nodes))
        for node in tree.body
    )
