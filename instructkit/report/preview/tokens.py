"""Examples as tokens of a model, for previews: the chat format is probed once, not for each example."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instructkit.chat.format import chat_format
from instructkit.chat.search import Unlabelled
from instructkit.chat.view import labelled, pieces
from instructkit.schema import Example


class Tokens:
    """Shows examples as tokens of one model."""

    def __init__(self, tokenizer: Any) -> None:
        """Raises TrainingError where conversations of this tokenizer cannot be labelled."""
        self._chat = chat_format(tokenizer)

    def views(self, examples: Sequence[Example]) -> dict[str, list[tuple[str, float]] | str]:
        """By example id: (text, weight) of each token, or why a training would leave the example out."""
        found_of = labelled(examples, self._chat)
        return {
            example.id: f"{found.rule}: {found.detail}" if isinstance(found, Unlabelled) else pieces(found)
            for example, found in zip(examples, found_of, strict=True)
        }
