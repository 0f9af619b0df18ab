"""What a build of ours tells about the rows that it exported: which words are a template's, and which are exemplars'.

Used to look at the right words, never to excuse a row: a row is compared without the exemplars shown in front of it,
and without its template's literal text, and its own words are compared whatever group they are said to be of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import polars as pl
from jinja2 import Environment, TemplateError, nodes

from instructkit.build.manifest import Build
from instructkit.schema import Example, columns
from instructkit.stages.render.exemplars import POOL, read_pool
from instructkit.templates.head import read_head
from instructkit.templates.phrasings import MARK
from instructkit.text.view import BETWEEN

KNOWN = ("group", "source", "template", "template_hash", "task", "language", "document_ids", "exemplar_ids")
"""Columns that a row of an export may lack, and that the step it was exported from has."""


PHRASING = re.compile(r"\{\{[-+]?\s*" + MARK + r"\s*[-+]?\}\}")


class Shown(NamedTuple):
    """An exemplar as a template showed it: the contents of its turns, and what stands between them as text."""

    contents: tuple[str, ...]
    separator: str


class Lineage:
    """What is known of a dataset's rows beside themselves: of a build's export all, of others nothing."""

    def __init__(self, build: Build | None = None, step: str | None = None) -> None:
        """`step`: the export that is looked at, or the step of rows, or the one that files elsewhere were made of."""
        self.build, self._step = build, step

    @cached_property
    def literals(self) -> list[str]:
        """Literal texts of the templates that the build's examples were rendered with."""
        sources = {
            (name, source)
            for entry in (self.build.manifest.steps.values() if self.build else ())
            for run in entry.runs
            if isinstance(run.fields.get("sources"), dict)
            for name, source in run.fields["sources"].items()
        }
        return sorted({text for name, source in sources for text in _literals(name, source) if text.strip()})

    @cached_property
    def exemplars(self) -> dict[tuple[str, str], list[Shown]]:
        """By template and document: as what the document was shown, one for each wording."""
        found: dict[tuple[str, str], list[Shown]] = {}
        for entry in self.build.manifest.steps.values() if self.build else ():
            for run in entry.runs:
                pools = [ref for call in run.calls if call.verb == "decide" for ref in call.kept]
                if run.template is None or "shots" not in run.fields:
                    continue
                assert self.build is not None
                for pool in (self.build.store.get_shard(ref) for ref in pools):
                    for exemplar in read_pool(pool) if pool.columns == POOL.names() else ():
                        contents = tuple(t.content for t in exemplar.rendered.turns if t.role != "system")
                        shown = Shown(contents, run.fields.get("separator") or "\n\n")
                        found.setdefault((run.template, exemplar.id), []).append(shown)
        return found

    @cached_property
    def _rows(self) -> pl.DataFrame | None:
        if self.build is None or self._step is None:
            return None
        step = self.build.step(self._step)
        steps = step.upstream if step.noun is None else [self._step]
        return pl.concat([_known(self.build.rows(name)) for name in steps]).collect()

    @property
    def is_ours(self) -> bool:
        """Whether the rows are a build's, which give the ids of records and documents and their groups."""
        return self.build is not None

    def known(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows (columns of `ROWS`) with what the build knows of each by its id, where they do not say it."""
        if self._rows is None or rows["format"].eq("instructkit").all():
            return rows
        there = self._rows.select("id", *(pl.col(name).alias(f"{name}_known") for name in KNOWN))
        joined = rows.join(there, on="id", how="left", maintain_order="left")
        filled = [pl.coalesce(name, f"{name}_known").alias(name) for name in KNOWN]
        return joined.with_columns(filled).select(rows.columns)

    def own(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows with `prompt` and `response` of their own question and answer: without what the system says (unless
        it is all that is asked), without exemplars, with tool calls.

        Exemplars are taken away where they stand as the build showed them, from the front; of examples whose build is
        not here, earlier turns that are not trained on.
        """
        message = pl.element()
        role = message.struct.field("role")
        asked = pl.col("messages").list.eval(message.filter(~role.is_in(["assistant", "system"])))
        contents = asked.list.eval(message.struct.field("content")).list.join(BETWEEN, ignore_nulls=True)
        calls = pl.col("messages").list.eval(message.struct.field("tool_calls")).list.drop_nulls()
        rows = rows.with_columns(
            prompt=pl.when(asked.list.len() > 0).then(contents).otherwise("prompt"),
            response=pl.when(calls.list.len() > 0)
            .then(pl.col("response") + BETWEEN + calls.list.join(BETWEEN))
            .otherwise("response"),
        )
        few_shot = rows["exemplar_ids"].list.len().fill_null(0) > 0
        if not few_shot.any():
            return rows
        places = few_shot.arg_true()
        prompts, responses = rows["prompt"].to_list(), rows["response"].to_list()
        some = rows.select("messages", "template", "exemplar_ids")[places]
        for place, (messages, template, ids) in zip(places.to_list(), some.iter_rows(), strict=True):
            own = self._without(messages, template or "", ids)
            prompts[place] = BETWEEN.join(m["content"] for m in own if m["role"] != "assistant")
            said = (text for m in own if m["role"] == "assistant" for text in (m["content"], m["tool_calls"]) if text)
            responses[place] = BETWEEN.join(said)
        return rows.with_columns(
            prompt=pl.Series(prompts, dtype=pl.String), response=pl.Series(responses, dtype=pl.String)
        )

    def _without(self, messages: list[dict[str, Any]], template: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Messages without the exemplars in front, and without the system's."""
        rest = [message for message in messages if message["role"] != "system"]
        if not self.exemplars:
            untrained = [n for n, m in enumerate(rest) if m["role"] == "assistant" and m["weight"] == 0]
            return rest[untrained[-1] + 1 :] if untrained and untrained[-1] + 1 < len(rest) else rest
        for name in ids:
            for shown in self.exemplars.get((template, name), ()):
                count = len(shown.contents)
                if tuple(m["content"] for m in rest[:count]) == shown.contents and len(rest) > count:
                    rest = rest[count:]
                    break
                text = shown.separator.join(shown.contents) + shown.separator
                if rest and rest[0]["content"].startswith(text):
                    rest = [{**rest[0], "content": rest[0]["content"][len(text) :]}, *rest[1:]]
                    break
        return rest


def _known(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The columns of `KNOWN`, null where the rows (of documents) have none of the name."""
    there = rows.collect_schema().names()
    missing = [pl.lit(None, dtype=columns(Example)[name]).alias(name) for name in KNOWN if name not in there]
    return rows.with_columns(missing).select("id", *KNOWN)


def _literals(name: str, source: str) -> Iterator[str]:
    """The texts of a template that stand in what it renders: between its expressions, and in their strings.

    A wording is set in where it goes, so that the words before and behind it are one text with it.
    """
    head = read_head(source, name)
    for wording in head.wordings or (None,):
        text = head.body if wording is None else PHRASING.sub(lambda _, w=wording: w.text, head.body)  # type: ignore[misc]
        try:
            tree = Environment().parse(text)
        except TemplateError:  # it was rendered once; of another version's syntax nothing is taken away
            continue
        yield from (part.data for part in tree.find_all(nodes.TemplateData))
        yield from (part.value for part in tree.find_all(nodes.Const) if isinstance(part.value, str))
