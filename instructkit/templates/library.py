"""Where templates are looked up: the project's folder first, then the library that comes with instructkit.

templates/                      names in a recipe
├── python/
│   ├── explain_function.jinja  python/explain_function
│   └── _macros.jinja           only imported: {% from "python/_macros.jinja" import fenced %}
└── …
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from jinja2 import TemplateSyntaxError, nodes

from instructkit.errors import Fault, TemplateFault
from instructkit.templates.check import import_nodes
from instructkit.templates.environment import Sandbox
from instructkit.templates.head import read_head
from instructkit.templates.template import SUFFIX, Template, build, read_source

PACKAGE = Path(__file__).resolve().parent.parent


def library_folder() -> Path:
    """The shipped templates: inside an installed package, or at the top of a source checkout."""
    installed = PACKAGE / "share" / "templates"
    return installed if installed.is_dir() else PACKAGE.parent / "templates"


def template_folders(root: Path) -> list[Path]:
    """Folders searched for a project, first one first."""
    return [root / "templates", library_folder()]


def template_names(folders: Iterable[Path]) -> dict[str, Path]:
    """Every template by name; of two with one name the first folder's counts. Files of macros (`_…`) are none."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*" + SUFFIX)) if folder.is_dir() else ():
            if not path.name.startswith("_"):
                found.setdefault(path.relative_to(folder).as_posix().removesuffix(SUFFIX), folder)
    return found


class Loaded(NamedTuple):
    """Templates that load, and what is wrong with the others."""

    templates: list[Template]
    faults: list[tuple[str, Fault]]
    """With the name of the template, or the pattern that matches nothing."""


def find_templates(patterns: list[str], folders: list[Path]) -> list[Template]:
    """Templates by name or glob (`python/*`), in the order of the patterns, none twice.

    Raises TemplateFault with the faults of all of them, and one for each pattern that matches nothing.
    """
    found = load_each(patterns, folders)
    if found.faults:
        raise TemplateFault(fault for _, fault in found.faults)
    return found.templates


def load_each(patterns: list[str], folders: list[Path]) -> Loaded:
    """The templates that `find_templates` would find, those at fault apart."""
    known = template_names(folders)
    chosen: dict[str, Path] = {}
    found = Loaded([], [])
    for pattern in patterns:
        matches = [name for name in sorted(known) if fnmatchcase(name, pattern.removesuffix(SUFFIX))]
        chosen |= {name: known[name] for name in matches}
        if not matches:
            close = get_close_matches(pattern, [*known, *(f"{name.rpartition('/')[0]}/*" for name in known)], n=1)
            hint = (
                f"; did you mean '{close[0]}'?"
                if close
                else f"; there are {len(known)}, see `instructkit templates ls`"
            )
            found.faults.append((pattern, Fault("templates", 0, 0, f"no template matches '{pattern}'{hint}")))
    for name, folder in chosen.items():
        try:
            found.templates.append(load_template(name, folder, folders))
        except TemplateFault as fault:
            found.faults.extend((name, each) for each in fault.faults)
    return found


def load_template(name: str, folder: Path, folders: Iterable[Path] = ()) -> Template:
    """One template of a folder, checked. It imports from its own folder first, then from the others.

    Raises TemplateFault.
    """
    path = folder / (name + SUFFIX)
    if "@" in name:
        message = (
            f"a template's name has no '@' ('{name}'): it stands before the wording in ids of examples; rename the file"
        )
        raise TemplateFault([Fault(shown_path(path), 0, 0, message)])
    shown = {name + SUFFIX: shown_path(path)}
    sources = {name + SUFFIX: read_source(path, shown_path(path))}
    faults: list[Fault] = []
    pending = [(name + SUFFIX, read_head(sources[name + SUFFIX], shown[name + SUFFIX]).body)]
    while pending:
        importer, text = pending.pop()
        for imported, line in _imports(text):
            if imported in sources:
                continue
            found = _inside(imported, [folder, *folders])
            if found is None:
                message = (
                    f"no file '{imported}' in the template folders; imports are named by their path in one of them"
                )
                faults.append(Fault(shown[importer], line, 0, message))
                continue
            shown[imported] = shown_path(found)
            sources[imported] = read_source(found, shown_path(found))
            pending.append((imported, sources[imported]))
    try:
        template = build(name, sources, shown, path)
    except TemplateFault as fault:
        raise TemplateFault([*faults, *fault.faults]) from None
    if faults:
        raise TemplateFault(faults)
    return template


def _imports(text: str) -> list[tuple[str, int]]:
    try:
        named = [(node.template, node.lineno) for node in import_nodes(Sandbox().read(text, ""))]
    except (TemplateSyntaxError, RecursionError, ValueError):
        return []  # reported when the file is checked
    return [(str(name.value), line) for name, line in named if isinstance(name, nodes.Const)]


def _inside(name: str, folders: Iterable[Path]) -> Path | None:
    """The file of that name in the first folder that has it; never one outside, be it by `..` or by a link."""
    if name.startswith("/") or re.search(r"\\|:", name) or ".." in name.split("/"):
        return None
    for folder in folders:
        path = folder / name
        try:
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                return path
        except OSError:  # a name longer than the file system takes
            continue
    return None


def shown_path(path: Path) -> str:
    """A path as messages name it: relative to the current folder where it lies below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()
