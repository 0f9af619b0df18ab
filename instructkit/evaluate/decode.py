"""Replies: conversations go in, the model's replies come out and stop where the model stops.

    prompts      c c c c c c          padded on the left, so that all replies begin in one column;
                 . . a a a a          longest first, so that prompts of a kind share a batch
                 . . . b b b

A reply does not depend on its batch: padding is masked, and the model is asked beforehand whether that is exact for it.
Where it is not (some recurrent layers), only prompts of equal length share a batch, or each is answered alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch

from instructkit.chat.rendering import ChatFormat, turn
from instructkit.errors import UsageFault
from instructkit.evaluate.sampling import Draws
from instructkit.evaluate.subject import model_limit
from instructkit.schema import Message

BATCH_TOKENS = 16_384
"""Tokens of a batch, prompts and longest replies and padding together, where keys and values are small."""
CACHE_BYTES = 1 << 30
"""What keys and values of a batch may take; a single reply may take more."""
TOLERANCE = 1e-3
"""Largest difference that padding may make to a logit, relative to the largest logit. Seen in fp32: 1e-6 where padding
is masked, above 1e-2 where it is not."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """How replies are written."""

    max_new_tokens: int = 256
    temperature: float | None = None
    """None: greedy, the likeliest token each time."""
    top_p: float = 1.0
    """Draw from the likeliest tokens that make up this share."""
    samples: int = 1
    """Replies to each prompt; several need a temperature."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples > 1 and self.temperature is None:
            raise UsageFault(f"{self.samples} samples of a greedy reply are all the same; set a temperature")


@dataclass(frozen=True)
class Reply:
    """What a model answered."""

    text: str
    tokens: int
    """Written by the model, the stop token included."""
    stopped: bool
    """Whether the model ended the reply itself; else it ran into the limit."""


class Prompt(NamedTuple):
    """What a model is to answer."""

    ids: list[int]
    key: str
    """What the draws depend on, beside the seed: an example's id."""


Together = Literal["any", "equal", "none"]
"""Which prompts may share a batch: any, those of equal length, or none."""
Told = Callable[[int, int], None]
"""Called with replies done and to be done."""


def prompt_ids(chat: ChatFormat, messages: Sequence[Message], tools: list[Any] | None = None) -> list[int]:
    """Tokens of a conversation, with those that make the model answer."""
    text, _ = chat.render([turn(m) for m in messages], tools, prompt=True)
    ids: list[int] = chat.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def replies(
    model: Any, chat: ChatFormat, prompts: Sequence[Prompt], decoding: Decoding, told: Told | None = None
) -> list[list[Reply]]:
    """`decoding.samples` replies of a loaded model to each prompt; none where the prompt leaves no room for one.

    The model must attend with a cache (see `Runner.generating`).
    """
    samples = [Prompt(p.ids, f"{p.key}/{n}") for p in prompts for n in range(decoding.samples)]
    rooms = [room(model, len(p.ids), decoding.max_new_tokens) for p in samples]
    answerable = [i for i, left in enumerate(rooms) if left > 0]
    written: dict[int, Reply] = {}
    stops = stop_ids(model, chat)
    together: Together = exact_batches(model) if len(answerable) > 1 else "none"
    for batch in _batches([len(p.ids) for p in samples], rooms, answerable, batch_tokens(model), together):
        ids = _write(model, chat, stops, [samples[i] for i in batch], rooms[batch[0]], decoding)
        for i, new in zip(batch, ids, strict=True):
            written[i] = _reply(chat, stops, new)
        if told is not None:
            told(len(written), len(answerable))
    return [
        [written[i] for i in range(start, start + decoding.samples) if i in written]
        for start in range(0, len(samples), decoding.samples)
    ]


def room(model: Any, prompt_tokens: int, wanted: int) -> int:
    """Tokens that a reply may have: those wanted, or what the model's positions leave."""
    longest = None if model.config.is_encoder_decoder else model_limit(model)
    return wanted if longest is None else max(0, min(wanted, longest - prompt_tokens))


def stop_ids(model: Any, chat: ChatFormat) -> list[int]:
    """Tokens that end a reply: the chat format's first, then those that the model brings."""
    own = model.generation_config.eos_token_id if model.generation_config is not None else None
    own = own if own is not None else getattr(model.config, "eos_token_id", None)
    own = own if isinstance(own, list) else [own]
    return list(dict.fromkeys([chat.stop_id, *(i for i in own if i is not None)]))


