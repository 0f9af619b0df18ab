"""Ask a model: conversations go in, its replies come out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from instructkit.chat.labels import tools_of
from instructkit.chat.tokenize import tokenize
from instructkit.errors import UsageFault
from instructkit.evaluate.classify import classify
from instructkit.evaluate.decode import Decoding, Prompt, Reply, Told, prompt_ids, replies
from instructkit.evaluate.losses import documents_of
from instructkit.evaluate.subject import Subject, open_model
from instructkit.models.load import Precision, autocast, compute_dtype
from instructkit.schema import Example, Message, Origin, frame, records


def generate(
    model: str | Path,
    conversation: str | Sequence[Message],
    *,
    max_new_tokens: int = 256,
    temperature: float | None = None,
    top_p: float = 1.0,
    seed: int = 0,
) -> Reply:
    """The reply of a model directory (or hub name) to a prompt, or to a conversation; the class, of a classifier.

    `temperature` None: greedy, the likeliest token each time. Raises TrainingError where the model cannot be loaded,
    UsageFault where the prompt leaves no room for a reply.
    """
    decoding = Decoding(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, seed=seed)
    return generate_all(open_model(model), [conversation], decoding)[0][0]


def generate_all(
    subject: Subject, conversations: Sequence[str | Sequence[Message]], decoding: Decoding
) -> list[list[Reply]]:
    """The replies of a model to each prompt or conversation, in order; `decoding.samples` of each.

    Raises UsageFault where a prompt leaves no room for a reply.
    """
    spoken = [[Message(role="user", content=c)] if isinstance(c, str) else [*c] for c in conversations]
    # A pair is a prompt with its reply: where there is none yet, anything stands in for it.
    stand_in = subject.chat.classes[0] if subject.chat.classes else "-"
    rows = [
        Example(
            id=str(number),
            content_hash="",
            messages=[*messages, Message(role="assistant", content=stand_in)],
            source="",
            origin=Origin(file=""),
            group="",
        )
        for number, messages in enumerate(spoken)
    ]
    found = answers(subject, frame(Example, rows), decoding)
    for several, row in zip(found, rows, strict=True):
        if not several:
            used = len(prompt_ids(subject.chat, row.messages[:-1]))
            raise UsageFault(
                f"the prompt has {used:,} tokens, the model takes {subject.max_tokens or 0:,}: no room for a reply"
            )
    return found


def answers(
    subject: Subject,
    examples: pl.DataFrame,
    decoding: Decoding,
    precision: Precision = "auto",
    told: Told | None = None,
) -> list[list[Reply]]:
    """`decoding.samples` replies to each example without its last message; one class, of a classifier; none where the
    prompt leaves no room for a reply, or the example cannot be shown to the model.
    """
    runner, chat = subject.runner, subject.chat
    if chat.reads == "conversation":
        given = records(Example, examples)
        prompts = [Prompt(prompt_ids(chat, e.messages[:-1], tools_of(e)), e.id) for e in given]
    else:
        rows = tokenize(examples, chat).rows
        documents = dict(zip(rows["id"], documents_of(rows), strict=True))
        known = [i for i in examples["id"] if i in documents]
        if chat.reads == "class":
            chosen = classify(runner, [documents[i] for i in known], precision)
            classes = {i: [Reply(chat.classes[number], 1, True)] for i, number in zip(known, chosen, strict=True)}
            return [classes.get(i, []) for i in examples["id"]]
        prompts = [Prompt(documents[i].ids[: documents[i].read_tokens].tolist(), i) for i in known]
    with runner.generating() as model, autocast(model.device, compute_dtype(precision, model.device)):
        written = replies(model, chat, prompts, decoding, told)
    found = {prompt.key: several for prompt, several in zip(prompts, written, strict=True)}
    return [found.get(i, []) for i in examples["id"]]
