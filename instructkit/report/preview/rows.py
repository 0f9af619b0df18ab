"""The rows that templates are tried on: documents of a data file, of a step of a build, or of the templates' own tests.

--rows data/reviews.csv       read as an ingest step would read it
--rows recipes/first.yaml     the last step with documents of the recipe's build; so is --rows build/first
--rows build/first:clean      that step of the build
--rows clean                  that step of the build that --build names, or of the last one
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from instructkit.build.build import last_build
from instructkit.build.manifest import Build
from instructkit.errors import UsageFault, did_you_mean
from instructkit.hashing import canonical_json
from instructkit.recipe.recipe import load_recipe
from instructkit.report.data_file import KINDS, DataFile, open_data
from instructkit.report.show import pick
from instructkit.schema import Document, Drop, Origin, empty, frame
from instructkit.stages.ingest.find import WILDCARDS
from instructkit.stages.render.render import unread_columns
from instructkit.stages.render.values import OWN_FIELDS
from instructkit.templates.template import Template

CONSIDERED = 1_000
"""Rows that are rendered to count what drops; fewer are shown."""
HEAD = 200
"""Records that are looked at to choose a column of texts."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Documents to try templates on."""

    documents: pl.DataFrame
    """Rows of `Document`, spread over what was read."""
    said: str
    """Where they come from, for a heading."""
    read_by: dict[str, Any] | None = None
    """A file: the recipe step that reads it so."""
    unread: pl.DataFrame
    """`Drop`s of the ingest: rows that become no document."""
    seed: int = 0
    """What draws depend on: the recipe's, where the rows come from a build."""
    columns: tuple[str, ...] = ()
    """A file: the names that its first records have."""
    read_from: dict[str, str] = field(default_factory=dict)
    """Input → column, as a `render` step's `columns` has it."""
    of_tests: bool = False
    """Whether they are the templates' own tests: each template is then rendered on its own."""

    def documents_for(self, template: Template) -> pl.DataFrame:
        """The rows that a template is rendered on: all of them, or those of its own tests."""
        if not self.of_tests:
            return self.documents
        own = _documents_of_tests(template)
        return own.filter(pl.col("id").is_in(self.documents["id"].unique().to_list()))


def rows_of(
    where: str | None,
    templates: Sequence[Template],
    *,
    text: str | None = None,
    records: str | None = None,
    build: Path | None = None,
    ids: Sequence[str] = (),
    source: str | None = None,
    seed: int | None = None,
    columns: Mapping[str, str] = {},
) -> Rows:
    """The rows that `where` names, for these templates (see the head of this module); None: those of their tests.

    `columns`: as in a `render` step. Raises UsageFault where there are no rows, or a column is given to no input, and
    InputError as the ingest of a file does.
    """
    if messages := unread_columns(dict(columns), list(templates)):
        raise UsageFault("\n".join(message.replace("columns: ", "--column: ", 1) for message in messages))
    # An id that was copied from an example names its document and the template.
    ids = [next((i.removesuffix(f"/{t.name}") for t in templates if i.endswith(f"/{t.name}")), i) for i in ids]
    if where is None and build is None:
        if columns:
            raise UsageFault("--column says how rows are read; the templates' own tests give inputs, so name --rows")
        return _of_tests(templates, ids, seed or 0)
    found = None if where is None else _build_step(where, build)
    if where is not None and found is None and _is_file(where):
        return _of_file(open_data(where, records), templates, text, ids, source, seed or 0, dict(columns))
    if text is not None or records is not None or source is not None:
        raise UsageFault("--text, --records and --source say how to read a file; the rows of a build are read already")
    chosen, step = found or (_open(build), where)
    return replace(_of_step(chosen, step, ids, seed), read_from=dict(columns))


def _is_file(where: str) -> bool:
    suffixes = tuple(suffix for kind in KINDS.values() for suffix in kind)
    named = where.removesuffix(".gz").removesuffix(".zst").lower().endswith(suffixes)
    return Path(where).exists() or bool(WILDCARDS.search(where)) or named or "/" in where


