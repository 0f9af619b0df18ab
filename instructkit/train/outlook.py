"""What a training will take, known before it begins.

    examples, tokens, steps   exactly: the data is tokenised and planned, and waits in the cache for the training
    memory                    weights and optimizer by counting, activations by a forward pass without numbers
    time                      by a probe: some real micro-batches on the real model and device
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.hashing import file_digest
from instructkit.models.attention import NotIsolated, use_documents_attention
from instructkit.models.batch import Document
from instructkit.models.head import Head
from instructkit.models.load import auto_class, autocast, best_device, compute_dtype, kind_of, kind_of_model, load_config
from instructkit.models.runner import Runner, make_runner
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData, load
from instructkit.train.data.plan import Figures, Plan
from instructkit.train.data.preflight import Preflight
from instructkit.train.data.source import open_source
from instructkit.train.model.prepare import prepare_model
from instructkit.train.model.trainable import make_trainable
from instructkit.train.step.loop import Stepper, no_batch
from instructkit.train.step.microbatch import CPU_TOKENS, cut
from instructkit.train.step.optimizer import make_optimizer
from instructkit.train.step.parallel import BYTES_PER_FROZEN, BYTES_PER_TRAINED, make_parallel, probe_device, recompute
from instructkit.train.step.ranks import Ranks
from instructkit.train.watch.peak import synchronize
from instructkit.train.watch.progress import Event, Progress, silent

PROBED_TOKENS = 16_384
"""The probe stops after so many tokens, or after one step where that is less."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of one device that holds the whole model, in bytes."""

    parameters: int
    trained: int
    state: int
    """fp32 weights, and of the trained ones the gradient and AdamW's two means. Source: Rajbhandari et al., ZeRO,
    arXiv:1910.02054, section 3.1: 16 bytes a trained parameter."""
    activations: int
    """What autograd keeps of one micro-batch until the backward pass; in the attention and precision of the device.
    What it is made of: Korthikanti et al., arXiv:2205.05198, section 4.1. Counted here, not computed by formula, so
    that every architecture, adapter and frozen layer counts as what it is."""
    micro_batch_tokens: int


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Measured on the real model and device."""

    device: str
    tokens_per_s: float
    update_s: float
    """Of one optimizer step, without forward and backward."""
    peak_bytes: int | None
    """Largest allocation; None where the device does not tell."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A training that has not begun."""

    preflight: Preflight
    overlong: str
    refused: str | None = None
    """Why it would not begin; nothing below is known then."""
    figures: Figures | None = None
    memory: Memory | str | None = None
    """A text: why it cannot be said."""
    probe: Probe | None = None

    @property
    def seconds(self) -> float | None:
        """Of all steps, evaluations and checkpoints not counted; None without a probe."""
        if self.probe is None or self.figures is None:
            return None
        return self.figures.tokens / self.probe.tokens_per_s + self.figures.steps * self.probe.update_s

    def lines(self) -> list[str]:
        """For a reader."""
        said = self.preflight.lines(self.overlong)
        if self.refused is not None:
            return [*said, f"would be refused: {self.refused}"]
        assert self.figures is not None
        said.append(self.figures.line())
        if isinstance(self.memory, Memory):
            m = self.memory
            share = "" if m.trained == m.parameters else f", {m.trained:,} of them trained"
            said.append(
                f"memory about {_gb(m.state + m.activations)}: {_gb(m.state)} for {m.parameters:,} parameters{share}, "
                f"{_gb(m.activations)} for the activations of a micro-batch of {m.micro_batch_tokens:,} tokens"
            )
        elif self.memory is not None:
            said.append(f"memory: {self.memory}")
        if self.probe is None or self.seconds is None:
            said.append("time: --probe measures some micro-batches")
        else:
            p = self.probe
            peak = "" if p.peak_bytes is None else f"; it took {_gb(p.peak_bytes)}"
            said.append(
                f"time about {_duration(self.seconds)} and evaluations: {p.tokens_per_s:,.0f} tokens/s on {p.device}, "
                f"{p.update_s:.3g} s for each update{peak}"
            )
        return said

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            **self.preflight.as_json(self.figures),
            "refused": self.refused,
            "memory": asdict(self.memory) if isinstance(self.memory, Memory) else None,
            "probe": None if self.probe is None else asdict(self.probe),
            "seconds": self.seconds,
        }


def outlook(
    config: Training,
    shards: Sequence[Path],
    out: Path,
    *,
    root: Path = Path(),
    base: Path | None = None,
    probe: bool = False,
    progress: Progress | None = None,
) -> Outlook:
    """What the training of `out` will take; of its folder only the cache is written to. Arguments as of `train`.

    Raises TrainingError, InputError, StageError, and UsageFault for a path where nothing lies.
    """
    say = progress or silent
    config = config.at(root) if config.from_ is None else replace(config.at(root), model=str(base))
    chat, source = open_source(config, shards, [file_digest(path) for path in shards], out / "cache", say)
    data, preflight = load(source, config, out / "cache", say)
    try:
        preflight.refuse(config)
        plan = data.plan(config)
    except TrainingError as refusal:
        return Outlook(preflight=preflight, overlong=config.overlong, refused=str(refusal))
    say(Event(phase="prepare", message="counting memory"))
    return Outlook(
        preflight=preflight,
        overlong=config.overlong,
        figures=data.figures(plan),
        memory=count_memory(config, chat, data, plan),
        probe=measure(config, chat, data, plan) if probe else None,
    )


