"""datatrove: its four MinHash steps on the local executor, as in examples/minhash_deduplication.py of its repository.

Words are cut at white space, by a tokenizer of our own: its tokenizers for English need other packages and more time.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.text import TextNormConfig
from datatrove.utils.word_tokenizers import WordTokenizer
from lines import arguments


class WhiteSpace(WordTokenizer):
    """Words between white space; nothing here asks for sentences."""

    def word_tokenize(self, text: str) -> list[str]:
        """The words of a text."""
        return text.split()

    def sent_tokenize(self, text: str) -> list[str]:
        """Not there."""
        raise NotImplementedError

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        """Not there."""
        raise NotImplementedError


def main() -> None:
    source, target, _ = arguments()
    norm = TextNormConfig(remove_punctuation=False, norm_unicode_diacritics=False, norm_numbers=False)
    config = MinhashConfig(n_grams=5, num_buckets=16, hashes_per_bucket=8, norm_config=norm)
    reader = JsonlReader(str(source.parent), glob_pattern=source.name)
    with TemporaryDirectory(dir=target.parent) as name:
        folder = Path(name)
        steps: list[tuple[int, list[PipelineStep]]] = [
            (1, [reader, MinhashDedupSignature(str(folder / "signatures"), config, WhiteSpace())]),
            (16, [MinhashDedupBuckets(str(folder / "signatures"), str(folder / "buckets"), config=config)]),
            (1, [MinhashDedupCluster(str(folder / "buckets"), str(folder / "remove"), config)]),
            (
                1,
                [
                    reader,
                    MinhashDedupFilter(str(folder / "remove")),
                    JsonlWriter(str(folder / "out"), "out.jsonl", compression=None),
                ],
            ),
        ]
        for i, (tasks, pipeline) in enumerate(steps):
            workers = min(tasks, len(os.sched_getaffinity(0)))
            LocalPipelineExecutor(pipeline, tasks, workers, logging_dir=str(folder / f"logs{i}")).run()
        (folder / "out" / "out.jsonl").rename(target)


if __name__ == "__main__":
    main()
