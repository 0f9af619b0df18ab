"""Words that a template's body uses: filters, tests, attributes, phrasings and formats of options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes

from instructkit.errors import did_you_mean
from instructkit.templates.environment import Sandbox
from instructkit.templates.filters import INSTEAD
from instructkit.templates.frontmatter import FrontMatter
from instructkit.templates.head import Head
from instructkit.templates.limits import MAX_BITS
from instructkit.templates.options import FORMATS
from instructkit.templates.phrasings import MARK, NUMBER, Wording, parse_wording

if TYPE_CHECKING:
    from instructkit.templates.check import Body

Report = Callable[[int, str, str], None]
"""Takes line, the words to point at in that line ("" for none), message."""


def check_wordings(wordings: Sequence[Wording], report: Report) -> bool:
    """Whether the phrasings can be read; whatever is meant for the body's top is reported."""
    readable = True
    for wording in wordings:
        try:
            tree = parse_wording(wording, lambda text: Sandbox().read(text, ""))
        except TemplateSyntaxError as error:
            report(error.lineno, "", f"phrasing '{wording.name}' is not a Jinja template: {error.message}")
            readable = False
            continue
        except (RecursionError, ValueError) as error:  # or a number of more digits than Python reads
            said = "is nested too deeply to be read" if isinstance(error, RecursionError) else f": {error}"
            report(wording.line, "", f"phrasing '{wording.name}' {said}")
            readable = False
            continue
        for node in tree.find_all((nodes.Import, nodes.FromImport, nodes.Macro, nodes.Block)):
            word = "import" if isinstance(node, nodes.Import | nodes.FromImport) else type(node).__name__.lower()
            report(node.lineno, word, f"'{word}' inside of a phrasing; it belongs to the body of the template")
            readable = False
    return readable


def check_mark(tree: nodes.Template, head: Head, report: Report) -> None:
    """`{{ phrasing }}` stands in a block, bare; what did not become a phrasing is still there."""
    for node in tree.find_all(nodes.Name):
        if node.name == MARK:
            report(
                node.lineno, MARK, f"'{MARK}' stands alone, in a block: {{{{ {MARK} }}}}, without filter or operator"
            )
    if not any(node.name == NUMBER for node in tree.find_all(nodes.Name)):
        line = head.place("phrasings")[0]
        report(line, "phrasings", f"no block says where the phrasing goes: write {{{{ {MARK} }}}} there")


def check_formats(tree: nodes.Template, body: Body, report: Report) -> None:
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


def check_words(tree: nodes.Template, environment: Sandbox, report: Report) -> None:
    """Report filters, tests and attributes that are not there, or not for templates."""
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
    for number in tree.find_all(nodes.Const):
        if isinstance(number.value, int) and number.value.bit_length() > MAX_BITS:
            report(
                number.lineno, "", f"a number of {number.value.bit_length():,} bits; at most {MAX_BITS:,} are allowed"
            )
    read = [(get.lineno, get.attr) for get in tree.find_all(nodes.Getattr)]
    read += [(g.lineno, g.arg.value) for g in tree.find_all(nodes.Getitem) if isinstance(g.arg, nodes.Const)]
    for line, attribute in read:
        if isinstance(attribute, str) and attribute.startswith("_"):
            report(line, attribute, f"'{attribute}': names that start with an underscore cannot be read")


def check_calls(tree: nodes.Template, body: Body, report: Report, front: FrontMatter | None) -> None:
    """Tools are called in assistant blocks, or in macros, and answered in tool blocks; both need tools to be there."""
    if front is None:
        return
    allowed = [tree.find_all(nodes.Macro), (b for b in tree.find_all(nodes.Block) if b.name.startswith("assistant"))]
    inside = {id(name) for owners in allowed for owner in owners for name in owner.find_all(nodes.Name)}
    for name in tree.find_all(nodes.Name):
        if name.name == "tool_call" and front.tools is None and "tool_call" not in front.declared():
            report(
                name.lineno, "tool_call", "tool_call: define what can be called under the front matter's key 'tools'"
            )
        elif name.name == "tool_call" and front.tools is not None and id(name) not in inside:
            report(
                name.lineno, "tool_call", "tool_call stands outside of all assistant blocks; only the assistant calls"
            )
    for block in tree.find_all(nodes.Block):
        if block.name in body.turns and block.name.startswith("tool") and front.tools is None:
            message = f"block '{block.name}' answers a call, and without 'tools' in the front matter there is none"
            report(block.lineno, block.name, message)
