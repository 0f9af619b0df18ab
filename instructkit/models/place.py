"""Where a model lies that is named by a package or by a folder above. No torch: recipes are read with it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "package:"
"""Begins the name of a model that lies in an installed Python package: `package:NAME/path/inside`."""


def package_folder(name: str) -> Path | None:
    """Where an installed package lies, without running its code; None where there is none of that name."""
    try:
        found = find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):
        return None
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) if places else None


def placed(name: str, near: Path) -> str:
    """The path of a model that something in the folder `near` names; the name itself where no such file is found.

    Names are relative to the project, and that is the current folder or one above `near`.
    """
    if name.startswith(PACKAGE):
        package, _, inside = name.removeprefix(PACKAGE).partition("/")
        folder = package_folder(package)
        return str(folder / inside) if folder is not None else name
    places = [Path(name).expanduser(), *(parent / name for parent in near.absolute().parents)]
    return next((str(place) for place in places if place.exists()), name)
