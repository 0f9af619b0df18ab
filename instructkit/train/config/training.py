"""What a training is: the keys of an entry under a recipe's `train:`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from instructkit.errors import UsageFault
from instructkit.models.place import PACKAGE, package_folder
from instructkit.train.config.adapter import WHOLE_ONLY, Adapter
from instructkit.train.config.bounds import Count, Rate, Share
from instructkit.train.config.freeze import Freeze
from instructkit.train.config.ledger import Ledger
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.stopping import EarlyStopping

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
    """A Hugging Face model directory or a `.gguf` file, its path relative to the project, or `package:NAME/path` inside
    an installed Python package; or a hub name, taken at the commit in the local cache, else the newest; or the shape of
    a new model, with the keys below."""

    sequence_length: Annotated[int, msgspec.Meta(ge=16)] = 2048
    """Tokens in one packed row, and so in the longest example that fits."""

    overlong: Literal["error", "drop", "cut-prompt"] = "error"
    """What happens to examples longer than sequence_length. They are dropped and counted; with `error`, training
    refuses to start when they are more than 1 in 100. `cut-prompt` takes the middle out of the longest messages that
    are not trained on until the example fits, and drops what cannot fit; answers are never cut."""

    max_unlabelled: Share = 0.01
    """Largest share of examples that may be dropped because the chat template cannot show them faithfully, before
    training refuses to start."""

    chat_template: str | None = None
    """How conversations are written: `chatml`, a `.jinja` file, its path relative to the project, or Jinja text. None:
    the model's own, and ChatML for a model that has none."""

    tokens_per_step: Count = 8192
    """Tokens behind one step of the optimizer, over all micro-batches; whole rows of sequence_length, at least one."""

    micro_batch_sequences: Count | Literal["auto"] = "auto"
    """Rows of sequence_length in one forward pass of one device. Fewer need less memory and give the same gradients.
    auto: on a GPU as many as fit, found by trying; on a CPU those of 1,024 tokens. What does not fit after all is
    halved, and the step done again."""

    epochs: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """How often the training split is gone through; 0.5 is half of it."""

    max_steps: Count | None = None
    """Stop after that many steps, with the schedule fitted to it. None: as epochs say."""

    adapter: Adapter | None = None
    """Train an adapter (LoRA and its like) in place of the model's own weights, with the keys below. None: train the
    model."""

    freeze: Freeze | None = None
    """Parts of the model that are not trained, with the keys below."""

    learning_rate: Rate | None = None
    """Highest learning rate. None: 2e-3 for a new model, 2e-5 for a pretrained one, 2e-4 for an adapter."""

    layer_decay: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    """Learning rate of each layer as a share of that of the layer above; the top layer and the head have the full rate,
    embeddings one share less than the lowest layer. 0.7 to 0.95 is usual. None: one rate for all."""

    schedule: Literal["cosine", "linear", "constant", "wsd"] = "cosine"
    """How the learning rate falls behind the warm-up: half a cosine or a line down to min_learning_rate, not at all, or
    `wsd` (warm-up, stable, decay): not at all until the last steps, then a line down."""

    warmup: Share = 0.05
    """Share of the steps in which the learning rate rises from 0."""

    decay: Share = 0.1
    """Of the schedule wsd: share of the steps in which the learning rate falls, at the end."""

    min_learning_rate: Share = 0.1
    """What the learning rate falls to, as a share of learning_rate."""

    weight_decay: Annotated[float, msgspec.Meta(ge=0)] = 0.01
    """Of AdamW, on matrices only: norms, biases, embeddings and the head are left alone."""

    betas: tuple[Share, Share] = (0.9, 0.95)
    """Of AdamW: how long it remembers the gradient and its square."""

    clip_norm: Rate | None = 1.0
    """Longest gradient; a longer one is scaled down to it. None: never."""

    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] | None = None
    """Set every dropout of the model to this while it is trained. None: as the model brings them, most often 0."""

    neftune: Rate | None = None
    """Noise on the embeddings of each example while it is trained on, evenly drawn and scaled by neftune / sqrt(tokens
    times width); 5 to 15 is usual. None: none."""

    fgm: Rate | None = None
    """Adversarial training: each example is learned a second time with its embeddings moved by a vector of this length
    in the direction that raises its loss most. Twice the time. None: no."""

    early_stopping: EarlyStopping | None = None
    """Stop when the loss on the validation split falls no more, with the keys below."""

    average_checkpoints: Annotated[int, msgspec.Meta(ge=2)] | None = None
    """The result is the mean of the weights at so many last checkpoints. None: the weights of the last step."""

    save_as: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Numbers in which the result is saved. auto: as the base model was; fp32 for a new one. The weights are rounded
    before the last evaluation, so its losses are those of what is saved."""

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of matrix products; weights and optimizer are fp32 always. auto: bf16 on a GPU that has it, else fp32. fp16 is
    for GPUs without bf16; its loss is scaled, and a step whose gradients overflow changes nothing."""

    activation_checkpointing: bool = False
    """Whether each layer's activations are computed again in the backward pass instead of kept: much less memory, about
    a third more time, the same gradients."""

    compile: bool = False
    """Whether each layer is compiled by torch.compile: faster on a GPU after a slow start. On a CPU it did not pay."""

    parallel: Literal["auto", "ddp", "fsdp2"] = "auto"
    """How several processes (`--processes`, or torchrun) share a training. ddp: each holds the whole model. fsdp2: each
    holds a slice of weights and optimizer state. auto: ddp where the model's state fits a device."""

    cpu_offload: bool = False
    """Whether fsdp2 keeps weights and optimizer state in the host's memory: slow, for what fits no other way."""

    evaluate_every: Count | None = None
    """Steps between losses on the validation split. None: not on the way."""

    evaluate_examples: Count | None = 200
    """Largest number of examples per template in an evaluation, chosen by seeded hash. None: all."""

    generations: Annotated[int, msgspec.Meta(ge=0)] = 3
    """Test examples that the model answers before and after training, for the eye; from all templates in turn."""

    scored_replies: Count | None = None
    """Test examples per template that the model answers before and after training, all scored by the `metrics` that
    the template declares. None: only those of `generations`. `instructkit eval` scores a finished training."""

    reply_tokens: Count = 96
    """Longest of these replies, in tokens."""

    checkpoint_every: Count | None = 200
    """Steps between checkpoints, from which a stopped training goes on exactly. None: none but those
    of keep_best and `export: best`."""

    keep_checkpoints: Count = 1
    """How many of the latest checkpoints stay on disk; a finished training keeps none."""

    keep_best: Count | None = None
    """How many of the checkpoints with the lowest validation loss stay as well; each evaluation that is among them
    saves one. None: none, but one with `export: best`. Needs evaluate_every."""

    export: Literal["last", "best"] = "last"
    """Which weights become the model: those of the last step, or of the lowest validation loss, of the slice that
    early_stopping watches if it names one. best needs evaluate_every."""

    ledger: bool | Ledger = False
    """Write `ledger.parquet`: the loss of each example before, during and after the training, and whether it was
    learned, never learned, forgotten, memorised, or looks wrong. `instructkit ledger` lists them, the stage
    `filter.ledger` drops them from the next build. The losses during the training cost nothing; those before and after
    take about two thirds of an epoch together, which `{examples: 2000}` bounds."""

    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Where each step's numbers go beside metrics.jsonl. `tensorboard`: event files in the run's folder (pip install
    tensorboard). `wandb`: Weights & Biases, with its own settings from the environment (pip install wandb)."""

    seed: int = 0
    """Of the weights of a new model, of the packing and the order. The recipe's seed when not set."""

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        found = self.model.faults() if isinstance(self.model, Scratch) else []
        if self.adapter is not None and isinstance(self.model, Scratch):
            found.append("adapter: a new model has nothing to adapt; leave it out, or name a pretrained model")
        if self.adapter is not None and self.freeze is not None:
            found.append("freeze: an adapter trains nothing of the model itself; say adapter: targets instead")
        if self.layer_decay is not None and self.adapter is not None and self.adapter.kind == "prefix":
            found.append("layer_decay: a prefix stands below all layers and would hardly learn; leave it out")
        if self.early_stopping is not None and self.evaluate_every is None:
            found.append("early_stopping: looks at validation losses; set evaluate_every")
        if self.average_checkpoints is not None and self.checkpoint_every is None:
            found.append("average_checkpoints: there are none; set checkpoint_every")
        if self.evaluate_every is None:
            needing = [*(["keep_best"] if self.keep_best else []), *(["export: best"] if self.export == "best" else [])]
            found += [f"{key}: looks at validation losses; set evaluate_every" for key in needing]
        if self.export == "best" and self.average_checkpoints is not None:
            found.append("export: best takes one checkpoint, average_checkpoints several; take one away")
        if self.cpu_offload and self.parallel != "fsdp2":
            found.append("cpu_offload: is of fsdp2 only; set parallel: fsdp2")
        if self.parallel == "fsdp2" and self.adapter is not None and self.adapter.kind in WHOLE_ONLY:
            found.append(f"parallel: {self.adapter.kind} cannot be cut into slices; set parallel: ddp")
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

        `root` is the project that they are relative to. Raises UsageFault for a path where nothing lies, and for a
        tracker that is not installed.
        """
        places = {}
        if missing := [name for name in self.trackers if find_spec(name) is None]:
            raise UsageFault(f"trackers: {missing[0]} is not installed; pip install {missing[0]}")
        if isinstance(self.model, str):
            places["model"] = _model_place(self.model, root)
        if self.chat_template is not None and self.chat_template.endswith(".jinja"):
            places["chat_template"] = _place("chat_template", self.chat_template, root, True)
        return replace(self, **places)  # type: ignore[arg-type]


def _model_place(said: str, root: Path) -> str:
    if said.startswith(PACKAGE):
        name, _, inside = said.removeprefix(PACKAGE).partition("/")
        folder = package_folder(name)
        if folder is None:
            raise UsageFault(
                f"model: '{said}' lies in the Python package '{name}', which is not installed; "
                f"pip install {name.replace('_', '-')}"
            )
        return _place("model", inside, folder, True)
    return _place("model", said, root, _looks_like_path(said))


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
    """Hub names have one slash at most, none begins like a path, and they are folders."""
    begins = said.startswith((".", "~")) or os.path.isabs(said)
    return begins or said.count("/") > 1 or said.lower().endswith(".gguf")
