"""The Rust tokenizer under a Hugging Face one, in a state that loses nothing."""

from __future__ import annotations

from typing import Any


def backend(tokenizer: Any, *, spell_out: bool = False) -> Any:
    """The `tokenizers.Tokenizer`, set to neither cut nor pad, as a saved tokenizer may be.

    `spell_out`: control tokens in a text are read as the characters they are. Nothing is put back: transformers sets
    all three anew before each call of its own.
    """
    inner = tokenizer.backend_tokenizer
    # Only what differs: another thread may be reading, and a setter wants the tokenizer for itself.
    if inner.truncation is not None:
        inner.no_truncation()
    if inner.padding is not None:
        inner.no_padding()
    if inner.encode_special_tokens != spell_out:
        inner.encode_special_tokens = spell_out
    return inner
