"""What is trained on: chats of Alpaca's lengths cut from the benchmarks' corpus, a large tokenizer, new models.

FOLDER/<shape>/
examples/0.parquet     the chats, for the trainer here: about as many as its steps take
tokens.npz             the same chats as token ids and labels, for the others
heldout.npz            chats that nobody trains on
model/                 a new model of that shape with the tokenizer, from which everybody starts
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.corpus import Piece
from instructkit.hashing import record_hash, uniform
from instructkit.schema import Example, Message, Origin, frame

VOCABULARY = 49_152
PROMPT_CHARACTERS, ANSWER_CHARACTERS = 110, 270
"""Medians of Alpaca's instruction with its input, and of its output."""
SPREAD = 0.8
"""Standard deviation of the logarithm of both."""
SEQUENCE_LENGTH = 1024
TOKENS_PER_STEP = 8 * SEQUENCE_LENGTH
SHAPES: dict[str, dict[str, int]] = {
    "25M": {"hidden_size": 320, "num_hidden_layers": 8, "num_attention_heads": 5, "intermediate_size": 864},
    "SmolLM2-135M": {
        "hidden_size": 576,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "intermediate_size": 1536,
    },
}
"""Llama shapes with random weights and tied embeddings; the second is SmolLM2-135M's, by its published config."""


class Chats(NamedTuple):
    """Tokenised chats, one behind the other; n chats, t tokens."""

    ids: npt.NDArray[np.int32]
    """[t]"""
    labels: npt.NDArray[np.int32]
    """[t] -100 where not trained; unshifted."""
    starts: npt.NDArray[np.int64]
    """[n + 1]"""

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, part: slice = slice(None)) -> Iterator[tuple[list[int], list[int]]]:
        """(ids, labels) of each chat."""
        for start, end in list(zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True))[part]:
            yield self.ids[start:end].tolist(), self.labels[start:end].tolist()


def read_chats(path: Path) -> Chats:
    """Chats as `write_chats` left them."""
    with np.load(path) as arrays:
        return Chats(arrays["ids"], arrays["labels"], arrays["starts"])


def chats(pieces: Sequence[Piece], count: int) -> Iterator[Example]:
    """So many chats: the next characters of a piece as the prompt, those behind them as the answer."""
    made, drawn = 0, 0
    for piece in pieces:
        at = 0
        while made < count:
            drawn += 1  # lengths that do not fit into the rest of a piece are not tried again: none may fit any
            asked, answered = (
                max(8, round(median * math.exp(SPREAD * NormalDist().inv_cdf(uniform(17, what, str(drawn)) or 0.5))))
                for what, median in (("prompt", PROMPT_CHARACTERS), ("answer", ANSWER_CHARACTERS))
            )
            prompt, answer = piece.body[at : at + asked], piece.body[at + asked : at + asked + answered]
            if len(answer) < answered:
                break
            at += asked + answered
            prompt, answer = prompt.strip(), answer.strip()
            if not prompt or not answer:
                continue
            messages = [Message(role="user", content=prompt), Message(role="assistant", content=answer)]
            yield Example(
                id=f"chat-{made}",
                content_hash=record_hash(prompt, answer),
                messages=messages,
                source=piece.kind,
                origin=Origin(file=piece.title),
                group=f"chat-{made}",
                split="train",
            )
            made += 1


def write_projects(folder: Path, pieces: Sequence[Piece], counts: Mapping[str, int], heldout: int) -> None:
    """The whole folder, see the head of the file; `counts`: chats by shape."""
    from instructkit.chat.format import chat_format
    from instructkit.train.data.tokenizer import message_texts, train_tokenizer

    made = frame(Example, chats(pieces, max(counts.values()) + heldout))
    texts = message_texts([frame(Example, chats(pieces, 100_000))])
    tokenizer = train_tokenizer(texts, VOCABULARY, SEQUENCE_LENGTH)
    chat = chat_format(tokenizer)
    for shape, count in counts.items():
        project, training = folder / shape, made.head(count)
        (project / "examples").mkdir(parents=True)
        training.write_parquet(project / "examples/0.parquet")
        for name, rows in (("tokens", training), ("heldout", made.tail(heldout))):
            write_chats(project / f"{name}.npz", rows, chat)
        _new_model(SHAPES[shape], tokenizer).save_pretrained(project / "model")
        tokenizer.save_pretrained(project / "model")


def write_chats(path: Path, rows: Any, chat: Any) -> None:
    """Examples as token ids and labels."""
    from instructkit.chat.tokenize import tokenize

    tokens = tokenize(rows, chat).rows
    lengths = tokens["input_ids"].list.len().to_numpy()
    np.savez(
        path,
        ids=tokens["input_ids"].explode().to_numpy().astype(np.int32),
        labels=tokens["labels"].explode().to_numpy().astype(np.int32),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )


def _new_model(shape: dict[str, int], tokenizer: Any) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(17)
    config = LlamaConfig(
        **shape,
        vocab_size=VOCABULARY,
        max_position_embeddings=SEQUENCE_LENGTH,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)
