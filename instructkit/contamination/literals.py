"""What a template says itself, whatever the document: text that its examples share, and an evaluation may share too."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import polars as pl
from jinja2 import TemplateSyntaxError, nodes

from instructkit.errors import TemplateFault
from instructkit.templates.environment import Sandbox
from instructkit.templates.head import read_head
from instructkit.templates.library import load_template, template_folders, template_names
from instructkit.templates.template import Template


@lru_cache(maxsize=512)
def literal_texts(name: str, template_hash: str, root: Path) -> tuple[str, ...]:
    """The literal texts of a template, wordings and texts in expressions too; () where it is not there any more.

    Taken from the project's folder and from the library, and only where it is the very template of `template_hash`:
    so that what examples say decides, and not what lies in a folder today.
    """
    folders = template_folders(root)
    folder = template_names(folders).get(name)
    try:
        if folder is None or (template := load_template(name, folder, folders)).hash != template_hash:
            return ()
        return tuple(_literals(template))
    except (TemplateFault, TemplateSyntaxError):
        return ()


def _literals(template: Template) -> list[str]:
    found: list[str] = []
    for file, source in template.sources.items():
        head = read_head(source, file)
        wordings = {file: head.wordings} if file == template.file and head.wordings else {}
        body = head.body if file == template.file else source
        tree = Sandbox(wordings=wordings, formats=template.formats).read(body, file)
        found += [str(node.data) for node in tree.find_all(nodes.TemplateData)]
        found += [node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)]
    return pl.Series(found, dtype=pl.String).unique(maintain_order=True).to_list()