def count_memory(config: Training, chat: ChatFormat, data: TrainingData, plan: Plan) -> Memory | str:
    """Memory of the training on the best device, from the model's shape alone: nothing is loaded or computed.

    The text says why it cannot be told: code of a model that looks at numbers, say.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    device = best_device()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), device:
            model = _without_weights(config, chat)
            model, _ = make_trainable(model, config, plan.steps, chat.tokenizer)
            runner = _unproved_runner(model.model)
            documents = _micro_batch(config, data, plan, runner, device)
            kept = _kept_by_autograd(runner, documents, config, device)
    except Exception as error:  # what code of strangers raises when it is run without numbers
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"cannot be told beforehand for this model ({first[:100]})"
    counts = [(p.numel(), p.requires_grad) for p in runner.model.parameters()]
    trained, whole = sum(n for n, yes in counts if yes), sum(n for n, _ in counts)
    return Memory(
        parameters=whole,
        trained=trained,
        state=BYTES_PER_TRAINED * trained + BYTES_PER_FROZEN * (whole - trained),
        activations=kept,
        micro_batch_tokens=sum(len(document.ids) for document in documents),
    )


def _without_weights(config: Training, chat: ChatFormat) -> Any:
    """The model's shape; made where tensors have no storage."""
    if isinstance(config.model, Scratch):
        return prepare_model(config, chat)
    saved = load_config(config.pretrained)
    kind = "classifier" if chat.reads == "class" else kind_of(saved)
    if kind == "classifier":
        saved.num_labels = len(chat.classes)
    model = auto_class(kind).from_config(saved)
    if len(chat.tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(chat.tokenizer), mean_resizing=False)
    return model


def _unproved_runner(model: Any) -> Runner:
    """As `make_runner` finds it for nearly all models, which cannot be asked without weights."""
    kind, own = kind_of_model(model), model.config._attn_implementation
    head = model.get_output_embeddings() if kind != "classifier" else None
    runner = Runner(model, kind, "padded", Head(head) if isinstance(head, torch.nn.Linear) else None, (), own)
    if kind != "causal":
        return runner
    try:
        use_documents_attention(model)
    except NotIsolated:
        return runner
    return replace(runner, layout="packed")


def _micro_batch(
    config: Training, data: TrainingData, plan: Plan, runner: Runner, device: torch.device
) -> list[Document]:
    """The first of the training; where its size is found on the way, the smallest that is tried."""
    size = config.micro_batch_sequences
    if size == "auto":
        size = max(1, CPU_TOKENS // plan.capacity) if device.type != "cuda" else 1
    first = cut(plan.step(0), data.lengths, runner.layout, size=size, capacity=plan.capacity, ranks=1)[0]
    return [data.document(i) for i in first.tolist()]


def _kept_by_autograd(runner: Runner, documents: list[Document], config: Training, device: torch.device) -> int:
    """Bytes of all that a forward pass keeps for the backward pass, the weights themselves not counted."""
    if config.activation_checkpointing:
        recompute(runner.model)
    weights = {p.untyped_storage()._cdata for p in runner.model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            kept[storage._cdata] = storage  # held, so that its place is not given to another
        return tensor

    runner.model.train()
    dtype = compute_dtype(config.precision, device)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), autocast(device, dtype):
        runner.losses(runner.collate(documents).to(device))
    return sum(storage.nbytes() for storage in kept.values())


def measure(config: Training, chat: ChatFormat, data: TrainingData, plan: Plan) -> Probe:
    """Make two short steps of the training, the second by the clock. Raises TrainingError."""
    adapted, _ = make_trainable(prepare_model(config, chat), config, plan.steps, chat.tokenizer)
    model = adapted.model.to(probe_device(adapted.model))
    runner = make_runner(model, int(data.lengths.max()), compute_dtype(config.precision, model.device))
    parallel = make_parallel(runner, config, Ranks(), no_batch(runner, data))
    short = replace(plan, rows_per_step=max(1, min(plan.rows_per_step, PROBED_TOKENS // plan.capacity)))
    optimizer = make_optimizer(model, config)
    stepper = Stepper(parallel=parallel, optimizer=optimizer, data=data, plan=short, config=config)
    model.train()
    stepper.step(0)
    rows = short.step(1) or short.step(0)
    began = _now(parallel.device)
    loss = stepper.gradients(1, rows)
    done = _now(parallel.device)
    if loss is None:
        raise TrainingError("out of memory with a micro-batch that fitted a moment ago; set micro_batch_sequences")
    stepper.update(1, loss)
    cuda = parallel.device.type == "cuda"
    return Probe(
        device=torch.cuda.get_device_name() if cuda else f"{parallel.device.type}, {torch.get_num_threads()} threads",
        tokens_per_s=sum(int(data.lengths[row].sum()) for row in rows) / (done - began),
        update_s=_now(parallel.device) - done,
        peak_bytes=torch.cuda.max_memory_allocated() if cuda else None,
    )


def _now(device: torch.device) -> float:
    synchronize(device)
    return time.perf_counter()


def _gb(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
