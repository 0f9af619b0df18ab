"""Many originals at once: every file of a folder, a name for each result, and the files written.

DIR/glue/mrpc/same_thing.jinja      dataset, subset, the template's name
DIR/imdb/movie_expressed_sentiment.jinja
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from instructkit.errors import Fault, TemplateFault, UsageFault
from instructkit.templates.promptsource.convert import Conversion, convert
from instructkit.templates.promptsource.originals import Original, read_originals, yaml_files
from instructkit.templates.template import SUFFIX


def convert_path(path: Path, task: str | None = None) -> list[Conversion]:
    """Every template of a YAML file, or of all below a folder. Raises UsageFault, or TemplateFault with all faults."""
    files = yaml_files(path)
    if not files:
        raise UsageFault(f"{path}: no YAML file in this folder; name promptsource's 'templates', or a file of it")
    originals: list[Original] = []
    faults: list[Fault] = []
    for file in files:
        try:
            originals += read_originals(file, file.as_posix())
        except TemplateFault as fault:
            faults += fault.faults
    if faults:
        raise TemplateFault(faults)
    return [convert(original, name, task) for original, name in zip(originals, names_of(originals), strict=True)]


def names_of(originals: Iterable[Original]) -> list[str]:
    """A path for each, none twice, not even where the file system takes upper case for lower."""
    taken: set[str] = set()
    names = []
    for original in originals:
        folders = [slug(part) for part in original.corpus.split("/") if slug(part)]
        name = unique = "/".join([*folders, slug(original.name) or "template"])
        number = 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        names.append(unique)
    return names


def slug(text: str) -> str:
    """A part of a path from any text: small letters, digits, `.`, `_`, `-`; never a way out of a folder."""
    text = unicodedata.normalize("NFC", text).lower()
    return re.sub(r"[^\w.-]+", "_", text).strip("._-")[:80].strip("._-")


def write_conversions(conversions: Iterable[Conversion], folder: Path, *, overwrite: bool = False) -> int:
    """Write what was converted and say how many files. Raises UsageFault before the first where one would be replaced.

    A file that says the same already is no hindrance.
    """
    files = {folder / (done.name + SUFFIX): done.text for done in conversions if done.text is not None}
    other = [path for path, text in files.items() if path.exists() and path.read_text(encoding="utf-8") != text]
    if other and not overwrite:
        more = f" (and {len(other) - 1} more)" if len(other) > 1 else ""
        raise UsageFault(f"{other[0]}{more} exists and says something else; name another --out, or pass --overwrite")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return len(files)


def counts(conversions: Iterable[Conversion]) -> dict[str, int]:
    """Templates by what became of them: the rows of the report, in its order."""
    found = Counter(map(_outcome, conversions))
    return {key: found[key] for key in sorted(found, key=lambda key: (key.startswith("not"), key))}


def _outcome(done: Conversion) -> str:
    if done.text is None:
        return f"not converted: {done.reason}"
    return "converted, with warnings" if done.warnings else "converted"
