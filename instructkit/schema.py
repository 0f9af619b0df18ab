"""The nouns of the house: what one record is, at each station of the data's way.

    Document ──render──▶ Example ──tokenize──▶ TokenizedExample ──pack──▶ PackedSequence
        └──────────── what goes no further, anywhere ────────────▶ Drop

Each noun is declared once, as a struct; `columns(Noun)` derives its polars schema. What differs from source to source
is `Json`, canonical JSON text: struct columns of unequal rows corrupt each other when two files are scanned together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import polars as pl

from instructkit.errors import StageError

Json = str
"""Canonical JSON text, see `hashing.canonical_json`."""

Int32 = Annotated[int, pl.Int32]
Float32 = Annotated[float, pl.Float32]


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record comes from."""

    file: str
    """Path inside the source, with forward slashes."""
    line: int | None = None
    """Line of a text file, or row of a table or array, counted from 1; None for a whole file."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a corpus."""

    id: str
    """Stable: the source and a declared key, or the source and a hash of path, content and ordinal."""
    source: str
    origin: Origin
    text: str
    fields: Json = "{}"
    """What the source holds beside the text, as a JSON object."""
    language: str | None = None
    """ISO 639-1 code, where known."""
    group: str
    """The leak unit: all that shares it stays in one split. Starts as the hash of the text."""
    split: str | None = None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A range of a message's content with its own loss weight; characters, end exclusive."""

    start: int
    end: int
    weight: float


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """Something beside the text of a message. Reserved: nothing reads it yet."""

    kind: str
    uri: str
    sha256: str | None = None


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a conversation."""

    role: str
    """system, user, assistant or tool; or text, for a plain text that is a whole example: no other message beside it,
    no chat template around it, every token learned."""
    content: str
    weight: float | None = None
    """Weight of its loss; 0 is not trained on. None: 1 for the assistant and for a plain text, 0 for everyone else."""
    name: str | None = None
    tool_calls: Json | None = None
    """JSON list of {id, type, function: {name, arguments}}; arguments are a JSON object, not text."""
    tool_call_id: str | None = None
    reasoning: str | None = None
    spans: list[Span] | None = None
    media: list[Media] | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An alternative ending of a conversation."""

    messages: list[Message]
    score: float | None = None
    rank: int | None = None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One instruction/response conversation, or one plain text."""

    id: str
    """Stable: its documents, template name and variant."""
    content_hash: str
    """Hash of messages and tools: changes when what is trained on changes."""
    messages: list[Message]
    tools: Json | None = None
    """JSON list of function definitions."""
    document_ids: list[str] = []
    """What the example is about; it belongs to the groups of these."""
    exemplar_ids: list[str] = []
    """Few-shot exemplars, from the training split; they never join groups."""
    source: str
    origin: Origin
    """Of its first document, or of the conversation in its source file."""
    template: str | None = None
    template_hash: str | None = None
    """Of the template and all that it imports."""
    variant: str | None = None
    """Which phrasing, option format or shot count was drawn."""
    task: str | None = None
    language: str | None = None
    group: str
    split: str | None = None
    weight: float = 1.0
    """Weight of the whole example in the loss."""
    repeats: float = 1.0
    """How often a mix repeats it; a number, never copies."""
    candidates: list[Candidate] | None = None
    meta: Json = "{}"


class TokenizedExample(msgspec.Struct, frozen=True, kw_only=True):
    """Token ids with labels; three lists of one length."""

    id: str
    piece: Int32 = 0
    """Which piece of a long document, counted from 0; a conversation is one piece."""
    input_ids: list[Int32]
    labels: list[Int32]
    """-100 where not trained. Unshifted: only the loss shifts."""
    weights: list[Float32]
    read_tokens: Int32 = 0
    """How many of the first tokens are only read, by an encoder or a classifier; 0 for what a decoder writes on."""


class PackedSequence(msgspec.Struct, frozen=True, kw_only=True):
    """Several examples in one row; the first four lists have the row's length, the last two one entry an example."""

    input_ids: list[Int32]
    labels: list[Int32]
    weights: list[Float32]
    position_ids: list[Int32]
    """Restart at 0 for each example."""
    lengths: list[Int32]
    example_index: list[Int32]


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """A record that went no further, and why."""

    id: str | None = None
    """None where the record could not be read far enough to have one; its origin says where it is."""
    origin: Origin
    step: str | None = None
    """The recipe step; the runner fills it in."""
    template: str | None = None
    rule: str
    value: str | None = None
    threshold: str | None = None
    detail: str | None = None


