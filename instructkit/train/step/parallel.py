"""A model on one rank or on many, behind three verbs: lose, reduce, come together.

    one    the model as it is
    ddp    every rank holds the model; gradients are averaged in the backward pass of a step's last micro-batch
    fsdp2  every rank holds a slice of every weight and of the optimizer's state; a block's weights are put together
           for its forward and its backward pass and let go again

What is wrapped is a `Root`, whose forward runs the loss: inside it, and nowhere else, the weights that belong to no
block are whole (embeddings, the head's, those that both share). So head and loss are taken there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal, TypeVar

import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, MixedPrecisionPolicy, OffloadPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map

from instructkit.errors import TrainingError
from instructkit.models.batch import Batch
from instructkit.models.load import autocast, best_device, compute_dtype
from instructkit.models.runner import Runner
from instructkit.train.config.adapter import WHOLE_ONLY
from instructkit.train.config.training import Training
from instructkit.train.model.layers import blocks
from instructkit.train.step.ranks import Ranks

Kind = Literal["one", "ddp", "fsdp2"]
T = TypeVar("T")

# Buffers are the same on all ranks and stay so. The key's name changed in torch 2.13, where the old one warns.
_KEYS = signature(DistributedDataParallel).parameters
_BUFFERS: Any = {"forward_sync_buffers" if "forward_sync_buffers" in _KEYS else "broadcast_buffers": False}

BYTES_PER_TRAINED = 16
"""fp32 weight, gradient and AdamW's two means."""
BYTES_PER_FROZEN = 4
MODEL_SHARE = 0.6
"""Share of a device's memory that a model's state may take before it is sharded; the rest is for activations."""


class Root(torch.nn.Module):
    """Runs any work on the model inside its own forward."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[], T]) -> T:
        """What the work gives."""
        return work()


@dataclass(frozen=True)
class Parallel:
    """A runner spread over ranks."""

    runner: Runner
    root: Any
    ranks: Ranks
    kind: Kind
    dtype: torch.dtype
    """Of the products."""

    @property
    def device(self) -> torch.device:
        """Where batches belong."""
        return torch.device("cuda") if torch.cuda.is_available() else self.runner.model.device

    def losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """`Runner.losses`, ready for a backward pass. Of fsdp2 collective: every rank calls it, as often."""
        # FSDP2 casts weights and inputs itself; autocast on top would cast the residual stream back and forth.
        with nullcontext() if self.kind == "fsdp2" else autocast(self.runner.model.device, self.dtype):
            return self.root(lambda: self.runner.losses(batch))  # type: ignore[no-any-return]

    def reducing(self, now: bool) -> AbstractContextManager[None]:
        """Whether a forward and backward inside averages the gradients over the ranks, those gathered before too."""
        if self.kind == "fsdp2":
            self.root.set_requires_gradient_sync(now)
        return nullcontext() if now or self.kind != "ddp" else self.root.no_sync()

    def discard(self) -> None:
        """Forget the gradients of a step that is to be done again, wherever it broke off."""
        if self.kind == "fsdp2":
            self.root.reset_iter_state()
            for module in _sharded(self.root):
                for group in module._get_fsdp_state()._fsdp_param_groups:
                    for parameter in group.fsdp_params:
                        parameter.unsharded_accumulated_grad = None
        for parameter in self.runner.model.parameters():
            parameter.grad = None
        if self.runner.model.device.type == "cuda":
            torch.cuda.empty_cache()

    def alone(self, work: Callable[[], T]) -> T:
        """What `work` with the runner gives on rank 0, on every rank. It may take no gradient."""
        with self.whole():
            return self.ranks.alone(work)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Inside, the runner can be used on each rank for itself, but for no gradient. Every rank enters and leaves.

        Of fsdp2, every device then holds the whole model, in the precision of its products.
        """
        modules = [] if self.kind != "fsdp2" else _sharded(self.root)
        if modules:
            with torch.no_grad():
                self.root(lambda: None)  # makes it the root of its blocks, before one of them takes itself for it
        for module in modules:
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()
        try:
            yield
        finally:
            for module in modules:
                module.set_reshard_after_forward(module is not self.root, recurse=False)
            if modules:
                # Also forgets in which order blocks ran here: ranks that differ in it gather different weights next.
                self.root.reset_iter_state()

    def whole_runner(self, build: Callable[[], Runner]) -> Runner:
        """A runner whose weights are whole and fp32, for export; on rank 0 only. Every rank calls it.

        `build` makes another such runner; called for fsdp2.
        """
        if self.kind != "fsdp2":
            return self.runner
        whole = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights = get_model_state_dict(self.runner.model, options=whole)
        if not self.ranks.first:
            return self.runner
        runner = build()
        runner.model.load_state_dict(weights)
        return runner


