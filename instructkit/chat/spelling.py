"""The bytes that each token stands for: joined they are the text, and they say where in it each token lies.

    tokens   [<|im_start|>][user][⏎][P][ing][?]
    bytes     12            4     1  1  3   1         a token begins where the bytes before it end

With them a text is decoded and its tokens are placed by array arithmetic; no offsets need to be asked for, which saves
a fifth of the tokenizer's own time. Whether the joined bytes are the text is checked each time.

Two ways of spelling are known: byte-level (GPT-2, Llama 3, Qwen), and words with ▁ for the space (Llama 2, Mistral,
Gemma), some of which write a space that the text has not in front of every text and behind every control token.
A tokenizer that spells in another way has no spelling.

Source of the byte-level alphabet: Radford et al., GPT-2, `encoder.py`, bytes_to_unicode.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from instructkit.chat.backend import backend

_NO_TOKEN = 1 << 20
"""Length of an id that is no token: longer than any, so that no text is taken for it."""
_PROBE = "Ping pong, 3 metres\n\nof sea."
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")

Ids = npt.NDArray[np.int32]
Spaced = Literal["never", "first", "always"]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spelling:
    """v tokens; b bytes in all."""

    bytes: npt.NDArray[np.uint8]
    """[b] of all tokens, one behind the other."""
    starts: Places
    """[v]"""
    lengths: Places
    """[v]"""
    added: npt.NDArray[np.bool_]
    """[v] whether it is a control token, or another that texts are split at."""
    spaced: Spaced
    """Which tokens begin with a space that the text has not: none; the first of a text; any behind an added one too."""

    def places(self, ids: Ids, firsts: Places) -> tuple[Places, Places]:
        """[t] first byte of each of t tokens among `bytes`, and how many. `firsts`: the tokens that begin a text."""
        starts, lengths = self.starts[ids], self.lengths[ids]
        if self.spaced != "never" and len(ids):
            added = self.added[ids]
            begins = np.zeros(len(ids), dtype=bool)
            if self.spaced == "always":
                begins[1:] = added[:-1]
            begins[firsts] = True
            begins &= ~added
            starts, lengths = starts + begins, lengths - begins
        return starts, lengths

    def spell(self, starts: Places, lengths: Places) -> npt.NDArray[np.uint8]:
        """The bytes of tokens at these places, joined."""
        shift = starts - (np.cumsum(lengths) - lengths)
        spelled: npt.NDArray[np.uint8] = self.bytes[np.repeat(shift, lengths) + np.arange(lengths.sum())]
        return spelled


def spelling(tokenizer: Any) -> Spelling | None:
    """The spelling of a tokenizer; None for one that spells in another way."""
    from tokenizers import decoders

    inner = backend(tokenizer)
    added = inner.get_added_tokens_decoder()
    spell = _byte_level() if isinstance(inner.decoder, decoders.ByteLevel) else _words
    vocabulary = inner.get_vocab(with_added_tokens=True)
    spelled = [b""] * (max(vocabulary.values(), default=-1) + 1)
    for token, i in vocabulary.items():
        spelled[i] = token.encode() if i in added else spell(token)
    lengths = np.array([len(s) for s in spelled], dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    lengths[lengths == 0] = _NO_TOKEN
    is_added = np.zeros(len(spelled), dtype=bool)
    is_added[list(added)] = True
    made = Spelling(np.frombuffer(b"".join(spelled), dtype=np.uint8), starts, lengths, is_added, spaced="never")
    for way in (made, replace(made, spaced="first"), replace(made, spaced="always")):
        if all(_spells(way, text, inner) for text in (_PROBE, *(t.content + _PROBE for t in list(added.values())[:1]))):
            return way
    return None


def _spells(way: Spelling, text: str, inner: Any) -> bool:
    ids = np.array(inner.encode(text, add_special_tokens=False).ids, dtype=np.int32)
    starts, lengths = way.places(ids, np.zeros(1, dtype=np.int64))
    written = text.encode()
    return bool(lengths.sum() == len(written)) and way.spell(starts, lengths).tobytes() == written


def _byte_level() -> Callable[[str], bytes]:
    """A sign stands for each byte: itself where it can be printed, else one from 256 on."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    alphabet = {byte: byte for byte in printed} | {256 + n: byte for n, byte in enumerate(others)}
    known = set(alphabet)

    def spell(token: str) -> bytes:
        # As the decoder does it: a token with any other sign in it stands for itself.
        plain = known.issuperset(map(ord, token))
        return token.translate(alphabet).encode("latin-1") if plain else token.encode()

    return spell


def _words(token: str) -> bytes:
    byte = _BYTE.fullmatch(token)
    return bytes([int(byte[1], 16)]) if byte else token.replace("▁", " ").encode()
