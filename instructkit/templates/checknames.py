"""Names that a template's body reads: each is an input, or defined in the body itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from jinja2 import TemplateAssertionError, nodes
from jinja2.meta import find_undeclared_variables

from instructkit.errors import did_you_mean
from instructkit.templates.checkwords import Report
from instructkit.templates.environment import Sandbox
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.phrasings import MARK, NUMBER

if TYPE_CHECKING:
    from instructkit.templates.check import Body

OF_A_KEY = {
    "choices": "; the answers to choose from come with the front matter's key 'choices'",
    "phrasing": "; wordings come with the front matter's key 'phrasings'",
    "phrasing_name": "; it comes with the front matter's key 'phrasings'",
}


def check_names(tree: nodes.Template, body: Body, report: Report, front: FrontMatter | None) -> None:
    """Report each name that nothing defines, and note the inputs that nothing uses. A file of macros has no front."""
    inputs = list(front.declared()) if front else None
    known = {*Sandbox().globals, *(front.variables() if front else ())}
    try:
        used = find_undeclared_variables(tree)
    except TemplateAssertionError as error:
        report(error.lineno, "", f"not a Jinja template: {error.message}")
        return
    used.discard(NUMBER)
    here = set(exported(tree))
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
    if front:
        used |= {name for name in (front.choices, front.tools) if isinstance(name, str)}
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


def exported(tree: nodes.Template) -> Iterator[str]:
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


def reached(blocks: list[nodes.Block], tree: nodes.Template) -> set[str]:
    """Names that blocks read, and those that the top-level variables and macros among these are made of."""
    made_of: dict[str, set[str]] = {}
    for node in tree.find_all((nodes.Assign, nodes.AssignBlock, nodes.Macro)):
        made = [node.name] if isinstance(node, nodes.Macro) else [n.name for n in _names(node, "store")]
        for name in made:
            made_of.setdefault(name, set()).update(n.name for n in _names(node, "load"))
    found: set[str] = set()
    pending = [name.name for block in blocks for name in _names(block, "load")]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += made_of.get(name, ())
    return found


def _names(node: nodes.Node, context: str) -> Iterator[nodes.Name | nodes.NSRef]:
    for name in [node, *node.find_all((nodes.Name, nodes.NSRef))]:
        if isinstance(name, nodes.NSRef) or (isinstance(name, nodes.Name) and name.ctx == context):
            yield name


def is_stateless(tree: nodes.Template) -> bool:
    """Whether a file defines macros and constants only, which remember no row."""
    return all(
        isinstance(node, nodes.Macro | nodes.Import | nodes.FromImport)
        or (isinstance(node, nodes.Assign) and isinstance(node.node, nodes.Const))
        or (isinstance(node, nodes.Output) and all(isinstance(part, nodes.TemplateData) for part in node.nodes))
        for node in tree.body
    )
