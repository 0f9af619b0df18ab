"""`clean.text`: repair the text of documents, or the messages of examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import polars as pl

from instructkit.errors import did_you_mean
from instructkit.schema import Document, Example, Noun, records
from instructkit.stages.clean.rules import fix_mojibake, single_spaces, tidy_lines, without_controls, without_words
from instructkit.stages.contract import Outcome
from instructkit.stages.drops import sort_out
from instructkit.text.conversation import content_hash

ROUNDS = 8
"""A repair may uncover another (a removed control character may complete a mojibake); so cleaning is repeated on what
it changed until nothing changes, which makes cleaning twice the same as cleaning once."""

UNSPACED_LANGUAGES = {"ja", "km", "lo", "my", "th", "zh"}


@dataclass(frozen=True, kw_only=True)
class CleanText:
    """Repair text: wrong decoding, Unicode forms, control characters, loose white space.

    On examples the contents of messages are cleaned, and the content hash follows. Ids and groups never change. The
    defaults leave words, quotes and indentation alone, so they suit code as well as prose.
    """

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[Noun, ...]] = (Document, Example)
    yields: ClassVar[None] = None

    mojibake: bool = True
    """Decode again what was decoded wrongly: "schÃ¶n" becomes "schön" (by ftfy, whose other repairs stay off)."""
    unicode: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = "NFC"
    """Unicode normalisation form. `NFC` changes no meaning; `NFKC` also turns ² into 2 and full-width letters into
    plain ones, which suits search and harms formulas. `null`: leave the form."""
    controls: bool = True
    """Remove control characters except line breaks and tabs, byte order marks and terminal colours; line breaks of all
    kinds become `\\n`."""
    lines: bool = True
    """Remove space at line ends and blank lines at both ends, and keep at most one blank line in a row."""
    spaces: bool = False
    """Make runs of space inside lines one space and remove indentation. Off by default: code lives by indentation."""
    lowercase: bool = False
    """Make all letters lower case."""
    stop_words: str | None = None
    """Remove the stop words of this language (ISO 639-1, by stopwordsiso), such as `en`. For retrieval and statistics:
    what remains is no language that a model should learn to write. Not for languages written without spaces."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What the repairs that are on are made with."""
        used = {"ftfy": self.mojibake, "stopwordsiso": self.stop_words is not None}
        return tuple(name for name, on in used.items() if on)

    def faults(self) -> list[str]:
        """A language without stop words, or without spaces to find them by."""
        if self.stop_words is None:
            return []
        import stopwordsiso

        if self.stop_words in UNSPACED_LANGUAGES:
            return [f"stop_words: words of '{self.stop_words}' are not divided by spaces, so they cannot be removed"]
        if not stopwordsiso.has_lang(self.stop_words):
            near = did_you_mean(self.stop_words, sorted(stopwordsiso.langs()))
            return [f"stop_words: no list for '{self.stop_words}'{near}; codes are ISO 639-1, such as 'en'"]
        return []

    def apply(self, shard: pl.DataFrame) -> Outcome:
        """Drops with rule `empty` where nothing is left, and `spans` where a message's spans would then lie wrong."""
        return self._examples(shard) if "messages" in shard.columns else self._documents(shard)

    def cleaned(self, texts: pl.Series) -> pl.Series:
        """The texts (String, nulls stay), each repaired until nothing changes."""
        result = texts.fill_null("")
        active = pl.int_range(len(result), eager=True)
        for _ in range(ROUNDS):
            before = result.gather(active)
            after = self._once(before)
            moved = before != after
            if not moved.any():
                break
            active = active.filter(moved)
            result = result.scatter(active, after.filter(moved))
        return pl.select(pl.when(texts.is_not_null()).then(result)).to_series().alias(texts.name)

    def _once(self, texts: pl.Series) -> pl.Series:
        if self.mojibake:
            texts = fix_mojibake(texts)
        text = pl.col("text")
        if self.unicode:
            text = text.str.normalize(self.unicode)
        if self.controls:
            text = without_controls(text)
        if self.lowercase:
            text = text.str.to_lowercase()
        if self.spaces:
            text = single_spaces(text)
        if self.lines:
            text = tidy_lines(text)
        texts = pl.DataFrame({"text": texts}).select(text)["text"]
        if self.stop_words:
            import stopwordsiso

            texts = without_words(texts, frozenset(stopwordsiso.stopwords(self.stop_words)))
        return texts

    def _documents(self, shard: pl.DataFrame) -> Outcome:
        texts = self.cleaned(shard["text"])
        blank = texts.str.strip_chars().str.len_chars().eq(0)
        verdict = shard.select(
            rule=pl.when(blank).then(pl.lit("empty")),
            value=pl.format("{} characters", pl.col("text").str.len_chars()),
            detail=pl.lit("nothing is left of the text after cleaning"),
        )
        return sort_out(shard.with_columns(texts.alias("text")), verdict)

    def _examples(self, shard: pl.DataFrame) -> Outcome:
        turns = shard.select("messages").with_row_index("row").explode("messages", empty_as_null=False)
        content = turns["messages"].struct.field("content")
        cleaned = self.cleaned(content)
        turns = turns.with_columns(
            changed=content != cleaned,
            emptied=(cleaned.str.strip_chars() == "") & (content != ""),
            shifted=(content != cleaned) & (turns["messages"].struct.field("spans").list.len() > 0),
            messages=pl.col("messages").struct.with_fields(content=cleaned),
        )
        by_row = turns.group_by("row", maintain_order=True).agg(
            "messages", *(pl.col(name).any() for name in ("changed", "emptied", "shifted"))
        )
        rows = shard.select("messages").with_row_index("row").join(by_row, on="row", how="left", maintain_order="left")
        verdict = rows.select(
            rule=pl.when("emptied").then(pl.lit("empty")).when("shifted").then(pl.lit("spans")),
            detail=pl.when("emptied")
            .then(pl.lit("nothing is left of a message after cleaning"))
            .when("shifted")
            .then(pl.lit("a message with spans would change under them; clean before spans are set")),
        )
        changed = rows["changed"].fill_null(False)
        whole = shard.with_columns(messages=pl.coalesce(rows["messages_right"], shard["messages"]))
        hashes = [content_hash(e.messages, e.tools) for e in records(Example, whole.filter(changed))]
        hashed = pl.DataFrame({"row": rows["row"].filter(changed), "content_hash": hashes})
        whole = whole.with_row_index("row").update(hashed, on="row", how="left").drop("row")
        return sort_out(whole, verdict)
