"""The text of an HTML page, and its title."""

from __future__ import annotations

import re

DECLARED = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]+)", re.IGNORECASE)
LOOKED_AT = 1024
"""A page declares its encoding within this many bytes (HTML Living Standard, 4.2.5.4)."""


def declared_encoding(data: bytes) -> str | None:
    """The encoding that the page names in a `meta` element; None where it names none."""
    found = DECLARED.search(data[:LOOKED_AT])
    return found.group(1).decode("ascii") if found else None


def html_text(html: str) -> tuple[str, str | None]:
    """(the page as a browser would lay it out in plain text, its title).

    Raises ValueError where it cannot be parsed as HTML at all.
    """
    from inscriptis import Inscriptis
    from inscriptis.css_profiles import RELAXED_CSS_PROFILE
    from inscriptis.model.config import ParserConfig
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import HTMLParser, document_fromstring  # type: ignore[import-untyped]

    # As bytes with a parser told the encoding: lxml refuses text that declares one.
    try:
        tree = document_fromstring(html.encode(), parser=HTMLParser(encoding="utf-8", remove_comments=True))
    except etree.ParserError as error:
        raise ValueError(str(error)) from error
    title = tree.findtext(".//title")
    text = Inscriptis(tree, ParserConfig(css=RELAXED_CSS_PROFILE)).get_text()
    return text.strip("\n"), " ".join(title.split()) if title and title.strip() else None