def make_parallel(runner: Runner, config: Training, ranks: Ranks, probe: Batch) -> Parallel:
    """Spread a model over the ranks as the training says. `probe`: a small batch, to see which weights take part.

    The runner stays usable by itself, but of fsdp2 only inside `Parallel.alone`. Raises TrainingError for a model that
    cannot do what the training asks of it.
    """
    model = runner.model
    if config.activation_checkpointing:
        recompute(model)
    if config.compile:
        for block in blocks(model):
            block.compile(dynamic=True)
    device = torch.device("cuda") if torch.cuda.is_available() else model.device
    dtype = compute_dtype(config.precision, device)
    kind = choose_kind(config, model, ranks, device)
    if kind != "fsdp2":
        model.to(device)
    elif config.adapter is not None and config.adapter.kind in WHOLE_ONLY:
        raise TrainingError(f"adapter: {config.adapter.kind} cannot be cut into slices; set parallel: ddp")
    root: Any = Root(model)
    if kind == "ddp":
        root = DistributedDataParallel(
            root,
            gradient_as_bucket_view=True,
            find_unused_parameters=_unused(runner, probe),
            **_BUFFERS,
        )
    elif kind == "fsdp2":
        shard(root, dtype, config.cpu_offload, device)
    return Parallel(runner, root, ranks, kind, dtype)


def probe_device(model: torch.nn.Module) -> torch.device:
    """Where a whole model is to be tried out: the best device, but the CPU for one that would fill it."""
    device = best_device()
    if device.type != "cuda":
        return device
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    return device if size <= torch.cuda.mem_get_info(device)[0] * MODEL_SHARE else torch.device("cpu")


def choose_kind(config: Training, model: torch.nn.Module, ranks: Ranks, device: torch.device) -> Kind:
    """How to spread: as the training says, else ddp where a device holds the model's state, else fsdp2."""
    if ranks.size == 1:
        return "one"
    if config.parallel != "auto":
        return config.parallel
    if device.type != "cuda":
        return "ddp"
    state = sum(p.numel() * (BYTES_PER_TRAINED if p.requires_grad else BYTES_PER_FROZEN) for p in model.parameters())
    room = torch.cuda.get_device_properties(device).total_memory * MODEL_SHARE
    return "ddp" if max(ranks.every(state)) <= min(ranks.every(room)) else "fsdp2"


def shard(root: Root, dtype: torch.dtype, cpu_offload: bool, device: torch.device) -> None:
    """Slice the weights: each block for itself, then the root with what is left. Raises TrainingError."""
    if not hasattr(FSDPModule, "reset_iter_state"):
        raise TrainingError(f"parallel: fsdp2 needs torch 2.13 or newer, this is {torch.__version__}; or take ddp")
    precision = MixedPrecisionPolicy() if dtype == torch.float32 else MixedPrecisionPolicy(dtype, torch.float32)
    offload = CPUOffloadPolicy(pin_memory=device.type == "cuda") if cpu_offload else OffloadPolicy()
    for block in blocks(root):
        block.register_forward_hook(_without_views)  # before FSDP2's own, which an operation in place on a view undoes
        fully_shard(block, mp_policy=precision, offload_policy=offload, reshard_after_forward=True)
    fully_shard(root, mp_policy=precision, offload_policy=offload, reshard_after_forward=False)


def _without_views(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
    return tree_map(lambda part: part.clone() if isinstance(part, torch.Tensor) and part._is_view() else part, output)


def _sharded(root: Any) -> list[Any]:
    return [module for module in root.modules() if isinstance(module, FSDPModule)]


def recompute(model: Any) -> None:
    """Keep no activations inside the blocks of a model. Raises TrainingError for one that cannot do it."""
    try:
        # The first is its name in transformers from 5.2x on, where the second warns.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    except ValueError as error:
        raise TrainingError(f"activation_checkpointing: {type(model).__name__} cannot do it ({error})") from error


def _unused(runner: Runner, probe: Batch) -> bool:
    """Whether some trained weight takes no part in a batch: an expert that is not asked, say. DDP must then look."""
    runner.losses(probe.to(runner.model.device))[0].backward()  # type: ignore[no-untyped-call]
    trained = [p for p in runner.model.parameters() if p.requires_grad]
    unused = any(p.grad is None for p in trained)
    for parameter in trained:
        parameter.grad = None
    return unused
