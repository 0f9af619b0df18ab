"""BLEU and chrF as sacreBLEU has them, from the sums of its segment statistics: so they can be resampled.

Source: Post, A Call for Clarity in Reporting BLEU Scores, 2018; Popović, chrF, 2015. Tokens of BLEU: `zh` for Chinese,
single characters for other languages without spaces, else `13a`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from instructkit.evaluate.bootstrap import Floats
from instructkit.evaluate.metrics.answer import Answer, Measured

_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}
_HAN = re.compile("[\u4e00-\u9fff]")


def bleu(answers: Sequence[Answer]) -> Measured:
    """Corpus BLEU-4 of all replies together, from 0 to 100. Needs sacrebleu, as chrf does."""
    return _measured("bleu", [_bleu(_tokenizer(answer)) for answer in answers], answers)


def chrf(answers: Sequence[Answer]) -> Measured:
    """Corpus chrF2 of all replies together (character n-grams up to 6, no words), from 0 to 100."""
    return _measured("chrf", [_chrf()] * len(answers), answers)


def _measured(name: str, metrics: Sequence[Any], answers: Sequence[Answer]) -> Measured:
    # Single segments: texts of several languages, and unequal numbers of references, add up all the same.
    rows = [
        metric._extract_corpus_statistics([answer.reply], [[reference] for reference in answer.references])[0]
        for metric, answer in zip(metrics, answers, strict=True)
    ]
    metric = metrics[0]

    def value(sums: Floats) -> Floats:
        flat = [metric._compute_score_from_stats(row.tolist()).score for row in sums.reshape(-1, sums.shape[-1])]
        return np.asarray(flat).reshape(*sums.shape[:-1], 1)

    return Measured((name,), np.asarray(rows, dtype=np.float64), value)


def _tokenizer(answer: Answer) -> str:
    if answer.language is None:
        return "zh" if _HAN.search(answer.references[0]) else "13a"
    return _TOKENIZERS.get(answer.language.partition("-")[0], "13a")


@cache
def _bleu(tokenizer: str) -> Any:
    from sacrebleu import BLEU

    return BLEU(tokenize=tokenizer)


@cache
def _chrf() -> Any:
    from sacrebleu import CHRF

    return CHRF()
