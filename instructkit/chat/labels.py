"""Token ids with labels, by construction: a token is trained on iff it lies in a target, and then that is verified.

    text     <|im_start|>assistant⏎Pong.<|im_end|>⏎
    tokens   [<|im_start|>][assistant][⏎][P][ong][.][<|im_end|>][⏎]
    weights        0            0      0  1   1   1       1      0
    labels       -100         -100  -100  …the ids themselves… -100      (unshifted: only the loss shifts)

A token on the edge of a target belongs to it when only whitespace of it lies outside (tokenizers glue a space to the
word that follows). A token that holds letters of both sides, or whitespace of the message's own that is glued to
the template's, makes the example unlabelled: a counted drop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import numpy as np
import numpy.typing as npt
import orjson

from instructkit.chat.backend import backend
from instructkit.chat.locate import Located, locate
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.scaffold import Scaffolds
from instructkit.chat.search import Target, Unlabelled
from instructkit.schema import Example

IGNORED = -100
"""Label of a token that is not trained on."""


_PENDING = Unlabelled("pending", "")


@dataclass(frozen=True)
class Labelled:
    """A tokenised conversation; the arrays have one length."""

    input_ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    """Of the loss, the example's weight included; 0 where not trained."""
    offsets: npt.NDArray[np.int64]
    """[tokens, 2]: the characters of `text` that each token covers."""
    text: str

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """`input_ids` where trained, -100 elsewhere; unshifted."""
        return np.where(self.weights > 0, self.input_ids, np.int32(IGNORED))


def label(
    examples: Sequence[Example], chat: ChatFormat, scaffolds: Scaffolds | None = None
) -> list[Labelled | Unlabelled]:
    """Each example's token ids with weights, or why it has none; one tokenizer call for all."""
    scaffolds = scaffolds or Scaffolds(chat)
    results: list[Labelled | Unlabelled] = []
    located: list[tuple[int, Located]] = []
    for example in examples:
        try:
            located.append((len(results), locate(example.messages, tools_of(example), chat, scaffolds)))
            results.append(_PENDING)
        except Unlabelled as fault:
            results.append(fault)
    encodings = backend(chat.tokenizer).encode_batch([found.text for _, found in located], add_special_tokens=False)
    runs: list[tuple[int, Target, list[int]]] = []
    for (row, found), encoding in zip(located, encodings, strict=True):
        ids = encoding.ids
        try:
            labelled, ranges = _weigh(found, ids, encoding.offsets, examples[row])
        except Unlabelled as fault:
            results[row] = fault
            continue
        results[row] = labelled
        runs += [(row, target, ids[first:last]) for target, (first, last) in zip(found.targets, ranges, strict=True)]
    _verify(runs, results, chat)
    return results


def tools_of(example: Example) -> list[Any] | None:
    """The tools of an example as a template takes them. Raises Unlabelled where they are not JSON."""
    try:
        return orjson.loads(example.tools) if example.tools else None
    except ValueError as error:
        raise Unlabelled("json", f"tools are not JSON: {error}") from error


def _weigh(
    found: Located, ids: list[int], offsets: list[tuple[int, int]], example: Example
) -> tuple[Labelled, list[tuple[int, int]]]:
    places = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
    weights = np.zeros(len(ids), dtype=np.float32)
    ranges = []
    for target in found.targets:
        first, last = _tokens_of(target, places, found.text, example.messages[target.message].content)
        weights[first:last] = target.weight
        if target.spans:
            begins = _first_letters(places[first:last].tolist(), found.text)
            for start, end, weight in target.spans:
                weights[first:last][(begins >= start) & (begins < end)] = weight
        ranges.append((first, last))
    labelled = Labelled(np.asarray(ids, dtype=np.int32), weights * np.float32(example.weight), places, found.text)
    return labelled, ranges


