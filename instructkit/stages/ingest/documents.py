"""From records as a source holds them to documents: ids, texts, fields, and a drop for each that is none.

The id of a record is its source and its key, where the recipe declares one, else a hash of

* the file's name inside the source (without `.gz`, `.zst`),
* the record's content as the source holds it: the line of a line format, the whole row elsewhere. Other columns chosen
  in the recipe do not change ids,
* its ordinal among equal records of that file, in file order: 0, 1, ... Ranges of one file agree on it, see `parts`.

No line number, part or shard is in it: lines put in before a record leave its id alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import xxhash

from instructkit.errors import InputError, did_you_mean
from instructkit.hashing import canonical_json, record_hash
from instructkit.schema import Document, Drop, Origin
from instructkit.stages.contract import Outcome, Part, PartFile
from instructkit.stages.ingest.columns import MISSING, Columns, not_found, paths, pick
from instructkit.stages.ingest.find import plain_name
from instructkit.stages.ingest.parts import equal_hash, seen_before
from instructkit.stages.ingest.shards import outcomes

EXCERPT = 200
ID_DIGITS = 20
"""80 bits: two of a billion records share an id with probability 4e-7 (birthday bound)."""


class Record(NamedTuple):
    """One record of a source. `content` is what makes it equal to another: its bytes, or its canonical JSON."""

    file: PartFile
    line: int | None
    content: bytes
    value: dict[str, Any]


class Bad(NamedTuple):
    """A record that could not be read; counts against `max_bad_lines`."""

    file: PartFile
    line: int | None
    rule: str
    detail: str
    value: str | None = None
    threshold: str | None = None


class Ids:
    """Ids of one part's records, no two of them equal."""

    def __init__(self, source: str, part: Part) -> None:
        self.source = source
        self.before = seen_before(part)
        # One set of the hashes met, and counts only for those met again: under 100 bytes a record of the part.
        self.met: set[tuple[str, int] | int] = set()
        self.again: dict[tuple[str, int] | int, int] = {}
        self.one_file = len(part.files) <= 1
        self.kept: dict[str, str] = {}

    def by_content(self, record_file: PartFile, content: bytes) -> str:
        """The id of a record without a key."""
        name, value = plain_name(record_file.name), equal_hash(content)
        who = value if self.one_file else (name, value)
        ordinal = self.before.get(value, 0)
        if who in self.met:
            self.again[who] = self.again.get(who, 0) + 1
            ordinal += self.again[who]
        else:
            self.met.add(who)
        return f"{self.source}-{record_hash(name, xxhash.xxh3_128_hexdigest(content), str(ordinal))[:ID_DIGITS]}"

    def by_key(self, key: Any) -> tuple[str | None, tuple[str, str | None, str] | None]:
        """The id of a record with a key, and what is wrong with the key as (rule, value, detail)."""
        if key is MISSING or key is None or key == "":
            return None, ("missing_key", None, "the record has no value in the column that `key` names")
        if isinstance(key, bool) or not isinstance(key, str | int):
            return None, ("bad_key", excerpt(str(key)), f"a key is text or a whole number, not {type_name(key)}")
        if not is_clean(str(key)):
            return None, ("lone_surrogate", None, "the key holds half of a surrogate pair, which is not Unicode text")
        return f"{self.source}-{key}", None

    def keep(self, record_id: str, key: str, file: PartFile, line: int | None) -> None:
        """Notes that a record with the column `key` is kept. Raises InputError where one before it has the same id.

        Which of the two is right cannot be told, so none is chosen. Dropped records are not counted, nor does the
        runner count them where it compares the ids of all parts: how a source is cut into parts changes no verdict.
        """
        if (first := self.kept.get(record_id)) is not None:
            raise InputError(
                f"{file.path}: the key '{key}' is {excerpt(record_id.removeprefix(f'{self.source}-'))!r} at "
                f"{position(file, line)} and at {first}; ids are made of it, so each value may stand once: choose "
                "another column as `key`, leave `key` out (ids are then made of the content), or take the repeated "
                "records out of the source"
            )
        self.kept[record_id] = position(file, line)


def position(file: PartFile, line: int | None) -> str:
    """`news/a.jsonl:12`."""
    return file.name if line is None else f"{file.name}:{line}"


def excerpt(text: str) -> str:
    """The text if it is short, else its beginning and its length."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}... ({len(text):,} characters)"


def is_clean(text: str) -> bool:
    """Whether the text is Unicode that UTF-8 can hold: no lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def type_name(value: Any) -> str:
    """A JSON value's type, as a user calls it."""
    names = {bool: "true/false", int: "a number", float: "a number", list: "a list", dict: "an object", str: "text"}
    return names.get(type(value), type(value).__name__)


class BadCount:
    """Counts a part's unreadable records. Raises InputError at the first beyond the limit."""

    def __init__(self, allowed: int) -> None:
        self.allowed, self.count = allowed, 0

    def drop(self, bad: Bad) -> Drop:
        """The record as a `Drop`."""
        self.count += 1
        if self.count > self.allowed:
            place = str(bad.file.path) + (f":{bad.line}" if bad.line is not None else "")
            raise InputError(
                f"{place}: {bad.rule}: {bad.detail}. This part ({self.count} bad so far) has more than the "
                f"{self.allowed} that max_bad_lines allows; raise it to drop and count them, or mend the source"
            )
        return Drop(
            origin=Origin(file=bad.file.name, line=bad.line),
            rule=bad.rule,
            value=None if bad.value is None else excerpt(bad.value),
            threshold=bad.threshold,
            detail=bad.detail,
        )


