"""A conversation cut to fit: the middle of the longest prompts goes, answers and scaffold stay whole.

    before   user: AAAAAAAAAAAAAAAA   user: BBBB   assistant: CCC        16 + 4 + 3 tokens, room for 13
    after    user: AAA~~~AAA          user: BBBB   assistant: CCC        ~ is where ten tokens stood

The longest untrained message is cut down to the length of the second longest before that one is touched. Cutting the
middle keeps the instruction, which stands at one end, and both ends of the text; source: Bai et al., LongBench,
arXiv:2308.14508, section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
import numpy.typing as npt

from instructkit.chat.backend import backend
from instructkit.chat.labels import label
from instructkit.chat.locate import is_trained
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.search import Unlabelled
from instructkit.schema import Example, Message
from instructkit.text.conversation import content_hash


def cut_to(example: Example, max_tokens: int, chat: ChatFormat) -> tuple[Example, int] | None:
    """The example, cut where needed so that it has at most `max_tokens` tokens, and how many tokens were taken out.

    Deterministic, and verified: the cut example is rendered, tokenised and labelled again. None where it cannot fit:
    less than one token of each prompt would be left, or the example cannot be labelled.
    """
    (whole,) = label([example], chat)
    if isinstance(whole, Unlabelled):
        return None
    tokens = len(whole.input_ids)
    if tokens <= max_tokens:
        return example, 0
    places = {i: _places(m.content, chat) for i, m in enumerate(example.messages) if m.content and not is_trained(m)}
    room = sum(map(len, places.values())) - (tokens - max_tokens)
    while (level := _level(map(len, places.values()), room)) > 0:
        shorter = _cut(example, places, level)
        (result,) = label([shorter], chat)
        if isinstance(result, Unlabelled):
            return None
        over = len(result.input_ids) - max_tokens
        if over <= 0:
            return shorter, tokens - len(result.input_ids)
        room -= over  # the seam, or what a text is next to, can cost a token: a little more goes
    return None


def _places(content: str, chat: ChatFormat) -> npt.NDArray[np.int64]:
    """[tokens, 2]: the characters that each token of a content covers."""
    encoding = backend(chat.tokenizer).encode(content, add_special_tokens=False)
    return np.asarray(encoding.offsets, dtype=np.int64).reshape(-1, 2)


def _level(lengths: Iterable[int], room: int) -> int:
    """The largest n for which the lengths, none longer than n, sum up to at most `room`; 0 where there is none.

    Example: lengths 16 and 4, room 10 -> 6.
    """
    shortest_first = sorted(lengths)
    for i, length in enumerate(shortest_first):
        level = room // (len(shortest_first) - i)
        if level < length:
            return max(level, 0)
        room -= length
    return shortest_first[-1] if shortest_first else 0


def _cut(example: Example, places: dict[int, npt.NDArray[np.int64]], level: int) -> Example:
    messages = [
        _without_middle(message, places[i], level) if i in places and len(places[i]) > level else message
        for i, message in enumerate(example.messages)
    ]
    return msgspec.structs.replace(example, messages=messages, content_hash=content_hash(messages, example.tools))


def _without_middle(message: Message, places: npt.NDArray[np.int64], level: int) -> Message:
    ahead = level - level // 2
    head = int(places[ahead - 1, 1])
    # Byte tokens of one character share its place: it must not stand on both sides of the seam.
    tail = max(head, int(places[len(places) - level // 2, 0])) if level > 1 else len(message.content)
    return msgspec.structs.replace(message, content=message.content[:head] + message.content[tail:], spans=None)
