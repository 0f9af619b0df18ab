"""One step: forward, backward, update. The loss is normalised by the trained tokens of the whole step.

step        rows of the plan
micro-batch some of them: one forward and one backward, on one rank
gradient    Σ over micro-batches and ranks of Σ w·nll / Σ w of the step      the same for every cut

Σ w of a step is known from the plan before it begins, so ranks meet only where gradients are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from instructkit.errors import TrainingError
from instructkit.hashing import uniform
from instructkit.models.batch import Batch, Document
from instructkit.models.runner import Runner
from instructkit.train.config.training import Training
from instructkit.train.data.load import TrainingData
from instructkit.train.data.plan import Indices, Plan
from instructkit.train.step.microbatch import CPU_TOKENS, cut, out_of_memory, rows_that_fit
from instructkit.train.step.optimizer import set_rates
from instructkit.train.step.parallel import Parallel
from instructkit.train.step.perturb import Perturbation, make_perturbation
from instructkit.train.step.scale import LossScale

SETTLED = 2
"""Steps after which memory does not grow any more: the optimizer's state comes with the first."""

LESS = "set activation_checkpointing: true, a shorter sequence_length or an adapter"
"""What to do where not even one row fits."""


class Seen(NamedTuple):
    """What a micro-batch saw of some examples: sums over each one's trained tokens. n examples."""

    step: int
    """From 0."""
    examples: Indices
    """[n] indices in the training data."""
    loss: torch.Tensor
    """[n] float: weighted sums of token losses, in nats, from before the step."""
    weight: torch.Tensor
    """[n] float: sums of the weights."""


