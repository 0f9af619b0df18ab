"""`decontaminate`: drop, or only name, records that hold rows of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
import polars as pl
import xxhash

from instructkit.contamination.evidence import evidence
from instructkit.contamination.index import Hits, Index
from instructkit.contamination.judge import judged
from instructkit.contamination.literals import literal_texts
from instructkit.contamination.matches import MATCH, Void, matches
from instructkit.contamination.rarity import weights
from instructkit.contamination.rows import Settings, turns
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import InputPath, Outcome, project_path
from instructkit.stages.drops import sort_out
from instructkit.stages.ingest.evaluations import Evaluation, evaluation_files, evaluation_rows, listed, said_columns
from instructkit.text.normalise import Ignorable

ROW = pl.Struct(
    {
        "row": pl.Int64(),
        "file": pl.String(),
        "line": pl.Int64(),
        "id": pl.String(),
        "part": pl.String(),
        "score": pl.Float64(),
    }
)
"""A row of an evaluation that a record holds; `row` is its number through all files."""

DECISION = pl.Schema(
    {
        "id": pl.String(),
        "rule": pl.String(),
        "score": pl.Float64(),
        "part": pl.String(),
        "evaluation_file": pl.String(),
        "evaluation_line": pl.Int64(),
        "evaluation_id": pl.String(),
        "here": pl.String(),
        "there": pl.String(),
        "cut": pl.Boolean(),
        "evaluation_rows": pl.List(ROW),
    }
)
"""A row for each record that holds one of an evaluation. `rule`: null for one that holds passages only and may stay.
`score` to `there` are about the row that is found best; `here` and `there` are the two texts, null where so many
records are contaminated that to keep them would cost too much, `cut` where one of them goes on. `evaluation_rows`: all
that are found in the record."""

MOST_EVIDENCE = 50_000
"""Records whose evidence a decision keeps, the first ones by id: 200 million characters at most."""
TEXTS_AT_ONCE = 2_000
RECORDS_AT_ONCE = 50_000
HITS_AT_ONCE = 20_000_000
"""Whose groups are counted together: some 40 bytes each meanwhile."""
DETAIL_CHARACTERS = 120
"""Of either text that the detail of a drop shows."""

SKETCH = pl.Schema(
    {
        "group": pl.UInt64(),
        "id": pl.String(),
        "template": pl.String(),
        "template_hash": pl.String(),
        "grams": pl.List(pl.UInt32()),
        "positions": pl.List(pl.UInt32()),
        "turns": pl.List(pl.UInt32()),
    }
)
"""A row for each record; all but `group` (its hash) is null where no n-gram of an evaluation stands in it. `grams`,
`positions` and `turns` are `Hits` without the record."""


@dataclass(frozen=True, kw_only=True)
class Decontaminate:
    """Drop records that hold rows of an evaluation: its prompts, its answers, or both.

    Word n-grams of the evaluation are looked up in each record, weighed by rarity, and put together to the rows that
    they stem from: the score is the weight of a row's words that a record holds, over that of all its words. A prompt
    counts with its answer, or alone if `min_prompt_words` of it are there or it is all that somebody says; an answer
    alone if it is long. Case, punctuation and white space do not count, a changed word or number costs its own weight,
    and a row is found wherever in a longer text it stands. Rewording and translation are not found.

    What many groups of the corpus share (templates, system prompts, identities, licences), what many rows of the
    evaluation share, and what a record's own template says has no weight: it is no contamination, and it hides none.

    Each drop names file and line of the evaluation row and shows both texts; `instructkit why ID` shows them side by
    side, `instructkit show STEP --contaminated` lists the rows of the evaluation that were found.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None
    packages: ClassVar[tuple[str, ...]] = ("numpy", "xxhash", "orjson", "pyarrow", "jinja2")

    against: InputPath | Evaluation | list[InputPath | Evaluation]
    """The evaluations: files, folders or globs (JSON Lines, JSON, CSV, Parquet, arrow, a folder as the hub lays it out
    or `save_to_disk` writes it, a build), or a list of these. Columns are found by their usual names (prompt, question,
    instruction, problem …; answer, answers, output, solution …; context, passage …) or as a conversation; or name them:
    `{path: eval/squad, prompt: question, answer: answers.text, passage: context}`. The plan says what was taken. A
    change of the files' content decides anew."""
    mode: Literal["drop", "report"] = "drop"
    """`drop`: contaminated records go no further. `report`: they stay, and can be looked at in the same ways."""
    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    """Least score at which a record is contaminated. Source of the default: allenai/decon, whose score is made of the
    same things."""
    ngram: Annotated[int, msgspec.Meta(ge=2, le=20)] = 5
    """Words in an n-gram, as in allenai/decon (Tülu 3 took 8, GPT-3 13). Fewer bear edits that stand closer together,
    and take more time. In scripts written without spaces a character is a word."""
    ignore: tuple[Ignorable, ...] = ("case", "punctuation", "whitespace")
    """Differences that do not count, as in `dedupe.minhash`: also `digits` and `diacritics`. Digits count by default: a
    sum with other numbers is another sum, as long as it differs in more than one or two of them."""
    common: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.002
    """Share of the corpus's groups from which on an n-gram says nothing; below that it weighs the less the more groups
    have it. At least 20 groups, so that a row that leaked into a small corpus a dozen times is still found."""
    min_prompt_words: Annotated[int, msgspec.Meta(ge=1)] = 8
    """Words of a prompt (not counting common ones) that must be found for it to count without its answer. Shorter ones
    count together with their answer, however short that is, or where they are all that a message or document says."""
    min_answer_words: Annotated[int, msgspec.Meta(ge=1)] = 20
    """Words of an answer, or of a passage, that must be found for it to count alone; of an answer that is all that a
    message or document says `min_prompt_words` do."""
    passages: bool = False
    """Whether a record that holds the passage of a row, and neither its prompt nor its answer, is contaminated as well
    (rule `contaminated_passage`). Passages are mostly public text, so by default such rows are only listed."""

    def faults(self) -> list[str]:
        """Nothing to compare with."""
        return [] if self.against else ["against: an empty list names no evaluation; give at least one"]

    @property
    def settings(self) -> Settings:
        """What the engine is told."""
        return Settings(
            ngram=self.ngram,
            ignore=self.ignore,
            threshold=self.threshold,
            common=self.common,
            min_prompt_words=self.min_prompt_words,
            min_answer_words=self.min_answer_words,
        )

    def keyed_inputs(self, root: Path) -> dict[str, Any]:
        """Names and contents of the evaluations' files, and the columns that are named.

        Raises InputError where a path gives no file.
        """
        files = evaluation_files(listed(self.against), root)
        return {"against": [[file.name, file.digest, file.kind, each.named] for each, file in files]}

    def outlook(self, records: pl.LazyFrame | None) -> list[str]:
        """What was taken from each evaluation, and how many of its rows can only be found together with an answer."""
        evaluations, root = self._evaluations()
        lines = []
        for each in evaluations:
            files = evaluation_files([each], root)
            rows = evaluation_rows(files)
            index = Index.of(rows, self.ngram, self.ignore)
            uses = index.uses.with_columns(units=index.units[index.uses["segment"].to_numpy()])
            long = uses.filter(
                ((pl.col("part") == "prompt") & (pl.col("units") >= self.min_prompt_words))
                | ((pl.col("part") == "answer") & (pl.col("units") >= self.min_answer_words))
            )["row"].n_unique()
            said = f"against {each.path}: {rows.height:,} rows ({said_columns(*files[0])})"
            short = rows.height - long
            lines.append(f"{said}; {short:,} are short, found with their answer or as a whole text" if short else said)
        return lines

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """The group's hash of each record (8 bytes), and 12 bytes for each n-gram of it that an evaluation has too."""
        hits = self._index().hits(shard.select(turns(shard).alias("turns")).to_series())
        per_record = pl.DataFrame(
            {
                "record": hits.record,
                "grams": hits.gram.astype(np.uint32),
                "positions": hits.position.astype(np.uint32),
                "turns": hits.turn.astype(np.uint32),
            }
        )
        found = per_record.group_by("record", maintain_order=True).agg("grams", "positions", "turns")
        names = [name for name in ("template", "template_hash") if name in shard.columns]
        known = shard.select("id", *names).with_row_index("record").with_columns(pl.col("record").cast(pl.Int64))
        known = known.join(found, on="record", maintain_order="left").drop("record")
        groups = shard.select(group=pl.col("group").map_batches(_hashes, return_dtype=pl.UInt64))
        with_hits = np.unique(hits.record)
        sketch = pl.concat(
            [
                pl.DataFrame(schema=SKETCH),
                known.with_columns(groups.to_series().gather(with_hits)),
                groups.with_row_index().filter(~pl.col("index").is_in(with_hits)).select("group"),
            ],
            how="diagonal",
        )
        return sketch.select(SKETCH.names())

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The records that hold rows of an evaluation, as `DECISION`.

        Memory: the evaluation's index, 8 bytes a record, what some ten thousand records share with the evaluation, and
        the texts of some thousand contaminated records at a time.
        Raises InputError when an evaluation cannot be read.
        """
        index = self._index()
        groups = sketches.select(pl.col("group").n_unique()).collect().item()
        weighed = weights(index, _groups_with(sketches, len(index.grams)), groups, self.common)
        ids, found = self._matches(index, weighed, sketches)

        def turns_of(wanted: list[int]) -> pl.DataFrame:
            named = pl.DataFrame({"record": wanted, "id": ids.gather(wanted)})
            rows = records.join(named.lazy(), on="id")
            return rows.select("record", turns(records).alias("turns")).collect()

        findings = judged(index, found, self.settings, turns_of)
        return self._decision(index, findings, ids, turns_of)

    def _matches(self, index: Index, weighed: Any, sketches: pl.LazyFrame) -> tuple[pl.Series, pl.DataFrame]:
        """What stands in which record, as `MATCH`, and the ids of those records by their numbers there."""
        ids, found, count = [pl.Series(dtype=pl.String)], [pl.DataFrame(schema=MATCH)], 0
        held = sketches.filter(pl.col("id").is_not_null())
        for some in held.collect_batches(chunk_size=RECORDS_AT_ONCE, maintain_order=False):
            record = np.repeat(np.arange(some.height), some["grams"].list.len().to_numpy().astype(np.int64))
            hits = Hits(record, *(_flat(some[name]) for name in ("positions", "turns", "grams")))
            here = matches(index, hits, weighed, self.threshold, self._void(some, index))
            holders = here["record"].unique().sort()
            ids.append(some["id"].gather(holders))
            numbers = pl.int_range(count, count + len(holders), eager=True)
            found.append(
                here.with_columns(record=pl.col("record").replace_strict(holders, numbers, return_dtype=pl.Int64))
            )
            count += len(holders)
        return pl.concat(ids), pl.concat(found)

    def _decision(self, index: Index, findings: pl.DataFrame, ids: pl.Series, turns_of: Any) -> pl.DataFrame:
        rows = index.rows.with_row_index("row").select(pl.col("row").cast(pl.Int64), "file", "line", "id")
        told = findings.join(rows, on="row", maintain_order="left").with_columns(
            # Whoever holds more than a passage is contaminated for that, however well the passage is found.
            only_passage=pl.col("part") == "passage"
        )
        told = told.sort("record", "only_passage", maintain_order=True)
        best = told.unique("record", keep="first", maintain_order=True)
        everything = told.group_by("record", maintain_order=True).agg(
            evaluation_rows=pl.struct([pl.col(field.name) for field in ROW.fields])
        )
        best = best.join(everything, on="record", maintain_order="left")
        passage = pl.lit("contaminated_passage" if self.passages else None, dtype=pl.String)
        shown = pl.DataFrame(
            list(self._evidence(index, best, turns_of)),
            schema={"record": pl.Int64, "here": pl.String, "there": pl.String, "cut": pl.Boolean},
            orient="row",
        )
        decision = best.join(shown, on="record", how="left", maintain_order="left").select(
            id=ids.gather(best["record"]) if best.height else pl.lit(None, dtype=pl.String),
            rule=pl.when("only_passage").then(passage).otherwise(pl.lit("contaminated")),
            score="score",
            part="part",
            evaluation_file="file",
            evaluation_line="line",
            evaluation_id="id",
            here="here",
            there="there",
            cut="cut",
            evaluation_rows="evaluation_rows",
        )
        return decision.select([pl.col(name).cast(dtype) for name, dtype in DECISION.items()]).sort("id")

    def _evidence(self, index: Index, best: pl.DataFrame, turns_of: Any) -> Iterator[tuple[int, str, str, bool]]:
        for some in best.head(MOST_EVIDENCE).iter_slices(TEXTS_AT_ONCE):
            texts = dict(turns_of(some["record"].to_list()).iter_rows())
            for each in some.iter_rows(named=True):
                found = range(each["first"], each["last"])
                said = texts[each["record"]]
                shown = evidence(
                    index, said, each["row"], each["part"], each["segment"], found, whole=each["score"] == 1
                )
                yield each["record"], shown.here, shown.there, shown.cut

    def apply(self, shard: pl.DataFrame, decision: pl.DataFrame) -> Outcome:
        """Drops with rule `contaminated` or `contaminated_passage`: the score, where the row of the evaluation stands,
        what of it was found, and the beginnings of both texts.
        """
        found = shard.select("id").join(decision, on="id", how="left", maintain_order="left")
        if self.mode == "report":
            found = found.with_columns(rule=pl.lit(None, dtype=pl.String))
        part = pl.col("part").replace({"both": "prompt and answer"})
        place = pl.coalesce(pl.format("{}:{}", "evaluation_file", "evaluation_line"), "evaluation_file")
        where = pl.coalesce(pl.format("{} ('{}')", place, "evaluation_id"), place)
        beside = pl.format("; here: {} | there: {}", _beginning("here"), _beginning("there"))
        verdict = found.select(
            rule="rule",
            value=pl.col("score").round(4).cast(pl.String),
            threshold=pl.lit(f"{self.threshold:g}"),
            detail=pl.format("{} of {}{}", part, where, beside.fill_null("")),
        )
        return sort_out(shard, verdict)

    def _evaluations(self) -> tuple[list[Evaluation], Path]:
        """The evaluations as the recipe names them, and the project's folder."""
        evaluations = listed(self.against)
        root, paths = project_path([each.path for each in evaluations])
        return [
            Evaluation(path=path, prompt=each.prompt, answer=each.answer, passage=each.passage)
            for each, path in zip(evaluations, paths, strict=True)
        ], root

    def _index(self) -> Index:
        evaluations, root = self._evaluations()
        files = evaluation_files(evaluations, root)
        states = tuple((str(file.path), (state := file.path.stat()).st_size, state.st_mtime_ns) for _, file in files)
        return _made_index(tuple(evaluations), root, self.ngram, self.ignore, states)

    def _void(self, held: pl.DataFrame, index: Index) -> Void | None:
        """N-grams of the templates' own text, for the records that they rendered."""
        _, root = self._evaluations()
        templates = held.select("template", "template_hash").unique().drop_nulls().sort("template", "template_hash")
        if not templates.height:
            return None
        grams = [
            index.numbers(pl.Series(literal_texts(name, template_hash, root), dtype=pl.String))
            for name, template_hash in templates.iter_rows()
        ]
        numbers = templates.with_columns(number=pl.int_range(pl.len(), dtype=pl.Int64))
        own = held.join(numbers, on=["template", "template_hash"], how="left", maintain_order="left")["number"]
        return Void.of(own.fill_null(-1).to_numpy(), grams, len(index.grams))


