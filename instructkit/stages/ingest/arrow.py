"""Rows of Arrow files: the stream that `datasets` writes, and the file with an index, which is Feather too."""

from __future__ import annotations

from collections.abc import Iterator

from instructkit.errors import InputError
from instructkit.stages.contract import PartFile
from instructkit.stages.ingest.documents import Bad, Record
from instructkit.stages.ingest.parquet_rows import BATCH_ROWS, arrow_records

FILE_MAGIC = b"ARROW1"


def arrow_file_records(file: PartFile) -> Iterator[Record | Bad]:
    """The rows of a file, `line` being the row counted from 1. Raises InputError where the file breaks off."""
    import pyarrow as pa

    row = 1
    try:
        with pa.memory_map(str(file.path)) as mapped:
            indexed = mapped.read(len(FILE_MAGIC)) == FILE_MAGIC
            mapped.seek(0)
            if indexed:
                table = pa.ipc.open_file(mapped)
                batches = (table.get_batch(number) for number in range(table.num_record_batches))
            else:
                batches = iter(pa.ipc.open_stream(mapped))
            for batch in batches:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    piece = batch.slice(start, BATCH_ROWS)
                    yield from arrow_records(file, piece, row, None)
                    row += piece.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise InputError(
            f"{file.path}: cannot be read on after row {row - 1:,} ({reason}); fetch or save it again"
        ) from error
