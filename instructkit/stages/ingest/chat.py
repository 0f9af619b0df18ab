"""`ingest.chat`: conversations in the formats of the field become examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from instructkit.errors import InputError
from instructkit.hashing import canonical_json
from instructkit.schema import Drop, Example, Noun, Origin
from instructkit.stages.contract import InputPath, Outcome, Part, PartFile
from instructkit.stages.ingest.blocks import encoding_faults, lines
from instructkit.stages.ingest.columns import pick
from instructkit.stages.ingest.conversations import EXPECTED, Conversation, NotConversationError, conversation
from instructkit.stages.ingest.documents import Bad, BadCount, Ids, Record, excerpt, fault_of_fields
from instructkit.stages.ingest.find import find_files, plain_name
from instructkit.stages.ingest.json_array import json_records
from instructkit.stages.ingest.jsonl import SUFFIXES as LINE_SUFFIXES
from instructkit.stages.ingest.jsonl import json_lines
from instructkit.stages.ingest.parquet_rows import parquet_records
from instructkit.stages.ingest.parts import file_parts, line_parts
from instructkit.stages.ingest.shards import outcomes
from instructkit.text.conversation import content_hash, conversation_group

SUFFIXES = (*LINE_SUFFIXES, ".json", ".parquet")


@dataclass(frozen=True, kw_only=True)
class IngestChat:
    """Conversations that others made: Alpaca, ShareGPT, OpenAI messages, prompt and completion; one example each.

    Read from JSON Lines, JSON arrays or Parquet. The format is found by the keys of each record, and said in the
    example's `meta.format`; what a record holds beside the conversation is kept in `meta.fields`, what a message holds
    beside in `meta.message_fields`. Tool calls and tools are taken over, arguments as objects.

    Tasks with a list of instances (`instruction`, `instances` with `input` and `output`), as self-instruct's, are read
    as Alpaca's, with the first instance; all stay in `meta.fields`.

    A record is dropped, with a rule, where it is no conversation of the format (`unrecognised`), an answer or prompt is
    empty (`empty_answer`, `empty_prompt`), a role is unknown (`unknown_role`), roles do not follow one another
    (`role_order`, `no_assistant`, `no_final_answer`), a tool call or tool cannot be read (`bad_tool_call`,
    `bad_tools`), a message holds an image or the like (`media`), a weight is no number from 0 up (`bad_weight`), what
    belongs to the prompt is no text (`content_not_text`), or both `input` and `context` stand beside an instruction
    (`two_inputs`). A single message of the role `text` is a plain text, as our own exports write it; an empty one is
    dropped (`empty_text`).
    """

    version: ClassVar[int] = 3
    reads: ClassVar[tuple[Noun, ...]] = ()
    yields: ClassVar[Noun] = Example
    packages: ClassVar[tuple[str, ...]] = ("pyarrow", "orjson", "xxhash")

    path: InputPath | list[InputPath]
    """File, folder (its .jsonl, .ndjson, .jsonlines, .json and .parquet files, with .gz or .zst too) or glob; or a list
    of these."""
    source: str | None = None
    """Name of the source, the first half of every id. Default: the step's name."""
    format: Literal["auto", "alpaca", "sharegpt", "openai", "prompt_completion"] = "auto"
    """What the records are. auto: told by their keys, record by record; a list of turns goes before single columns."""
    key: str | None = None
    """Column that identifies the record (text or whole number); a value that stands twice stops the build.
    Without one, ids are made of the record's content."""
    records: str | None = None
    """For JSON files: dotted path to the array of records. Default: the array at the top."""
    encoding: str = "utf-8"
    """Encoding of the JSON files, by Python's names. A UTF-8 byte order mark is skipped."""
    max_bad_lines: Annotated[int, Meta(ge=0)] = 100
    """Unreadable lines or records (broken JSON, not conversations of another kind) that a part may drop before the
    build stops."""
    max_line_bytes: Annotated[int, Meta(ge=1)] = 64 << 20
    """A longer line is dropped with its size; a longer record of a JSON array stops the build; bytes."""

    def faults(self) -> list[str]:
        """Unknown encodings."""
        return encoding_faults(self.encoding)

    def parts(self, root: Path) -> list[Part]:
        """Byte ranges of large files of lines, other large files one by one, small ones in buckets."""
        files = find_files(self.path, root, SUFFIXES)
        by_line = [found for found in files if plain_name(found.name.lower()).endswith(LINE_SUFFIXES)]
        others = [found for found in files if found not in by_line]
        return file_parts(others) + line_parts(
            by_line, encoding=self.encoding, max_line_bytes=self.max_line_bytes, count_equals=self.key is None
        )

    def read(self, part: Part) -> Iterator[Outcome]:
        """The part's conversations as examples."""
        return outcomes(Example, self._examples(part))

    def _records(self, file: PartFile) -> Iterator[Record | Bad]:
        name = plain_name(file.name.lower())
        if name.endswith(".parquet"):
            return parquet_records(file, None, None, None)
        if name.endswith(LINE_SUFFIXES) or not self._is_array(file):
            return json_lines(file, self.encoding, self.max_line_bytes)
        return json_records(file, self.encoding, self.records, self.max_line_bytes)

    def _is_array(self, file: PartFile) -> bool:
        """Whether a file is one JSON value; where its first line with anything on it is a whole object, it is lines."""
        if self.records is not None:
            return True
        for line in lines(file, self.encoding, self.max_line_bytes):
            if text := line.data.strip():
                return not (text.startswith(b"{") and text.endswith(b"}"))
        return False

    def _examples(self, part: Part) -> Iterator[Example | Drop]:
        assert self.source is not None, "the runner sets source to the step's name"
        ids, bad, seen, known = Ids(self.source, part), BadCount(self.max_bad_lines), 0, False
        first: Record | None = None
        for file in part.files:
            for record in self._records(file):
                if isinstance(record, Bad):
                    yield bad.drop(record)
                    continue
                row = self._example(record, ids)
                known = known or isinstance(row, Example) or row.rule not in ("unrecognised", "missing_column")
                first, seen = first or record, seen + 1
                yield row
        if first is not None and not known and all(file.start == 0 for file in part.files):
            raise InputError(
                f"{first.file.path}: none of {seen:,} records is a conversation of format {self.format}: expected "
                f"{EXPECTED}; found {', '.join(first.value) or 'no keys'}. Set `format`, or `records` where they lie "
                "below a key of a JSON file; a corpus of texts is read by ingest.jsonl, ingest.json or ingest.parquet"
            )

    def _example(self, record: Record, ids: Ids) -> Example | Drop:
        origin = Origin(file=record.file.name, line=record.line)
        example_id, fault = None, None
        if self.key is None:
            example_id = ids.by_content(record.file, record.content)
        else:
            example_id, fault = ids.by_key(pick(record.value, self.key))
        if fault is not None:
            return Drop(id=example_id, origin=origin, rule=fault[0], value=fault[1], detail=fault[2])
        try:
            found = conversation(record.value, None if self.format == "auto" else self.format)
            meta = canonical_json(_meta(found))
            digest = content_hash(found.messages, found.tools)
        except NotConversationError as error:
            value = None if error.value is None else excerpt(error.value)
            return Drop(id=example_id, origin=origin, rule=error.rule, value=value, detail=str(error))
        except TypeError as error:
            rule, value, detail = fault_of_fields(error)
            return Drop(id=example_id, origin=origin, rule=rule, value=value, detail=detail)
        assert example_id is not None
        if self.key is not None:
            ids.keep(example_id, self.key, record.file, record.line)
        assert self.source is not None
        return Example(
            id=example_id,
            content_hash=digest,
            messages=found.messages,
            tools=found.tools,
            source=self.source,
            origin=origin,
            group=conversation_group(found.messages),
            meta=meta,
        )


def _meta(found: Conversation) -> dict[str, Any]:
    beside = {"fields": found.extra, "message_fields": found.message_extra}
    return {"format": found.format, **{name: value for name, value in beside.items() if value}}