def batch_tokens(model: Any) -> int:
    """Tokens of a batch whose keys and values, in fp32, take CACHE_BYTES at most; never more than BATCH_TOKENS."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None) or 1
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    values: int = 2 * config.num_hidden_layers * (getattr(config, "num_key_value_heads", None) or heads) * width
    return max(1, min(BATCH_TOKENS, CACHE_BYTES // (4 * values)))


def exact_batches(model: Any) -> Together:
    """Which prompts may share a batch: those that get the same logits there, over some tokens, as alone."""
    vocabulary = model.get_input_embeddings().num_embeddings
    first, other, longer = ([(i * 31 + start) % vocabulary for i in range(n)] for n, start in ((4, 5), (4, 8), (11, 3)))
    alone = _logits(model, [first])
    tries: tuple[tuple[Together, list[int]], ...] = (("any", longer), ("equal", other))
    for together, beside in tries:
        if (_logits(model, [beside, first]) - alone).abs().max() <= TOLERANCE * alone.abs().max():
            return together
    return "none"


def _logits(model: Any, prompts: Sequence[list[int]]) -> torch.Tensor:
    """[3, V]: of the first tokens written to the last prompt; the later ones come from the cache."""
    found = _generate(model, prompts, pad=0, max_new_tokens=3, stops=None, output_logits=True)
    return torch.stack([step[-1] for step in found.logits])


def _batches(
    lengths: Sequence[int], rooms: Sequence[int], chosen: Sequence[int], budget: int, together: Together
) -> Iterator[list[int]]:
    """Longest first. Replies of a batch have the same limit, so that no prompt is cut short by another's."""
    batch: list[int] = []
    for i in sorted(chosen, key=lambda i: (rooms[i], -lengths[i], i)):
        if batch:
            first = batch[0]
            full = (len(batch) + 1) * (lengths[first] + rooms[first]) > budget
            unlike = together == "none" or (together == "equal" and lengths[i] != lengths[first])
            if full or unlike or rooms[i] != rooms[first]:
                yield batch
                batch = []
        batch.append(i)
    if batch:
        yield batch


def _write(
    model: Any, chat: ChatFormat, stops: list[int], prompts: Sequence[Prompt], limit: int, decoding: Decoding
) -> list[list[int]]:
    """New tokens of each prompt, up to its stop token."""
    pad = chat.tokenizer.pad_token_id if chat.tokenizer.pad_token_id is not None else chat.stop_id
    drawn = None
    if decoding.temperature is not None:
        drawn = Draws([p.key for p in prompts], decoding.temperature, decoding.top_p, decoding.seed)
    new = _generate(model, [p.ids for p in prompts], pad, max_new_tokens=limit, stops=stops, drawn=drawn).sequences
    first = 1 if model.config.is_encoder_decoder else max(len(p.ids) for p in prompts)
    rows = []
    for row in new[:, first:].tolist():
        end = next((i for i, token in enumerate(row) if token in stops), len(row) - 1)
        rows.append(row[: end + 1])
    return rows


def _generate(
    model: Any,
    prompts: Sequence[list[int]],
    pad: int,
    *,
    max_new_tokens: int,
    stops: list[int] | None,
    drawn: Draws | None = None,
    output_logits: bool = False,
) -> Any:
    """What `model.generate` gives as a dictionary."""
    from transformers import GenerationConfig

    width = max(map(len, prompts))
    encoder = model.config.is_encoder_decoder  # absolute positions of an encoder are counted from the left
    ids = torch.full((len(prompts), width), pad)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        place = slice(0, len(prompt)) if encoder else slice(width - len(prompt), width)
        ids[row, place] = torch.tensor(prompt)
        mask[row, place] = 1
    own = model.generation_config
    config = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=stops,
        pad_token_id=pad,
        decoder_start_token_id=_decoder_start(model) if encoder else None,
        output_logits=output_logits,
        return_dict_in_generate=True,
    )
    # Everything is set above: a checkpoint's own generation_config must not add to it.
    model.generation_config = GenerationConfig()
    try:
        with torch.inference_mode():
            return model.generate(
                ids.to(model.device),
                attention_mask=mask.to(model.device),
                generation_config=config,
                logits_processor=[drawn] if drawn is not None else [],
            )
    finally:
        model.generation_config = own


def _decoder_start(model: Any) -> int | None:
    own = model.generation_config
    start: int | None = own.decoder_start_token_id if own is not None else None
    return model.config.decoder_start_token_id if start is None else start


def _reply(chat: ChatFormat, stops: list[int], new: list[int]) -> Reply:
    stopped = bool(new) and new[-1] in stops
    return Reply(chat.tokenizer.decode(new[:-1] if stopped else new).strip(), len(new), stopped)
