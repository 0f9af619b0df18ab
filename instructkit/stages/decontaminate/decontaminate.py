"""`decontaminate`: drop, or only name, records that hold rows of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import polars as pl

from instructkit.contamination.index import Index
from instructkit.contamination.judge import judged
from instructkit.contamination.rarity import weights
from instructkit.contamination.rows import Settings, turns
from instructkit.schema import Document, Example, Noun
from instructkit.stages.contract import InputPath, Outcome, project_path
from instructkit.stages.decontaminate.decision import decision_of
from instructkit.stages.decontaminate.sketched import groups_in, matches_in, sketched
from instructkit.stages.drops import sort_out
from instructkit.stages.ingest.dataset import DatasetFile
from instructkit.stages.ingest.evaluations import Evaluation, evaluation_files, evaluation_rows, listed, said_columns
from instructkit.text.normalise import Ignorable

DETAIL_CHARACTERS = 120
"""Of either text that the detail of a drop shows."""
MOST_FILES = 3
"""That the outlook names of those with the same columns."""


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
    Only a prompt of 20 words or more, of one row and not of a template, counts wherever it stands word for word: a leak
    into very many groups does not pass for what is common.

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
        """What was taken from each evaluation, and how many of its rows can only be found together with an answer: a
        line for each set of columns that its files have.
        """
        evaluations, root = self._evaluations()
        lines = []
        for each in evaluations:
            files = evaluation_files([each], root)
            alike: dict[str, list[tuple[Evaluation, DatasetFile]]] = {}
            for evaluation, file in files:
                alike.setdefault(said_columns(evaluation, file), []).append((evaluation, file))
            for columns, some in alike.items():
                place = each.path if len(alike) == 1 else f"{each.path} ({_named_files(some)})"
                lines.append(f"against {place}: {self._said(evaluation_rows(some), columns)}")
        return lines

    def _said(self, rows: pl.DataFrame, columns: str) -> str:
        """`120 rows (prompt from question); no answers found; 3 are short, …`."""
        index = Index.of(rows, self.ngram, self.ignore)
        uses = index.uses.with_columns(units=index.units[index.uses["segment"].to_numpy()])
        long = uses.filter(
            ((pl.col("part") == "prompt") & (pl.col("units") >= self.min_prompt_words))
            | ((pl.col("part") == "answer") & (pl.col("units") >= self.min_answer_words))
        )["row"].n_unique()
        unanswered = int((rows["answers"].list.len() == 0).sum())
        said = [f"{rows.height:,} rows ({columns})"]
        if unanswered:
            said.append("no answers found" if unanswered == rows.height else f"no answer found in {unanswered:,}")
        if short := rows.height - long:
            said.append(f"{short:,} are short, found with their answer or as a whole text")
        return "; ".join(said)

    def sketch(self, shard: pl.DataFrame) -> pl.DataFrame:
        """The group's hash of each record (8 bytes), and 12 bytes for each n-gram of it that an evaluation has too."""
        return sketched(self._index(), shard)

    def decide(self, sketches: pl.LazyFrame, records: pl.LazyFrame) -> pl.DataFrame:
        """The records that hold rows of an evaluation, as `DECISION`.

        Memory: the evaluation's index, 8 bytes a record, what some ten thousand records share with the evaluation, and
        the texts of some thousand contaminated records at a time.
        Raises InputError when an evaluation cannot be read.
        """
        index = self._index()
        _, root = self._evaluations()
        weighed = weights(index, *groups_in(sketches, len(index.grams)), self.common)
        found, ids = matches_in(index, weighed, sketches, self.threshold, root)

        def turns_of(wanted: list[int]) -> pl.DataFrame:
            named = pl.DataFrame({"record": wanted, "id": ids.gather(wanted)})
            rows = records.join(named.lazy(), on="id")
            return rows.select("record", turns(records).alias("turns")).collect()

        findings = judged(index, found, self.settings, turns_of)
        return decision_of(index, findings, ids, records, self.passages)

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


def _named_files(files: list[tuple[Evaluation, DatasetFile]]) -> str:
    """`gsm8k.jsonl, arc.jsonl and 3 more`."""
    names = [PurePosixPath(file.name).name for _, file in files]
    more = f" and {len(names) - MOST_FILES:,} more" if len(names) > MOST_FILES else ""
    return ", ".join(names[:MOST_FILES]) + more


@lru_cache(maxsize=2)
def _made_index(
    evaluations: tuple[Evaluation, ...], root: Path, ngram: int, ignore: tuple[Ignorable, ...], states: tuple[Any, ...]
) -> Index:
    """The index, once a process for all shards; `states` tell that the files are still the same."""
    return Index.of(evaluation_rows(evaluation_files(evaluations, root)), ngram, ignore)


def _beginning(name: str) -> pl.Expr:
    """A text's first characters on one line, in quotes."""
    flat = pl.col(name).str.replace_all(r"\s+", " ")
    short = pl.when(flat.str.len_chars() > DETAIL_CHARACTERS).then(pl.format("{}…", flat.str.head(DETAIL_CHARACTERS)))
    return pl.format("“{}”", short.otherwise(flat))
