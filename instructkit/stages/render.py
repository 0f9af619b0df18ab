"""`render`: documents become examples, one example per document and template.

render  {templates: [python/*]}          a recipe step
  ├── RenderTemplate python/explain_function     a shard stage for each template, keyed by the template's
  ├── RenderTemplate python/write_docstring      own text and all that it imports: an edited template
  └── …                                          renders its own examples anew, and no others
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import polars as pl

from instructkit.errors import StageError
from instructkit.hashing import canonical_json, record_hash
from instructkit.schema import Document, Drop, Example, Message, Noun, columns, empty
from instructkit.stages.contract import Outcome
from instructkit.templates.library import find_templates, template_folders
from instructkit.templates.rendering import OF_THE_DOCUMENT, Compiled, compiled
from instructkit.templates.turns import Refusal, Rendered, Turn


@dataclass(frozen=True, kw_only=True)
class RenderTemplate:
    """Render each document with one template. A recipe says `render`; this is what it unfolds into."""

    version: ClassVar[int] = 3
    reads: ClassVar[tuple[Noun, ...]] = (Document,)
    yields: ClassVar[Noun | None] = Example

    template: str
    """Name of the template: its path in the template folder, without `.jinja`."""
    template_hash: str
    """Content hash of the template and of everything it imports; stands on every example."""
    sources: dict[str, str]
    """Text of the template and of everything it imports, by path in the template folder: no worker reads a file."""
    seed: int = 0
    """Seed of `choice`, `shuffle` and `sample` in the template."""

    @property
    def packages(self) -> tuple[str, ...]:
        """Jinja, and what checks arguments of tools where the template may have any."""
        return ("jinja2", "jsonschema") if "tools:" in self.sources[f"{self.template}.jinja"] else ("jinja2",)

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """One example or one drop for each document, in the documents' order."""
        template = compiled(self.template, self.sources)
        ids = (shard["id"] + f"/{self.template}").to_list() if shard.height else []
        batches: dict[tuple[str, ...], _Batch] = {}
        refused: list[tuple[int, Refusal]] = []
        for i, row in enumerate(_rows(template, shard)):
            result = template.render(row, ids[i], self.seed)
            if isinstance(result, Refusal):
                refused.append((i, result))
            else:
                roles = tuple([turn.role for turn in result.turns])
                if roles not in batches:
                    batches[roles] = _Batch(roles)
                batches[roles].add(i, result)
        # One frame for each sequence of roles (most templates have one), then back into the documents' order.
        parts = [self._examples(shard, template, batch) for batch in batches.values()]
        examples = pl.concat(parts) if parts else empty(Example)
        if len(parts) > 1:
            examples = examples[pl.Series([i for batch in batches.values() for i in batch.rows]).arg_sort()]
        return Outcome(examples, self._drops(shard, refused))

    def _examples(self, shard: pl.DataFrame, template: Compiled, batch: _Batch) -> pl.DataFrame:
        source = shard[batch.rows].with_columns(
            pl.Series("content_hash", batch.hashes, dtype=pl.String),
            pl.Series("tools", batch.tools, dtype=pl.String),
            pl.Series("variant", batch.variants, dtype=pl.String),
            messages=batch.messages(),
        )
        made: dict[str, pl.Expr] = {
            "id": pl.col("id") + f"/{self.template}",
            "content_hash": pl.col("content_hash"),
            "messages": pl.col("messages"),
            "tools": pl.col("tools"),
            "variant": pl.col("variant"),
            "document_ids": pl.concat_list("id"),
            "exemplar_ids": pl.lit([], dtype=pl.List(pl.String)),
            "template": pl.lit(self.template),
            "template_hash": pl.lit(self.template_hash),
            "task": pl.lit(template.template.front.task),
            "weight": pl.lit(1.0),
            "repeats": pl.lit(1.0),
            "meta": pl.lit("{}"),
        }
        inherited = ("source", "origin", "language", "group", "split")
        return source.select(
            (made[name] if name in made else pl.col(name) if name in inherited else pl.lit(None))
            .cast(dtype)
            .alias(name)
            for name, dtype in columns(Example).items()
        )

    def _drops(self, shard: pl.DataFrame, refused: list[tuple[int, Refusal]]) -> pl.DataFrame:
        source = shard[[i for i, _ in refused]]
        reasons = pl.DataFrame(
            [refusal for _, refusal in refused],
            schema=dict.fromkeys(("rule", "value", "threshold", "detail"), pl.String),
            orient="row",
        )
        known = {"id": source["id"], "origin": source["origin"], **reasons.to_dict()}
        return pl.DataFrame(
            {
                name: known[name].cast(dtype)
                if name in known
                else pl.Series([self.template if name == "template" else None] * len(refused), dtype=dtype)
                for name, dtype in columns(Drop).items()
            }
        )