@dataclass(kw_only=True)
class Stepper:
    """Makes the steps of a training, on this rank."""

    parallel: Parallel
    optimizer: torch.optim.Optimizer
    data: TrainingData
    plan: Plan
    config: Training
    observe: Callable[[Seen], None] | None = None
    """Told what each micro-batch of this rank saw, once the gradients of its step are sure."""
    before_update: Sequence[Callable[[int], None]] = ()
    """Called with the step once its gradients are whole, and may change them."""
    after_update: Sequence[Callable[[int], None]] = ()
    """Called with the step when the weights have moved and the gradients are still there."""
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered while batches are made."""
    say: Callable[[str], None] = lambda _: None
    """Takes a line for the reader."""
    size: int = 0
    """Rows of a micro-batch; 0: found at the first step."""
    settled: int = 0
    """Steps made with this size."""
    scale: LossScale | None = None
    """Of fp16; None: the loss is not scaled."""
    perturbation: Perturbation = field(init=False)
    nothing: Batch = field(init=False)
    """A batch that counts for nothing, for a rank that has no other."""

    def __post_init__(self) -> None:
        self.perturbation = make_perturbation(self.parallel.runner.model, self.config)
        self.nothing = no_batch(self.parallel.runner, self.data).to(self.parallel.device)
        if self.config.micro_batch_sequences != "auto":
            self.size = self.config.micro_batch_sequences
        if self.parallel.dtype == torch.float16:
            self.scale = LossScale()

    def step(self, number: int, rows: list[Indices]) -> tuple[dict[str, float], int]:
        """One step of the optimizer on some rows; its numbers, and the cells that went through the model, padding too.

        Both are the same on every rank.

        What does not fit into memory is done again in smaller micro-batches: the step stays the same. Raises
        TrainingError when not even the smallest fits, of fsdp2 when anything does not, and when loss or gradient is not
        finite.
        """
        self.size = self.size or self.first_size(rows)
        while (found := self.gradients(number, rows)) is None:
            self._halve(number)
        loss, cells = found
        examples = np.concatenate(rows)
        numbers = {"loss": loss, **self.update(number, loss)}
        self.settled += not numbers.get("skipped")
        tokens, supervised = (int(counts[examples].sum()) for counts in (self.data.lengths, self.data.supervised))
        return {**numbers, "tokens": tokens, "supervised_tokens": supervised}, cells

    def gradients(self, number: int, rows: list[Indices]) -> tuple[float, int] | None:
        """Forward and backward of a step: its loss and the cells that it took; its gradients are in the parameters.

        None, and no gradients, where any rank ran out of memory. Of fsdp2 that rank raises TrainingError.
        """
        parallel, ranks = self.parallel, self.parallel.ranks
        reseed(self.config.seed, number, ranks.rank)
        batches = self.micro_batches(rows, self.size, ranks.size)
        passes, mine = -(-len(batches) // ranks.size), batches[ranks.rank :: ranks.size]
        weight = float(self.data.loss_weights[np.concatenate(rows)].sum())
        # DDP and FSDP2 average over the ranks; what is wanted is the sum.
        factor = ranks.size / weight * (1.0 if self.scale is None else self.scale.value)
        # Until memory has settled, DDP's gradients are added up apart, when every rank has its own.
        apart = parallel.kind == "ddp" and self.settled < SETTLED
        double = torch.float64 if parallel.device.type == "cpu" else torch.float32
        total, cells = torch.zeros((), dtype=double, device=parallel.device), 0.0
        seen: list[Seen] = []
        ran_out = False
        for i in range(passes):
            last = i + 1 == passes and not apart
            try:
                examples = mine[i] if i < len(mine) else None
                with self.waiting():
                    batch = (self.nothing if examples is None else self.collate(examples)).to(parallel.device)
                part, nll = self._pass(batch, factor, last, number, examples)
                total += part
                cells += batch.input_ids.numel()
                if self.observe is not None and examples is not None:
                    seen.append(_seen(number, batch, examples, nll))
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                ran_out = True
            if ran_out:  # outside of the handler, where the error no longer holds what was allocated
                break
        if ran_out and parallel.kind == "fsdp2":
            raise self._out_of_memory(self.size)
        if ran_out and parallel.kind == "ddp" and not apart:
            self._stand_in(number, factor)
        loss, cells, out = ranks.sum([total.item() / weight, cells, float(ran_out)])
        if out:
            parallel.discard()
            return None
        if apart:
            self._pass(self.nothing, factor, True)
        if math.isfinite(loss):  # else the step is skipped, or refused
            for one in seen:
                self.observe(one)  # type: ignore[misc]
        return loss, int(cells)

    def _pass(
        self, batch: Batch, factor: float, reduce: bool, number: int = 0, examples: Indices | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward and backward of a micro-batch: the weighted sum of its losses, and each of them.

        A perturbation may ask for two of both; the losses are those of the first.
        """
        found = None
        turns = self.perturbation.passes
        for turn in range(turns):
            moved: AbstractContextManager[None] = nullcontext()
            if examples is not None:
                lengths = self.data.lengths[examples].tolist()
                moved = self.perturbation.during(turn, number, batch, examples.tolist(), lengths)
            with self.parallel.reducing(reduce and turn + 1 == turns), moved:
                part, nll = self.parallel.losses(batch)
                (part * (factor / turns)).backward()  # type: ignore[no-untyped-call]
            found = found or (part.detach(), nll)
        assert found is not None, "there is one pass at least"
        return found

    def update(self, number: int, loss: float) -> dict[str, float]:
        """Clip the gradients and move the weights; learning rate and norm. Raises TrainingError if not finite."""
        rate = set_rates(self.optimizer, number, self.plan.steps, self.config)
        parameters = [p for p in self.parallel.runner.model.parameters() if p.grad is not None]
        gradients = [p.grad for p in parameters]
        if self.scale is not None:
            torch._foreach_mul_(gradients, 1 / self.scale.value)
        for call in self.before_update:
            call(number)
        whole = get_total_norm(gradients)
        whole = whole.full_tensor() if isinstance(whole, DTensor) else whole
        norm = whole.item()
        finite = math.isfinite(loss) and math.isfinite(norm)
        numbers = {"learning_rate": rate, "gradient_norm": norm}
        if self.scale is not None:
            numbers |= {"loss_scale": self.scale.value, "skipped": float(not finite)}
            overflow = not finite and self.scale.update(finite)
        else:
            overflow = False
        if not finite and not overflow:
            self._refuse(number, loss, norm)
        if finite:
            if self.config.clip_norm is not None:
                clip_grads_with_norm_(parameters, self.config.clip_norm, whole)
            self.optimizer.step()
            for call in self.after_update:
                call(number)
        self.optimizer.zero_grad(set_to_none=True)
        return numbers

    def micro_batches(self, rows: list[Indices], size: int, ranks: int) -> list[Indices]:
        """The examples of each micro-batch of all ranks; number i is for rank i % ranks."""
        layout, capacity = self.parallel.runner.layout, self.config.sequence_length
        return cut(rows, self.data.lengths, layout, size=size, capacity=capacity, ranks=ranks)

    def collate(self, examples: Indices) -> Batch:
        """Examples as one batch, on the host."""
        return self.parallel.runner.collate([self.data.document(i) for i in examples.tolist()])

    def state(self) -> dict[str, Any]:
        """What the next step depends on beside weights and optimizer, for a checkpoint."""
        return {} if self.scale is None else {"loss_scale": self.scale.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave."""
        if self.scale is not None and "loss_scale" in state:
            self.scale.restore(state["loss_scale"])

    def _stand_in(self, number: int, factor: float) -> None:
        """Take part for nothing in what the other ranks are adding up. Not possible in the middle of it."""
        try:
            self._pass(self.nothing, factor, True)
        except RuntimeError as error:
            raise self._out_of_memory(self.size) from error

    def _out_of_memory(self, size: int) -> TrainingError:
        """For a rank that breaks off where the others wait for it: once it has ended, torchrun ends them."""
        less = f"start again with micro_batch_sequences: {size // 2}" if size > 1 else LESS
        rank = self.parallel.ranks.rank
        return TrainingError(
            f"out of memory on rank {rank}, while the others wait for it, with micro-batches of {size} rows of "
            f"{self.config.sequence_length:,} tokens; {less}, and it goes on at the last checkpoint"
        )

    def first_size(self, rows: list[Indices]) -> int:
        """Rows of a micro-batch to begin with: on CUDA found with these rows, which are to be those of a whole step."""
        ranks, device = self.parallel.ranks, self.parallel.device
        most = -(-len(rows) // ranks.size)
        if device.type != "cuda":
            return max(1, min(most, CPU_TOKENS // self.config.sequence_length))
        trained = [p for p in self.parallel.runner.model.parameters() if p.requires_grad]
        held = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in trained)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + unused - 2 * 4 * held  # what AdamW will keep
        size = rows_that_fit(free, lambda count: self._memory_of(rows[:count]), most)
        return min(ranks.every(size))

    def _memory_of(self, rows: list[Indices]) -> int:
        """Bytes that a forward and backward of these rows need at most, gradients included. CUDA only."""
        device = self.parallel.device
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        try:
            self._pass(self.collate(np.concatenate(rows)).to(device), 1.0, False)
        except (RuntimeError, MemoryError) as error:
            if self.parallel.kind == "fsdp2" and out_of_memory(error):
                raise self._out_of_memory(len(rows)) from error
            raise
        peak = torch.cuda.max_memory_allocated(device)
        self.parallel.discard()
        return peak - before

    def _halve(self, number: int) -> None:
        if self.size == 1:
            self.parallel.ranks.give_up(
                TrainingError(
                    f"step {number + 1}: out of memory with one row of {self.config.sequence_length:,} tokens; {LESS}"
                )
            )
        self.size, self.settled = self.size // 2, 0
        rows = "1 row" if self.size == 1 else f"{self.size} rows"
        self.say(f"out of memory in step {number + 1}: done again, and on from here, in micro-batches of {rows}")

    def _refuse(self, number: int, loss: float, norm: float) -> None:
        names = ", ".join(self.data.example_ids[i] for i in self.plan.step(number)[0][:3].tolist())
        self.parallel.ranks.give_up(
            TrainingError(
                f"step {number + 1}: loss {loss}, gradient norm {norm}; not finite. Lower learning_rate, or look at "
                f"its examples ({names}, …)"
            )
        )


def no_batch(runner: Runner, data: TrainingData) -> Batch:
    """The shortest example without a trained token: its loss is 0, and so are its gradients."""
    document = data.document(int(np.argmin(data.lengths)))
    return runner.collate([Document(document.ids, np.zeros_like(document.weights), document.read_tokens)])


def reseed(seed: int, step: int, rank: int) -> None:
    """Make dropout and its like depend on nothing but seed, step and rank: nothing of them needs to be saved."""
    torch.manual_seed(int(uniform(seed, "step", str(step), str(rank)) * (1 << 53)))


def _seen(step: int, batch: Batch, examples: Indices, nll: torch.Tensor) -> Seen:
    zeros = torch.zeros(len(examples), dtype=torch.float32, device=nll.device)
    return Seen(
        step,
        examples,
        zeros.index_add(0, batch.document, nll * batch.weights),
        zeros.index_add(0, batch.document, batch.weights),
    )
