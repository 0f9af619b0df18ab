"""What a reader of a converted template should know: where it was left as it is, but is not quite as it should be."""

from __future__ import annotations

import re
from collections.abc import Iterator

from instructkit.templates.promptsource.choices import Choices
from instructkit.templates.promptsource.front import METRICS
from instructkit.templates.promptsource.inputs import printed_in
from instructkit.templates.promptsource.names import draws
from instructkit.templates.promptsource.originals import Original
from instructkit.templates.promptsource.pieces import Block, Pieces, Print, walk
from instructkit.templates.rendering import OF_THE_DOCUMENT
from instructkit.templates.template import Template


def warnings_of(original: Original, placed: Choices, body: Pieces, template: Template) -> list[str]:
    """One sentence for each thing, none twice."""
    found = [placed.warning] if placed.warning else []
    if any(draws(piece) for piece in body):
        found.append("draws at random: promptsource without a seed, here by the recipe's seed and the row")
    printed = printed_in(body, "user") | printed_in(body, "assistant")
    for name, given in template.front.declared().items():
        if name in OF_THE_DOCUMENT:
            message = f"input '{name}' is the document's own {name} here; give a column of that name another at ingest"
            found.append(message)
        if given.optional and name in printed:
            found.append(f"'{name}' may be missing or empty: where it is printed all the same, it prints nothing")
    for metric in original.metrics:
        if metric not in METRICS and metric != "Other":
            found.append(f"metric '{metric}' has no counterpart here")
    user = {piece.code for piece in _prints(body, "user")}
    for piece in _prints(body, "assistant"):
        if re.fullmatch(r"[\w.]+", piece.code) and piece.code in user:
            found.append(f"the answer stands in the prompt: {{{{ {piece.code} }}}}")
    return list(dict.fromkeys(found))


def _prints(body: Pieces, block: str) -> Iterator[Print]:
    for piece in walk(body):
        if isinstance(piece, Block) and piece.name == block:
            yield from (part for part in walk(piece.body) if isinstance(part, Print))
