"""Which templates to preview: by name, by glob, or by the path of the file as it is typed in a shell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from instructkit.errors import Fault, TemplateFault, UsageFault, did_you_mean
from instructkit.templates.library import load_template, template_folders, template_names
from instructkit.templates.template import SUFFIX, Template


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A template that was asked for; it may be at fault, or come and go while it is edited."""

    name: str
    folder: Path
    """Its template folder."""
    folders: tuple[Path, ...]
    """Where it imports from, after its own folder."""

    def load(self) -> Template | TemplateFault:
        """The template as it is now, or what is wrong with it."""
        try:
            return load_template(self.name, self.folder, self.folders)
        except TemplateFault as fault:
            return fault
        except FileNotFoundError:
            return TemplateFault([Fault(str(self.folder / (self.name + SUFFIX)), 0, 0, "the file is gone")])


def choose(names: Iterable[str], project: Path) -> list[Choice]:
    """The templates of a project or the library that names, globs or paths mean; none twice.

    Raises UsageFault where one means nothing.
    """
    folders = template_folders(project)
    known = template_names(folders)
    chosen: dict[tuple[str, Path], Choice] = {}
    for name in names:
        for found, folder in _matches(name, known, folders):
            chosen[found, folder] = Choice(name=found, folder=folder, folders=tuple(folders))
    return list(chosen.values())


def _matches(name: str, known: dict[str, Path], folders: list[Path]) -> list[tuple[str, Path]]:
    path = Path(name)
    if name.endswith(SUFFIX) and path.is_file():
        for folder in folders:
            if path.resolve().is_relative_to(folder.resolve()):
                below = path.resolve().relative_to(folder.resolve()).as_posix()
                return [(below.removesuffix(SUFFIX), folder)]
        return [(path.stem, path.parent)]
    matches = [each for each in sorted(known) if fnmatchcase(each, name.removesuffix(SUFFIX))]
    if not matches:
        what = "file" if name.endswith(SUFFIX) else "template"
        hint = did_you_mean(name.removesuffix(SUFFIX), known) or "; see `instructkit templates ls`"
        raise UsageFault(f"no {what} matches '{name}'{hint}")
    return [(each, known[each]) for each in matches]
