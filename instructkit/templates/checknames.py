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
SCOPES = (
    nodes.Block, nodes.Macro, nodes.For, nodes.With, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock,
)  # fmt: skip
"""What keeps the variables that are set inside of it to itself."""


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
    for name in sorted(unknown):
        found = _unset_use(name, tree)
        if found is None:
            continue
        line, owner = found
        kind = "block" if isinstance(owner, nodes.Block) else "macro"
        who = f"{kind} '{owner.name}'" if owner else "the file" if inputs is None else "the top level"
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


def _unset_use(name: str, tree: nodes.Template) -> tuple[int, nodes.Block | nodes.Macro | None] | None:
    """Line and owner of the first use of a name where nothing around it sets it: Jinja takes one set in an `if` for
    undefined, though it is there when the condition holds.
    """
    scopes = [(scope, {id(node) for node in _names(scope, "load")}) for scope in tree.find_all(SCOPES)]
    for use in _names(tree, "load"):
        if use.name == name:
            around = [scope for scope, uses in scopes if id(use) in uses]
            if not any(name in exported(scope) for scope in around):
                owner = next((scope for scope in around if isinstance(scope, nodes.Block | nodes.Macro)), None)
                return use.lineno, owner
    return None


def exported(scope: nodes.Node) -> Iterator[str]:
    """Names that the top level of a template defines for its blocks, or a scope for itself."""
    pending: list[nodes.Node] = list(getattr(scope, "body", ()))
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
