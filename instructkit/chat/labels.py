"""Token ids with labels, by construction: a token is trained on iff it lies in a target, and then that is verified.

    text     <|im_start|>assistant⏎Pong.<|im_end|>⏎
    tokens   [<|im_start|>][assistant][⏎][P][ong][.][<|im_end|>][⏎]
    weights        0            0      0  1   1   1       1      0
    labels       -100         -100  -100  …the ids themselves… -100      (unshifted: only the loss shifts)

A token on the edge of a target belongs to it when only whitespace of it lies outside (tokenizers glue a space to the
word that follows). A token that holds letters of both sides makes the example unlabelled: a counted drop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from instructkit.chat.locate import Located, locate
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.search import Target, Unlabelled
from instructkit.schema import Example

IGNORED = -100
"""Label of a token that is not trained on."""


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


def label(examples: Sequence[Example], chat: ChatFormat) -> list[Labelled | Unlabelled]:
    """Each example's token ids with weights, or why it has none; one tokenizer call for all."""
    results: list[Labelled | Unlabelled] = []
    located: list[tuple[int, Located]] = []
    for example in examples:
        try:
            found = locate(example.messages, tools_of(example), chat)
            located.append((len(results), found))
            results.append(Unlabelled("pending", ""))
        except Unlabelled as fault:
            results.append(fault)
    if not located:
        return results
    encoded = chat.tokenizer(
        [found.text for _, found in located],
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    runs: list[tuple[int, Target, list[int]]] = []
    for (row, found), ids, offsets in zip(located, encoded["input_ids"], encoded["offset_mapping"], strict=True):
        try:
            labelled, ranges = _weigh(found, ids, offsets, examples[row].weight)
        except Unlabelled as fault:
            results[row] = fault
            continue
        results[row] = labelled
        runs += [(row, target, ids[first:last]) for target, (first, last) in zip(found.targets, ranges, strict=True)]
    _verify(runs, results, examples, chat)
    return results


def tools_of(example: Example) -> list[Any] | None:
    """The tools of an example as a template takes them. Raises Unlabelled where they are not JSON."""
    try:
        return orjson.loads(example.tools) if example.tools else None
    except ValueError as error:
        raise Unlabelled("json", f"tools are not JSON: {error}") from error


def _weigh(
    found: Located, ids: list[int], offsets: list[tuple[int, int]], example_weight: float
) -> tuple[Labelled, list[tuple[int, int]]]:
    places = np.asarray(offsets, dtype=np.int64).reshape(-1, 2)
    weights = np.zeros(len(ids), dtype=np.float32)
    ranges = []
    for target in found.targets:
        first, last = _tokens_of(target, places, found.text)
        weights[first:last] = target.weight
        for start, end, weight in target.spans:
            # A token belongs to the span that its first character lies in.
            begins = np.maximum(places[first:last, 0], target.start)
            weights[first:last][(begins >= start) & (begins < end)] = weight
        ranges.append((first, last))
    labelled = Labelled(np.asarray(ids, dtype=np.int32), weights * np.float32(example_weight), places, found.text)
    return labelled, ranges


def _tokens_of(target: Target, places: npt.NDArray[np.int64], text: str) -> tuple[int, int]:
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
    while last > first and places[last - 1, 1] > end:
        s, e = (int(x) for x in places[last - 1])
        inside, outside = text[max(s, start) : end], text[end:e]
        if outside.strip() and inside.strip():
            raise Unlabelled("edge", f"token {text[s:e]!r} lies half in message {target.message}")
        if inside.strip():
            break
        last -= 1
    return first, last


def _verify(
    runs: list[tuple[int, Target, list[int]]],
    results: list[Labelled | Unlabelled],
    examples: Sequence[Example],
    chat: ChatFormat,
) -> None:
    """Decoded trained tokens must be the message and its stop token, up to whitespace at the edges."""
    decoded = chat.tokenizer.backend_tokenizer.decode_batch([ids for _, _, ids in runs], skip_special_tokens=False)
    for (row, target, _), text in zip(runs, decoded, strict=True):
        labelled = results[row]
        if isinstance(labelled, Unlabelled):
            continue
        expected = labelled.text[target.start : target.end].strip()
        got = text.strip()
        message = examples[row].messages[target.message]
        body = expected.removesuffix(target.stop) if target.stop else expected
        whole = (
            message.content.strip() in body if message.tool_calls else body.strip().endswith(message.content.strip())
        )
        if got != expected or not whole:
            results[row] = Unlabelled("verify", difference(f"message {target.message}", got, expected))


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