LedgerClass = Literal["learned", "never-learned", "forgotten", "memorised", "suspicious"]
"""What a training made of an example; `instructkit.train.watch.classes` says when it is which."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """An example met in training."""

    step: int
    """From 1, as in metrics.jsonl."""
    loss: float
    """From before that step, in nats per supervised token, with dropout where the training has any."""


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True, rename={"class_": "class"}):
    """How the loss of one example went through a training: a row of `ledger.parquet`. Losses are in nats per
    supervised token, each token weighted by its loss weight.
    """

    id: str
    content_hash: str
    """Of the example as it was trained on."""
    template: str | None
    source: str
    task: str | None
    language: str | None
    group: str
    document_ids: list[str]
    origin: Origin
    tokens: int
    """Supervised tokens."""
    before: float | None
    """Before the first step; None where it was not measured."""
    during: list[Visit]
    """Each time it was trained on, in order."""
    after: float | None
    """After the last step; None where it was not measured."""
    class_: LedgerClass | None
    """None: not measured, or among too few of its kind to say."""
    value: float | None
    """What the class was decided by, for all but `learned`."""
    threshold: float | None
    """What the value was compared with."""


Noun = type[msgspec.Struct]
R = TypeVar("R", bound=msgspec.Struct)

NOUNS: tuple[Noun, ...] = (Document, Message, Example, TokenizedExample, PackedSequence, LedgerEntry, Drop)

_PLAIN: dict[Any, pl.DataType] = {str: pl.String(), int: pl.Int64(), float: pl.Float64(), bool: pl.Boolean()}


def _dtype(hint: Any) -> pl.DataType:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return arguments[1]()  # type: ignore[no-any-return]
    if origin in (Union, UnionType):
        (only,) = (a for a in arguments if a is not NoneType)
        return _dtype(only)
    if origin is Literal:
        return pl.String()
    if origin is list:
        return pl.List(_dtype(arguments[0]))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return pl.Struct(dict(columns(hint)))
    return _PLAIN[hint]


@cache
def columns(noun: Noun) -> pl.Schema:
    """The polars schema of a noun, in declared order."""
    hints = get_type_hints(noun, include_extras=True)
    names = zip(noun.__struct_fields__, noun.__struct_encode_fields__, strict=True)
    return pl.Schema({name: _dtype(hints[field]) for field, name in names})


def frame(noun: Noun, records: Iterable[msgspec.Struct]) -> pl.DataFrame:
    """Records of one noun as a frame with exactly its columns."""
    rows = [msgspec.to_builtins(record, builtin_types=(float,)) for record in records]
    return pl.DataFrame(rows, schema=columns(noun), orient="row")


def records(noun: type[R], shard: pl.DataFrame) -> Iterator[R]:
    """A frame of one noun as records. Raises msgspec.ValidationError where a required value is null."""
    for row in shard.iter_rows(named=True):
        yield msgspec.convert(row, noun)


def empty(noun: Noun) -> pl.DataFrame:
    """A frame of the noun without rows."""
    return pl.DataFrame(schema=columns(noun))


def check(noun: Noun, shard: pl.DataFrame, where: str) -> pl.DataFrame:
    """The shard with the noun's columns in order. Raises StageError on other columns, other dtypes or null ids."""
    expected = columns(noun)
    wrong = [
        f"{name}: {shard.schema.get(name, 'missing')} (expected {dtype})"
        for name, dtype in expected.items()
        if shard.schema.get(name) != dtype
    ]
    wrong += [f"{name}: not a column of {noun.__name__}" for name in shard.columns if name not in expected]
    required = [n for n in ("id", "group", "source") if n in expected and noun is not Drop]
    wrong += [f"{name}: {shard[name].null_count()} nulls" for name in required if n_nulls(shard, name)]
    if wrong:
        raise StageError(f"{where}: rows are not valid {noun.__name__} records: " + "; ".join(wrong))
    return shard.select(expected.names())


def n_nulls(shard: pl.DataFrame, column: str) -> int:
    """Nulls in a column; 0 when the frame has no such column."""
    return shard[column].null_count() if column in shard.columns else 0