def document_outcomes(
    records: Iterable[Record | Bad], *, source: str | None, columns: Columns, part: Part, max_bad_lines: int
) -> Iterator[Outcome]:
    """The part's records as outcomes of documents.

    Raises InputError for more bad records than allowed, and where no record at all has the column of the text: that
    is the recipe's fault, not the records'.
    """
    assert source is not None, "the runner sets source to the step's name"
    return outcomes(Document, _documents(records, source, columns, part, BadCount(max_bad_lines)))


def _documents(
    records: Iterable[Record | Bad], source: str, columns: Columns, part: Part, bad: BadCount
) -> Iterator[Document | Drop]:
    ids, absent = Ids(source, part), _Absent(columns, part)
    for record in records:
        if isinstance(record, Bad):
            yield bad.drop(record)
            continue
        origin = Origin(file=record.file.name, line=record.line)
        # Before anything can drop it: a record's ordinal counts all equal records, kept or not.
        document_id, fault = ids.by_content(record.file, record.content) if columns.key is None else None, None
        if columns.key is not None:
            document_id, fault = ids.by_key(pick(record.value, columns.key))
        text = pick(record.value, columns.text)
        absent.look(record, text)
        result = fault or _fault_of_text(text, columns.text)
        fields = "{}"
        if result is None:
            try:
                fields = canonical_json(columns.picked(record.value))
            except TypeError as error:
                result = fault_of_fields(error)
        if result is not None:
            rule, value, detail = result
            yield Drop(id=document_id, origin=origin, rule=rule, value=value, detail=detail)
            continue
        assert document_id is not None
        if columns.key is not None:
            ids.keep(document_id, columns.key, record.file, record.line)
        language = MISSING if columns.language is None else pick(record.value, columns.language)
        yield Document(
            id=document_id,
            source=source,
            origin=origin,
            text=text,
            fields=fields,
            language=language if isinstance(language, str) and language else None,
            group=record_hash(text),
        )
    absent.finish()


class _Absent:
    """Notices columns that the recipe names and no record of the part has."""

    def __init__(self, columns: Columns, part: Part) -> None:
        self.columns = columns
        # A later range of a file may be one odd line at its end; its first range has judged the columns.
        self.judges = all(file.start == 0 for file in part.files)
        self.wanted = {"text": columns.text} | ({"key": columns.key} if columns.key else {})
        self.wanted |= {"language": columns.language} if columns.language else {}
        self.wanted |= {f"fields: {name}": name for name in columns.fields or ()}
        self.open = dict(self.wanted) if self.judges else {}
        self.found: set[str] = set()
        self.first: PartFile | None = None
        self.count, self.hint = 0, ""

    def look(self, record: Record, text: Any) -> None:
        if not self.open:
            return
        self.count += 1
        if self.first is None and record.line is None:
            inner = [name for name, value in record.value.items() if isinstance(value, list)]
            self.hint = f"; if '{inner[0]}' holds the records, set records: {inner[0]}" if inner else ""
        self.first = self.first or record.file
        self.open = {what: name for what, name in self.open.items() if pick(record.value, name) is MISSING}
        if self.open and len(self.found) < 1000:
            self.found.update(paths(record.value))
        if "text" in self.open and self.count == 10_000:
            self.finish()

    def finish(self) -> None:
        if self.first is None:
            return
        for what, name in self.open.items():
            optional = what.startswith("fields") or what == "language"
            # A rare field may be in no record of a small part; a misspelt one has a neighbour.
            if optional and not did_you_mean(name, self.found):
                continue
            hint = self.hint
            if what == "text" and len(self.found) == 1:
                hint += "; if that is several columns in one, set `delimiter`"
            raise InputError(f"{self.first.path}: {not_found(what, name, self.found)}{hint}")


def _fault_of_text(text: Any, column: str) -> tuple[str, str | None, str] | None:
    if text is MISSING:
        return "missing_text", None, f"the record has no '{column}'"
    if text is None:
        return "null_text", None, f"'{column}' is null"
    if not isinstance(text, str):
        return "text_not_text", excerpt(str(text)), f"'{column}' is {type_name(text)}, not text"
    if not text or text.isspace():
        return "empty_text", None, f"'{column}' is empty"
    if not is_clean(text):
        return (
            "lone_surrogate",
            None,
            f"'{column}' holds half of a surrogate pair (\\ud800 to \\udfff), which is not Unicode text",
        )
    return None


def fault_of_fields(error: TypeError) -> tuple[str, str | None, str]:
    """What canonical JSON could not hold, as (rule, value, detail)."""
    message = str(error)
    if "Integer" in message:
        return (
            "integer_too_large",
            None,
            "a field holds a whole number beyond 64 bits; quote it in the source, or leave it out of `fields`",
        )
    if "surrogate" in message or "UTF-8" in message:
        return (
            "lone_surrogate",
            None,
            "a field holds half of a surrogate pair, which is not Unicode text; leave it out of `fields`",
        )
    return "not_json_field", None, f"a field cannot be held as JSON ({message}); leave it out of `fields`"
