"""A tokenised conversation for the eye: each token's text with the weight of its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from instructkit.chat.documents import label_text
from instructkit.chat.format import chat_format
from instructkit.chat.labels import Labelled, label
from instructkit.chat.rendering import ChatFormat
from instructkit.chat.search import Unlabelled
from instructkit.errors import TrainingError
from instructkit.schema import Example
from instructkit.text.conversation import is_plain_text


def token_view(example: Example, tokenizer: Any, chat_template: str | None = None) -> list[tuple[str, float]]:
    """(text, weight) of every token, in order; the texts joined are the rendered conversation.

    A character that takes several tokens stands with the first of them, the others have the text "".
    Raises TrainingError with the reason where the example cannot be labelled.
    """
    (result,) = labelled([example], chat_format(tokenizer, chat_template))
    if isinstance(result, Unlabelled):
        raise TrainingError(f"example {example.id}: {result.detail} [{result.rule}]")
    return pieces(result)


def labelled(examples: Sequence[Example], chat: ChatFormat) -> list[Labelled | Unlabelled]:
    """Each conversation as `label` gives it, each plain text as `label_text` does; in order."""
    spoken = iter(label([example for example in examples if not is_plain_text(example.messages)], chat))
    return [
        label_text(example, chat.tokenizer) if is_plain_text(example.messages) else next(spoken) for example in examples
    ]


def pieces(result: Labelled) -> list[tuple[str, float]]:
    """(text, weight) of every token of a labelled conversation, as in `token_view`."""
    pairs, shown = [], 0
    last = len(result.offsets) - 1
    for i, (weight, (_, end)) in enumerate(zip(result.weights.tolist(), result.offsets.tolist(), strict=True)):
        # Some tokenizers leave spaces out of their offsets: what lies between two tokens goes to the later one.
        end = len(result.text) if i == last else max(end, shown)
        pairs.append((result.text[shown:end], weight))
        shown = end
    return pairs