def _first_letters(places: list[list[int]], text: str) -> npt.NDArray[np.int64]:
    """Where each token's first letter stands: what a token belongs to, for a space in front is only glued to it."""
    starts = []
    for start, end in places:
        letters = text[start:end].lstrip()
        starts.append(end - len(letters) if letters else start)
    return np.array(starts, dtype=np.int64)


def _tokens_of(target: Target, places: npt.NDArray[np.int64], text: str, content: str) -> tuple[int, int]:
    """Range of the tokens of a target: those whose letters all lie inside it."""
    start, end = target.start, target.end
    # Several byte tokens of one character share its offsets; empty offsets are whitespace that was trimmed away.
    touching = np.flatnonzero((places[:, 0] < end) & (np.maximum(places[:, 1], places[:, 0] + 1) > start))
    if not len(touching):
        raise Unlabelled("no-tokens", f"message {target.message} has no token of its own")
    first, last = int(touching[0]), int(touching[-1]) + 1
    while first < last and places[first, 0] < start:
        s, e = (int(x) for x in places[first])
        outside, inside = text[s:start], text[start : min(e, end)]
        if outside.strip() and inside.strip():
            raise Unlabelled("edge", f"token {text[s:e]!r} lies half in message {target.message}")
        if inside.strip():
            break
        first += 1
    covered = int(places[first, 0]) if first < last else end
    if covered > start and (lead := _own_lead(target, text, content)) is not None and covered > lead:
        raise Unlabelled(
            "edge",
            f"message {target.message} begins with whitespace that the tokenizer joins with the template's; "
            "strip it, or the model never learns to write it",
        )
    while last > first and places[last - 1, 1] > end:
        s, e = (int(x) for x in places[last - 1])
        inside, outside = text[max(s, start) : end], text[end:e]
        if outside.strip() and inside.strip():
            raise Unlabelled("edge", f"token {text[s:e]!r} lies half in message {target.message}")
        if inside.strip():
            break
        last -= 1
    return first, last


def _own_lead(target: Target, text: str, content: str) -> int | None:
    """Where the whitespace that the message itself begins with stands; None where the template trimmed it away."""
    lead = content[: len(content) - len(content.lstrip())]
    body = text[target.start : target.end - len(target.stop)]
    begins = target.start + len(body) - len(body.lstrip()) - len(lead)
    return begins if lead and begins >= target.start and text.startswith(lead, begins) else None


def _verify(runs: list[tuple[int, Target, list[int]]], results: list[Labelled | Unlabelled], chat: ChatFormat) -> None:
    """Decoded trained tokens must be the target's text, up to whitespace at the edges, and end with its stop token."""
    inner = backend(chat.tokenizer)
    decoded = inner.decode_batch([ids for _, _, ids in runs], skip_special_tokens=False)
    for (row, target, ids), text in zip(runs, decoded, strict=True):
        labelled = results[row]
        if isinstance(labelled, Unlabelled):
            continue
        expected, got = labelled.text[target.start : target.end].strip(), text.strip()
        # Canonically equal is equal: a tokenizer that composes accents cannot write them any other way.
        if got != expected and normalize("NFC", got) != normalize("NFC", expected):
            results[row] = Unlabelled("verify", difference(f"message {target.message}", got, expected))
        elif target.stop and ids[-1:] != [inner.token_to_id(target.stop)]:
            results[row] = Unlabelled(
                "verify", f"message {target.message} does not end with the one token {target.stop!r}"
            )


def difference(what: str, got: str, expected: str) -> str:
    """Where the text that trained tokens decode to is not the text that they should be."""
    place = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), 0)
    return f"trained tokens of {what} decode to {_around(got, place)}, it reads {_around(expected, place)}"


def _around(text: str, place: int) -> str:
    cut = text[max(0, place - 20) : place + 20]
    return repr(cut) if len(text) <= 40 else f"…{cut!r}…"


def supervised_tokens(labelled: Labelled) -> int:
    """How many tokens the loss really sees: the first token of a row has nothing before it to be predicted from."""
    return int((labelled.weights[1:] > 0).sum())
