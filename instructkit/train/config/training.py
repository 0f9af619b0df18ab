"""What a training is: the keys of an entry under a recipe's `train:`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from instructkit.errors import UsageFault
from instructkit.train.config.bounds import Count, Rate, Share
from instructkit.train.config.scratch import Scratch

Objective = Literal["instruction", "language-modeling", "classification"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """Tune a language model on the training split of a step's examples, or pretrain one on documents."""

    examples: str
    """The step whose examples are trained on. Rows of split `train` are trained on, `validation` is measured along
    the way, `test` before and after. With `objective: language-modeling` it may be a step of documents; those without
    a split count as `train`."""

    objective: Objective = "instruction"
    """What is learned. `instruction`: the replies of conversations, by decoders and by encoder-decoders (T5, BART),
    which read up to the last reply and write that. `language-modeling`: every token of a text; long ones are cut into
    pieces of sequence_length. `classification`: to tell which of the last replies that occur belongs to a conversation;
    it gives a sequence classifier."""

    from_: str | None = None
    """Another training of the recipe whose model this one starts from, in place of `model`. It runs first, if it is not
    finished."""

    model: str | Scratch | None = None
    """A Hugging Face model directory, its path relative to the project; or a hub name, taken at the commit in the local
    cache, else the newest; or the shape of a new model, with the keys below."""

    sequence_length: Annotated[int, msgspec.Meta(ge=16)] = 2048
    """Tokens in one packed row, and so in the longest example that fits."""

    overlong: Literal["error", "drop"] = "error"
    """What happens to examples longer than sequence_length. They are dropped and counted; with `error`, training
    refuses to start when they are more than 1 in 100. Nothing is ever cut."""

    max_unlabelled: Share = 0.01
    """Largest share of examples that may be dropped because the chat template cannot show them faithfully, before
    training refuses to start."""

    chat_template: str | None = None
    """How conversations are written: `chatml`, a `.jinja` file, its path relative to the project, or Jinja text. None:
    the model's own, and ChatML for a model that has none."""

    tokens_per_step: Count = 8192
    """Tokens behind one step of the optimizer, over all micro-batches; whole rows of sequence_length, at least one."""

    micro_batch_sequences: Count = 4
    """Rows of sequence_length in one forward pass. Fewer need less memory and give the same gradients."""

    epochs: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """How often the training split is gone through; 0.5 is half of it."""

    max_steps: Count | None = None
    """Stop after that many steps, with the schedule fitted to it. None: as epochs say."""

    learning_rate: Rate | None = None
    """Highest learning rate. None: 2e-3 for a new model, 2e-5 for a pretrained one."""

    warmup: Share = 0.05
    """Share of the steps in which the learning rate rises from 0."""

    min_learning_rate: Share = 0.1
    """What the cosine schedule falls to, as a share of learning_rate."""

    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    """Of AdamW, on matrices only: norms and biases are left alone."""

    betas: tuple[Share, Share] = (0.9, 0.95)
    """Of AdamW: how long it remembers the gradient and its square."""

    clip_norm: Rate | None = 1.0
    """Longest gradient; a longer one is scaled down to it. None: never."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Of matrix products; weights and optimizer are fp32 always. auto: bf16 on a GPU that has it, else fp32."""

    evaluate_every: Count | None = None
    """Steps between losses on the validation split. None: not on the way."""

    evaluate_examples: Count | None = 200
    """Largest number of examples per template in an evaluation, chosen by seeded hash. None: all."""

    generations: Annotated[int, msgspec.Meta(ge=0)] = 3
    """Test examples that the model answers before and after training, for the eye."""

    checkpoint_every: Count | None = 200
    """Steps between checkpoints, from which a stopped training goes on exactly. None: none."""

    keep_checkpoints: Count = 1
    """How many of the latest checkpoints stay on disk; a finished training keeps none."""

    seed: int = 0
    """Of the weights of a new model, of the packing and the order. The recipe's seed when not set."""

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        found = self.model.faults() if isinstance(self.model, Scratch) else []
        if self.model is None and self.from_ is None:
            found.append("name a model, or the training that it starts from with from:")
        elif self.model is not None and self.from_ is not None:
            found.append("model and from: both say what it starts from; take one away")
        return found

    @property
    def pretrained(self) -> str:
        """The folder or hub name of the model that it starts from; only where it is not a new one."""
        assert isinstance(self.model, str), "a new model, or that of a training that has not been named yet"
        return self.model

    def at(self, root: Path) -> Training:
        """The same with `model` and `chat_template` as paths of this machine, where they are paths.

        `root` is the project that they are relative to. Raises UsageFault for a path where nothing lies.
        """
        places = {}
        if isinstance(self.model, str):
            places["model"] = _place("model", self.model, root, _looks_like_path(self.model))
        if self.chat_template is not None and self.chat_template.endswith(".jinja"):
            places["chat_template"] = _place("chat_template", self.chat_template, root, True)
        return replace(self, **places)  # type: ignore[arg-type]


def _place(key: str, said: str, root: Path, must_exist: bool) -> str:
    path = root / os.path.expanduser(said)  # of os: it leaves the `~` of an unknown user alone
    if path.exists():
        return str(path)
    if must_exist:
        raise UsageFault(
            f"{key}: no such file or folder: {said} (looked for {path}; paths are relative to the project)"
        )
    return said


def _looks_like_path(said: str) -> bool:
    """Hub names have one slash at most, and none begins like a path."""
    return said.startswith((".", "~")) or os.path.isabs(said) or said.count("/") > 1