def _build_step(where: str, build: Path | None) -> tuple[Build, str | None] | None:
    """The build and step that `where` names by a path; None where it does not."""
    place, colon, step = where.rpartition(":")
    for path, name in ((where, None), (place, step)) if colon else ((where, None),):
        is_recipe = path.endswith((".yaml", ".yml")) and Path(path).is_file()
        if is_recipe or (path and (Path(path) / "manifest.json").is_file()):
            return _open(Path(path)), name
    if colon and place.endswith((".yaml", ".yml")):
        raise UsageFault(f"--rows {where}: no recipe {place}")
    return None


def _open(path: Path | None) -> Build:
    if path is None:
        folder = last_build(Path("build"))
        if folder is None:
            raise UsageFault(
                "no build in ./build; run `instructkit build RECIPE` first, or give a data file: --rows data/FILE.jsonl"
            )
        return Build.open(folder)
    if path.is_file():
        recipe = load_recipe(path)
        return Build.open(recipe.root / "build" / recipe.name)
    return Build.open(path)


def _of_step(build: Build, step: str | None, ids: Sequence[str], seed: int | None) -> Rows:
    with_documents = [name for name in build.row_steps() if build.noun(name) is Document]
    if not with_documents:
        raise UsageFault(f"{build.folder}: no step of this build holds documents, which templates are rendered on")
    if step is not None and step not in with_documents:
        steps = build.manifest.steps
        why = "holds examples, rendered already" if step in steps else "is not there" + did_you_mean(step, steps)
        raise UsageFault(
            f"--rows: step '{step}' of {build.folder} {why}; steps with documents: {', '.join(with_documents)} "
            "(or give a data file)"
        )
    name = step or with_documents[-1]
    if ids:
        documents = build.rows(name).filter(pl.col("id").is_in(list(ids))).collect()
        _check_ids(ids, documents, f"step '{name}'")
    else:
        documents = pick(build, name, CONSIDERED)
    total = build.step(name).rows_kept
    return Rows(
        documents=documents,
        said=f"step '{name}' of {build.folder} ({_count(documents.height, total)})",
        unread=empty(Drop),
        seed=build.manifest.seed if seed is None else seed,
    )


def _of_file(
    data: DataFile,
    templates: Sequence[Template],
    text: str | None,
    ids: Sequence[str],
    source: str | None,
    seed: int,
    read_from: dict[str, str],
) -> Rows:
    head = data.head(HEAD)
    chosen, fields = text_column(data, head, templates, text, read_from)
    kept, dropped, whole = list[pl.DataFrame](), list[pl.DataFrame](), False
    outcomes = data.documents(chosen, fields, source)
    if ids:
        wanted = pl.col("id").is_in(list(ids))
        for outcome in outcomes:
            kept.append(outcome.kept.filter(wanted))
            dropped.append(outcome.dropped.filter(wanted))
    else:
        # One outcome is up to 50,000 rows: enough to spread what is shown over, and read in about a second.
        for outcome in outcomes:
            kept.append(outcome.kept)
            dropped.append(outcome.dropped)
            if sum(shard.height for shard in kept) > CONSIDERED:
                break
        whole = next(outcomes, None) is None
    documents, unread = pl.concat(kept or [empty(Document)]), pl.concat(dropped or [empty(Drop)])
    if ids:
        _check_ids(ids, pl.concat([documents.select("id"), unread.select("id")]), data.path)
    read = documents.height
    documents = documents if ids else _spread(documents)
    return Rows(
        documents=documents,
        said=f"{data.path} ({_count(documents.height, read, '' if whole or ids else 'first ')})",
        read_by=data.settings(chosen, fields),
        unread=unread,
        seed=seed,
        columns=tuple(dict.fromkeys(name for record in head for name in record)),
        read_from=read_from,
    )