@lru_cache(maxsize=2)
def _made_index(
    evaluations: tuple[Evaluation, ...], root: Path, ngram: int, ignore: tuple[Ignorable, ...], states: tuple[Any, ...]
) -> Index:
    """The index, once a process for all shards; `states` tell that the files are still the same."""
    return Index.of(evaluation_rows(evaluation_files(evaluations, root)), ngram, ignore)


def _groups_with(sketches: pl.LazyFrame, grams: int) -> Any:
    """Groups that have each n-gram. The n-grams in turns, where there are very many hits."""
    result = np.zeros(grams, dtype=np.int64)
    hits = sketches.select(pl.col("grams").list.len().sum()).collect().item()
    turns_taken = hits // HITS_AT_ONCE + 1
    pairs = sketches.select("group", "grams").explode("grams").drop_nulls()
    for turn in range(turns_taken):
        some = pairs.filter(pl.col("grams") % turns_taken == turn).unique()
        counted = some.group_by("grams").len().collect(engine="streaming")
        result[counted["grams"].to_numpy()] = counted["len"].to_numpy()
    return result


def _hashes(groups: pl.Series) -> pl.Series:
    return pl.Series(
        [xxhash.xxh3_64_intdigest(group.encode("utf-8", "surrogatepass")) for group in groups], dtype=pl.UInt64
    )


def _flat(lists: pl.Series) -> Any:
    return lists.explode(empty_as_null=False, keep_nulls=False).cast(pl.Int64).to_numpy()


def _beginning(name: str) -> pl.Expr:
    """A text's first characters on one line, in quotes."""
    flat = pl.col(name).str.replace_all(r"\s+", " ")
    short = pl.when(flat.str.len_chars() > DETAIL_CHARACTERS).then(pl.format("{}…", flat.str.head(DETAIL_CHARACTERS)))
    return pl.format("“{}”", short.otherwise(flat))