@dataclass(frozen=True, kw_only=True)
class Render:
    """Make examples of documents with templates: one example for each document and template, or a drop with its reason.

    The rules of the drops: `missing_input` (the document lacks what the template reads), `wrong_type`,
    `not_applicable` (a condition around all blocks of the template does not hold), `empty_answer`,
    `empty_message`, `not_a_choice` (the answer is not among the options), `bad_tools` (the document's own
    definitions are faulty), `bad_tool_call` (an unknown tool, or arguments that do not fit), `output_too_long`,
    `template_error`.
    """

    version: ClassVar[int] = 3
    reads: ClassVar[tuple[Noun, ...]] = (Document,)
    yields: ClassVar[Noun | None] = Example
    packages: ClassVar[tuple[str, ...]] = ("jinja2",)

    templates: Annotated[list[str], msgspec.Meta(min_length=1)] = field(default_factory=list)
    """Names (`python/explain_function`) or globs (`python/*`) of templates; those in the project's `templates/` folder
    stand before the shipped ones of the same name. Every document is rendered with every template."""
    seed: int = 0
    """Seed of `choice`, `shuffle` and `sample` in the templates; the recipe's seed when not set."""

    def faults(self) -> list[str]:
        """What is wrong with the fields taken together."""
        return [] if self.templates else ["templates: name at least one template, such as python/*"]

    def unfold(self, root: Path) -> list[RenderTemplate]:
        """A shard stage for each template. `root` is the project folder.

        Raises TemplateFault with every fault of every template, and for each pattern that matches nothing.
        """
        return [
            RenderTemplate(template=t.name, template_hash=t.hash, sources=t.sources, seed=self.seed)
            for t in find_templates(self.templates, template_folders(root))
        ]


def _rows(template: Compiled, shard: pl.DataFrame) -> Any:
    """The variables of each row: only what the template reads is taken out of the JSON."""
    of_fields = [name for name, _ in template.declared if name not in OF_THE_DOCUMENT]
    of_document = [name for name, _ in template.declared if name in OF_THE_DOCUMENT]
    given = [shard[name].to_list() for name in of_document]
    if not of_fields:
        yield from (dict(zip(of_document, values, strict=True)) for values in zip(*given, strict=True))
        return
    slots: list[Any] = [(f"f{i}", Any, None) for i in range(len(of_fields))]
    wanted = msgspec.defstruct("Fields", slots, rename={f"f{i}": name for i, name in enumerate(of_fields)})
    decode, as_tuple = msgspec.json.Decoder(wanted).decode, msgspec.structs.astuple
    names = [*of_fields, *of_document]
    for i, (text, *values) in enumerate(zip(shard["fields"].to_list(), *given, strict=True)):
        try:
            found = as_tuple(decode(text or "{}"))
        except msgspec.DecodeError as error:
            raise StageError(f"document {shard['id'][i]}: fields are not a JSON object ({error})") from None
        yield dict(zip(names, (*found, *values), strict=True))


class _Batch:
    """Rendered rows whose messages have the same roles, kept flat: a list for each row would busy the collector."""

    def __init__(self, roles: tuple[str, ...]) -> None:
        self.roles = roles
        self.rows: list[int] = []
        """Row numbers in the shard."""
        self.turns: list[Turn] = []
        """Of all rows, one after the other."""
        self.hashes: list[str] = []
        """`text.conversation.content_hash` of each row."""
        self.tools: list[str | None] = []
        self.variants: list[str | None] = []

    def add(self, row: int, rendered: Rendered) -> None:
        """Append a row's messages and hash them."""
        self.rows.append(row)
        self.turns += rendered.turns
        spoken = [
            {name: value for name, value in zip(Turn._fields, turn, strict=True) if value is not None}
            for turn in rendered.turns
        ]
        tools = [rendered.tools] if rendered.tools else []
        self.hashes.append(record_hash(canonical_json(spoken), *tools))
        self.tools.append(rendered.tools)
        self.variants.append(rendered.variant)

    def messages(self) -> pl.Series:
        """The column of messages."""
        # All messages in one flat column, then cut into rows of equal length: a tenth of the time of `pl.concat_list`.
        said = columns(Message)
        flat = pl.DataFrame(
            [
                pl.Series(name, values, said[name])
                for name, values in zip(Turn._fields, zip(*self.turns, strict=True), strict=True)
            ]
        )
        fields = [
            pl.col(name) if name in flat.columns else pl.lit(None, dtype=dtype).alias(name)
            for name, dtype in said.items()
        ]
        cut = pl.struct(fields).alias("messages").reshape((len(self.rows), len(self.roles))).arr.to_list()
        return flat.select(cut.cast(columns(Example)["messages"])).to_series()