def text_column(
    data: DataFile,
    head: list[dict[str, Any]],
    templates: Sequence[Template],
    text: str | None,
    read_from: Mapping[str, str],
) -> tuple[str, list[str] | None]:
    """The column that is the documents' text, and the fields to list beside it (None: all but the text).

    A build takes the text's column out of the fields, so where a template reads that column by its own name, the
    fields have to be listed.
    """
    if text is not None:
        return text, None
    columns = list(dict.fromkeys(name for record in head for name in record))
    if "text" in columns or not columns:
        return "text", None
    names = {name for template in templates for name in template.front.declared()}
    inputs = {read_from.get(name, name).removeprefix(OWN_FIELDS) for name in names}
    inputs |= {path.partition(".")[0] for path in inputs}
    texts = [name for name in columns if all(isinstance(r.get(name), str | None) for r in head)]
    texts = [name for name in texts if any(record.get(name) for record in head)]
    others = [name for name in texts if name not in inputs]
    if "text" in inputs:
        if len(others) == 1:
            return others[0], None
        raise UsageFault(
            f"{data.path}: no column 'text', which {_who(templates, 'text')} reads; say by --text which column it is "
            f"(columns: {', '.join(columns)})"
        )
    # Not a key or a link: of the columns that no template reads, the one that says most.
    best = max(others, key=lambda name: sum(len(record.get(name) or "") for record in head), default=None)
    if best is not None and any(" " in (r.get(best) or "") or not (r.get(best) or "").isascii() for r in head):
        return best, None
    read = [name for name in texts if name in inputs]
    if not read:
        raise UsageFault(f"{data.path}: no column of texts to read (columns: {', '.join(columns)}); name one by --text")
    return read[0], [name for name in columns if name in inputs]


def _who(templates: Sequence[Template], name: str) -> str:
    readers = [template.name for template in templates if name in template.front.declared()]
    return readers[0] + (f" (and {len(readers) - 1} more)" if len(readers) > 1 else "")


def _of_tests(templates: Sequence[Template], ids: Sequence[str], seed: int) -> Rows:
    """The rows that the templates' own tests give: ids are `test 1` …."""
    found = pl.concat([empty(Document), *map(_documents_of_tests, templates)])
    if ids:
        found = found.filter(pl.col("id").is_in(list(ids)))
        _check_ids(ids, found, "the tests")
    if found.is_empty():
        raise UsageFault("no rows: give a data file (--rows data/FILE.jsonl) or a step of a build (--rows BUILD:STEP)")
    said = "the templates' own tests; --rows FILE or BUILD:STEP takes real ones"
    return Rows(documents=found, said=said, unread=empty(Drop), seed=seed, of_tests=True)


def _documents_of_tests(template: Template) -> pl.DataFrame:
    documents = []
    for number, case in enumerate(template.front.tests, 1):
        own = {name: case.given.get(name) for name in ("text", "source", "language", "id")}
        texts = {name: value if isinstance(value, str) else None for name, value in own.items()}
        documents.append(
            Document(
                id=texts["id"] or f"test {number}",
                source=texts["source"] or "tests",
                origin=Origin(file=f"{template.file} test {number}"),
                text=texts["text"] or "",
                fields=canonical_json({k: v for k, v in case.given.items() if k not in own}),
                language=texts["language"],
                group="",
            )
        )
    return frame(Document, documents)


def _check_ids(ids: Sequence[str], found: pl.DataFrame, where: str) -> None:
    if missing := sorted(set(ids) - set(found["id"].to_list())):
        raise UsageFault(f"--ids: {where} has no row {', '.join(missing)}")


def _spread(documents: pl.DataFrame) -> pl.DataFrame:
    """At most `CONSIDERED` rows, evenly spread: neighbours in a file are alike."""
    if documents.height <= CONSIDERED:
        return documents
    return documents[spread(documents.height, CONSIDERED)]


def spread(total: int, count: int) -> list[int]:
    """`count` of the numbers below `total`, evenly spread, the first among them; all where there are no more."""
    if total <= count:
        return list(range(total))
    return [i * total // count for i in range(count)]


def _count(shown: int, of: int, first: str = "") -> str:
    if shown == of:
        return f"{first}{of:,} row{'s' if of != 1 else ''}" if first else f"{of:,} row{'s' if of != 1 else ''}"
    return f"{shown:,} spread over the {first}{of:,} rows"
