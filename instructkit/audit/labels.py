"""What a model would be trained on: tokens of each conversation, and conversations without any."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from instructkit.audit.finding import MARKS
from instructkit.audit.ground import Ground
from instructkit.chat.labels import IGNORED
from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError, UsageFault
from instructkit.schema import Example, columns

_CONTROL = re.compile(
    r"<\|[^|<>\n]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>|</?s>|<(?:start|end)_of_turn>|\[/?[A-Z_]{3,20}\]|<</?SYS>>"
)
"""What control tokens look like in the chat templates that are about."""
_UNBOUNDED = 10_000_000
"""Tokenizers that know no limit say a huge one."""


class Labelling(NamedTuple):
    """How rows are labelled."""

    chat: ChatFormat
    counts: bool
    """Whether tokens are those of a model. A chat template alone says what is trained on, not in how many tokens."""


def labelling(model: str | None, template: str | None) -> Labelling:
    """By a model, by a chat template (`chatml`, or a file that ends in .jinja), or by a model with another template.

    Raises UsageFault where one cannot be loaded or trained on, or a package is missing.
    """
    try:
        from instructkit.chat.format import chat_format
        from instructkit.models.load import load_tokenizer
    except ImportError as error:
        raise UsageFault(f"{error.name} is not installed; pip install 'instructkit[train]'") from error
    if template is not None and template != "chatml" and not template.endswith(".jinja"):
        raise UsageFault(f"--chat-template '{template}': expected chatml, or a file that ends in .jinja")
    try:
        tokenizer = load_tokenizer(model) if model is not None else _letters(template)
        return Labelling(chat_format(tokenizer, template), model is not None)
    except TrainingError as error:
        raise UsageFault(str(error)) from error


def context_length(chat: ChatFormat) -> int | None:
    """Tokens that the model reads at most, None where its tokenizer does not say."""
    length = int(chat.tokenizer.model_max_length)
    return length if length < _UNBOUNDED else None


def check_labels(ground: Ground, labels: Labelling) -> None:
    """Marks conversations without a token to train on, and those longer than the model reads.

    Adds `tokens` and `supervised_tokens`, where they are a model's, to what is known; null where a conversation cannot
    be labelled.
    """
    from instructkit.chat.tokenize import tokenize

    longest = context_length(labels.chat) if labels.counts else None
    parts = []
    for block in ground.disk.blocks("row", "messages", "tools", "format"):
        # A plain text is no conversation: what it becomes does not hang on the chat template.
        found = tokenize(_examples(block.filter(pl.col("format") != "text")), labels.chat)
        counts = _counts(found.rows)
        parts.append(counts)
        ground.tally.add("untrained", _untrained(counts, found.dropped))
        if longest is not None:
            over = counts.filter(pl.col("tokens") > longest)
            said = pl.format("{} tokens", "tokens")
            marks = over.select("row", rule=pl.lit(f"over {longest:,} tokens"), said=said)
            ground.tally.add("overlong", marks.cast(MARKS))
        ground.observe("labelling", sum(part.height for part in parts), ground.known.height)
    if parts and labels.counts:
        ground.known = ground.known.join(pl.concat(parts), on="row", how="left", maintain_order="left")


def _counts(tokenised: pl.DataFrame) -> pl.DataFrame:
    """row, tokens, and those of them that the loss sees: the first one has nothing before it."""
    trained = pl.col("labels").list.slice(1).list.eval(pl.element() != IGNORED).list.sum()
    return tokenised.select(
        row=pl.col("id").cast(pl.UInt32),
        tokens=pl.col("input_ids").list.len(),
        supervised_tokens=trained.fill_null(0).cast(pl.UInt32),
    )


def _untrained(counts: pl.DataFrame, dropped: pl.DataFrame) -> pl.DataFrame:
    none = counts.filter(pl.col("supervised_tokens") == 0).select(
        "row", rule=pl.lit("weights"), said=pl.lit("no token of it has weight")
    )
    refused = dropped.select(
        row=pl.col("id").cast(pl.UInt32), rule=pl.col("rule").str.strip_prefix("label."), said=pl.col("detail")
    )
    return pl.concat([none.cast(MARKS), refused.cast(MARKS)]).sort("row")


def _examples(block: pl.DataFrame) -> pl.DataFrame:
    """Rows as the Example noun, named by their numbers."""
    given = {"id": pl.col("row").cast(pl.String), "messages": pl.col("messages"), "tools": pl.col("tools")}
    given |= {name: pl.lit("") for name in ("content_hash", "source", "group")}
    given |= {"weight": pl.lit(1.0), "repeats": pl.lit(1.0), "meta": pl.lit("{}")}
    given |= {name: pl.lit([], pl.List(pl.String)) for name in ("document_ids", "exemplar_ids")}
    given["origin"] = pl.struct(file=pl.lit(""), line=pl.lit(None, pl.Int64))
    names = columns(Example)
    shown = [given.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in names.items()]
    return block.select(shown)


def _letters(template: str | None) -> Any:
    """A tokenizer whose tokens are single bytes and the control tokens that a template names.

    Where a template is given without its model: labels are found in the text, whatever it is cut into.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    text = ""
    if template is not None and template.endswith(".jinja"):
        try:
            text = Path(template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageFault(f"--chat-template '{template}': cannot be read ({error})") from error
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    tokenizer.name_or_path = template or "chatml"
    named = sorted(set(_CONTROL.findall(text)) - {"<s>", "</s>"})
    if named:
        tokenizer.add_special_tokens({"additional_special_tokens": named}, replace_extra_special_tokens=False)
    return tokenizer
