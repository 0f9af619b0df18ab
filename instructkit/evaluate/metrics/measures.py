"""The measures by name, as templates declare them: what each example adds, and what the sums say.

    exact_match    the reply is the expected answer, white space at both ends apart
                   → normalised_match: the same of normalised texts; of JSON, equal values
    accuracy       the reply is the expected option, by its words or its label, whatever the form of the list
                   → macro_precision, macro_recall, macro_f1: means over the options that are expected somewhere
    f1             micro-averaged F1 of listed items (keywords, entities, relations)
    token_f1       F1 of bags of words, as for SQuAD               edit_similarity   2 LCS / (m + n), characters
    rouge1 rouge2 rougeL                                           bleu chrf         sacreBLEU, from 0 to 100
    json_valid     share of valid JSON, where JSON is expected

Of several accepted answers the one that suits best counts. All are from 0 to 1 but bleu and chrf. `perplexity` is told
by the losses; `pass_at_1` would run what a model writes, which nothing here does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.util import find_spec

import numpy as np

from instructkit.evaluate.bootstrap import Floats, ratio
from instructkit.evaluate.metrics import overlap
from instructkit.evaluate.metrics.answer import Answer, Measured
from instructkit.evaluate.metrics.texts import normalised, option, parsed
from instructkit.evaluate.metrics.translation import bleu, chrf

DEFAULT = ("exact_match", "rougeL")
"""For a template that declares none."""
ELSEWHERE = {
    "perplexity": "it is exp(loss), in the table of losses",
    "pass_at_1": "it would run the code that a model writes, which nothing here does",
}
"""Names that a template may declare and that are never measured on replies, with the reason."""
MOST_CLASSES = 300
"""Of more different answers no macro averages are taken: they are not options but answers of free form."""

Measure = Callable[[Sequence[Answer]], Measured]


def measures(name: str) -> Measure:
    """The measure that a declared metric stands for."""
    return _MEASURES[name]


@cache
def unmeasured() -> dict[str, str]:
    """ELSEWHERE, and what needs a package that is not here."""
    if find_spec("sacrebleu") is not None:
        return ELSEWHERE
    return ELSEWHERE | dict.fromkeys(("bleu", "chrf"), "it needs sacreBLEU: pip install 'instructkit[metrics]'")


def known() -> tuple[str, ...]:
    """Names of all that are measured on replies."""
    return tuple(_MEASURES)


def _best(names: Sequence[str], *scores: Callable[[str, str], float]) -> Measure:
    """The mean over replies of the best score that any accepted answer gives."""

    def measure(answers: Sequence[Answer]) -> Measured:
        best = [[max(score(a.reply, r) for r in a.references) for score in scores] for a in answers]
        values = np.asarray(best, dtype=np.float64).reshape(len(answers), len(scores))
        return Measured(tuple(names), np.hstack([values, np.ones_like(values)]), ratio)

    return measure


def exact(reply: str, reference: str) -> float:
    """1 where the texts are the same, white space at both ends apart."""
    return float(reply.strip() == reference.strip())


def alike(reply: str, reference: str) -> float:
    """1 where the normalised texts are the same; of a JSON reference, where the reply is JSON of the same value."""
    value = parsed(reference)
    if value is not None:
        return float(parsed(reply) == value)
    wanted = normalised(reference)
    # Nothing but punctuation is compared as it is, else every such answer would be right.
    return float(normalised(reply) == wanted) if wanted else exact(reply, reference)


def _options(answers: Sequence[Answer]) -> Measured:
    """Columns: right, all; then for each class hits, replies with it, replies that should have it; see MOST_CLASSES.

    A class is an expected answer. A reply that is none of the classes is wrong, and adds to no class's precision.
    """
    expected = [option(a.references[0]) for a in answers]
    classes = {name: i for i, name in enumerate(sorted({e.name for e in expected}))}
    if len(classes) > MOST_CLASSES:
        classes = {}
    counts = np.zeros((len(answers), 2 + 3 * len(classes)))
    counts[:, 1] = 1
    for row, answer, wanted in zip(counts, answers, expected, strict=True):
        given = option(answer.reply)
        right = any(given.means(option(r)) for r in answer.references)
        row[0] = right
        if not classes:
            continue
        chosen = classes[wanted.name] if right else classes.get(given.name)
        per_class = row[2:].reshape(len(classes), 3)
        per_class[classes[wanted.name], 2] = 1
        if chosen is not None:
            per_class[chosen, 1] = 1
            per_class[chosen, 0] = right

    if not classes:
        return Measured(("accuracy",), counts, ratio)

    def value(sums: Floats) -> Floats:
        accuracy = ratio(sums[..., :2])
        hits, given, wanted = np.moveaxis(sums[..., 2:].reshape(*sums.shape[:-1], -1, 3), -1, 0)
        there = wanted > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.where(given > 0, hits / given, 0.0)
            recall = np.where(there, hits / wanted, 0.0)
            f1 = np.where(there, 2 * hits / (given + wanted), 0.0)
            macro = [np.where(there, part, 0.0).sum(-1) / there.sum(-1) for part in (precision, recall, f1)]
        return np.stack([accuracy[..., 0], *macro], axis=-1)

    return Measured(("accuracy", "macro_precision", "macro_recall", "macro_f1"), counts, value)


def _items(answers: Sequence[Answer]) -> Measured:
    found = [
        max((overlap.item_overlap(a.reply, r) for r in a.references), key=lambda pair: pair[0] / (pair[1] or 1))
        for a in answers
    ]
    return Measured(("f1",), np.asarray(found, dtype=np.float64).reshape(-1, 2), ratio)


def _json_valid(answers: Sequence[Answer]) -> Measured:
    expected = np.asarray([parsed(a.references[0]) is not None for a in answers], dtype=np.float64)
    valid = np.asarray([parsed(a.reply) is not None for a in answers], dtype=np.float64)
    return Measured(("json_valid",), np.stack([valid * expected, expected], axis=1), ratio)


_MEASURES: dict[str, Measure] = {
    "exact_match": _best(("exact_match", "normalised_match"), exact, alike),
    "accuracy": _options,
    "f1": _items,
    "token_f1": _best(["token_f1"], overlap.token_f1),
    "rouge1": _best(["rouge1"], partial(overlap.rouge_n, n=1)),
    "rouge2": _best(["rouge2"], partial(overlap.rouge_n, n=2)),
    "rougeL": _best(["rougeL"], overlap.rouge_l),
    "edit_similarity": _best(["edit_similarity"], overlap.edit_similarity),
    "bleu": bleu,
    "chrf": chrf,
    "json_valid": _json_valid,
}
