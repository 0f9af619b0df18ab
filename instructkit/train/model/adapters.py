"""Adapters by peft, put into the model where it stands: body, head and attention stay what they are for the runner.

    q_proj ──▶ q_proj + B·A·alpha/rank      only A and B are trained; B starts at 0, so nothing changes at first

What is new in a model has learned nothing yet that an adapter could adapt, and is trained itself: the rows of new
control tokens (else the model would never learn to stop) and the head of a new classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch

from instructkit.errors import TrainingError, did_you_mean
from instructkit.models.adapter_folder import peft_warnings_off
from instructkit.train.config.adapter import Adapter
from instructkit.train.model.layers import layer_of, stacks

ORTHOGONALITY = 0.5
"""Weight of AdaLoRA's regulariser (arXiv:2303.10512, section 3.1; the default of peft)."""
ADALORA_STEPS = 10
NAME = "default"
"""Name of the adapter in the model."""
MEMORY = "adaptive_ranks"
"""Name of the module that remembers what AdaLoRA has seen: what each weight is worth (a running mean of sensitivity),
how much that changes, and which ranks are kept."""
WORTH, DOUBT, KEPT = "worth", "doubt", "kept"


@dataclass(frozen=True)
class Adapted:
    """A model with its adapter, and what a step of training has to do for it."""

    model: Any
    before_update: tuple[Callable[[int], None], ...] = ()
    """Called with the step, once the gradients of a whole step are there."""
    after_update: tuple[Callable[[int], None], ...] = ()
    """Called with the step, while the gradients are still there."""
    notes: tuple[str, ...] = ()
    """What a reader should know."""


def adapt(model: Any, config: Adapter, *, steps: int, new_tokens: Sequence[int] = ()) -> Adapted:
    """Freeze the model and put an adapter into it. Deterministic by torch's seed.

    `new_tokens`: ids of tokens that the model has never seen. Raises TrainingError where that cannot be done.
    """
    if new_tokens and not config.merges:
        raise TrainingError(
            f"adapter: the chat template needs {len(new_tokens)} tokens that the model does not know, and an adapter "
            "folder holds no rows for them; set merge: true, or a chat_template whose tokens the model has"
        )
    if task_type(model) == "SEQ_CLS" and not config.merges:
        raise TrainingError(
            "adapter: an adapter folder holds neither the classes nor the new head of a classifier; "
            + ("set merge: true" if config.kind in ("lora", "dora", "adalora") else "use kind: lora")
        )
    if config.kind == "prefix":
        return Adapted(_with_prefix(model, config))
    tuner = _inject(model, config, steps)
    _head_of_classifier(model).requires_grad_(True)
    before: list[Callable[[int], None]] = []
    after: list[Callable[[int], None]] = []
    if config.kind == "adalora":
        ranks = _AdaptiveRanks(tuner)
        before.append(ranks.stay_orthogonal)
        after.append(ranks.allocate)
    if new_tokens:
        before.append(_only_rows(model, new_tokens))
    return Adapted(model, tuple(before), tuple(after))


def adapter_targets(model: Any, config: Adapter) -> list[str]:
    """Full names of the modules that get an adapter. Raises TrainingError for a name that no module has."""
    from transformers.pytorch_utils import Conv1D

    linear = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear | Conv1D)]
    known = stacks(model)
    inside = [name for name in linear if layer_of(name, known)]
    if config.targets == "all-linear":
        if not inside:
            raise TrainingError(f"adapter: no layers are found in a {type(model).__name__}; name targets")
        return inside
    chosen: set[str] = set()
    for target in config.targets:
        found = [name for name in linear if f".{name}".endswith(f".{target}")]
        if not found:
            names = sorted({name.rpartition(".")[2] for name in inside})
            raise TrainingError(
                f"adapter: targets: no matrix of the model is called '{target}'{did_you_mean(target, names)} "
                f"(there are {', '.join(names)})"
            )
        if outside := [name for name in found if name not in inside]:
            raise TrainingError(
                f"adapter: targets: {', '.join(outside)} is in none of the model's layers; the loss reads the weights "
                "of the head itself, so an adapter on it would learn nothing"
            )
        chosen.update(found)
    return [name for name in inside if name in chosen]


def merge_adapter(model: Any) -> None:
    """Add the adapter to the model's own weights, in place; nothing of peft is left in the model."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge(safe_merge=True)
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, module.get_base_layer())
    forget(model)
    del model.peft_config


def forget(model: Any) -> None:
    """Remove what an adapter has needed only while it was trained."""
    if hasattr(model, MEMORY):
        delattr(model, MEMORY)
        # The ranks that were taken away are zeros and stay: peft would cut them out with its own model around ours.
        model.peft_config[NAME].rank_pattern = None


def _inject(model: Any, config: Adapter, steps: int) -> Any:
    """The tuner of peft, whose layers now stand in the model."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    settings = _peft_config(model, config, steps)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    tuner = PEFT_TYPE_TO_TUNER_MAPPING[settings.peft_type](model, settings, NAME)
    if not any(p.requires_grad for p in model.parameters()):
        raise TrainingError(f"adapter: kind {config.kind} found nothing to adapt in a {type(model).__name__}")
    return tuner


def _peft_config(model: Any, config: Adapter, steps: int) -> Any:
    from peft import AdaLoraConfig, LoraConfig
    from transformers.pytorch_utils import Conv1D

    targets = adapter_targets(model, config)
    named = {n: m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear | Conv1D)}
    # Short names, as people write and read them in adapter_config.json, where they mean the same modules.
    short = sorted({name.rpartition(".")[2] for name in targets})
    same = {n for n in named if n.rpartition(".")[2] in short} == set(targets)
    common = {
        "task_type": task_type(model),
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": short if same else targets,
        "fan_in_fan_out": isinstance(named[targets[0]], Conv1D),
    }
    if config.kind == "adalora":
        # The schedule of the paper's appendix in shares of the steps: ranks are taken away from a tenth to four fifths.
        start, end = steps // 10, steps // 5
        if steps < ADALORA_STEPS:
            raise TrainingError(
                f"adapter: adalora needs at least {ADALORA_STEPS} steps to move rank about, the plan has {steps}; "
                "use kind: lora"
            )
        return AdaLoraConfig(
            init_r=-(-config.rank * 3 // 2),
            target_r=config.rank,
            tinit=start,
            tfinal=end,
            deltaT=max(1, steps // 100),
            total_step=steps,
            **common,
        )
    return LoraConfig(r=config.rank, use_dora=config.kind == "dora", **common)


def task_type(model: Any) -> str:
    """What peft calls the kind of model."""
    if type(model).__name__.endswith("ForSequenceClassification"):
        return "SEQ_CLS"
    return "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"


def _with_prefix(model: Any, config: Adapter) -> Any:
    from peft import PrefixTuningConfig, get_peft_model

    settings = PrefixTuningConfig(task_type=task_type(model), num_virtual_tokens=config.prefix_tokens)
    with peft_warnings_off():
        return get_peft_model(model, settings, adapter_name=NAME)


def _head_of_classifier(model: Any) -> torch.nn.Module:
    """The modules of a classifier that no language model has, as one; empty for others."""
    if task_type(model) != "SEQ_CLS":
        return torch.nn.Module()
    body = model.base_model_prefix
    return torch.nn.ModuleList([m for n, m in model.named_children() if n != body])


def _only_rows(model: Any, rows: Sequence[int]) -> Callable[[int], None]:
    """Train these rows of the token tables. With no gradient and no decay the others stay bitwise the same."""
    tables = {id(m.weight): m for m in (model.get_input_embeddings(), model.get_output_embeddings()) if m is not None}
    kept = torch.zeros(model.get_input_embeddings().num_embeddings, 1)
    kept[list(rows)] = 1.0
    for table in tables.values():
        table.weight.requires_grad_(True)

    def mask(step: int) -> None:
        for table in tables.values():
            if table.weight.grad is not None:
                table.weight.grad.mul_(_like(kept, table.weight.grad))

    return mask


def _like(values: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The values where the other tensor is: on its device, and cut into the same shards."""
    moved = values.to(other.device, other.dtype)
    if hasattr(other, "device_mesh"):
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(moved, other.device_mesh, other.placements)  # type: ignore[attr-defined]
    return moved


class _AdaptiveRanks:
    """AdaLoRA's two duties at each step. What it remembers lies in buffers of the model, so checkpoints hold it."""

    def __init__(self, tuner: Any) -> None:
        self.tuner, self.settings = tuner, tuner.peft_config[NAME]
        self.memory = torch.nn.Module()
        self.names = [name for name, _ in tuner.model.named_parameters() if "lora_" in name]
        for name, parameter in list(tuner.model.named_parameters()):
            if name in self.names:
                for what in (WORTH, DOUBT):
                    self.memory.register_buffer(_key(name, what), torch.zeros_like(parameter, requires_grad=False))
                self.memory.register_buffer(_key(name, KEPT), torch.ones(len(parameter)))
        tuner.model.add_module(MEMORY, self.memory)

    def stay_orthogonal(self, step: int) -> None:
        """Add the regulariser's gradient; source: arXiv:2303.10512, equation 4."""
        terms = []
        for name, p in self.tuner.model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                square = p @ p.T if "lora_A" in name else p.T @ p
                terms.append(torch.linalg.norm(square - torch.eye(len(square), device=p.device)))
        (ORTHOGONALITY * torch.stack(terms).mean()).backward()  # type: ignore[no-untyped-call]

    def allocate(self, step: int) -> None:
        """Measure what each rank is worth, and take the budget from the worst."""
        allocator, ranks = self.tuner.rankallocator, [name for name in self.names if "lora_E" in name]
        allocator.exp_avg_ipt = {name: self._remembered(name, WORTH) for name in self.names}
        allocator.exp_avg_unc = {name: self._remembered(name, DOUBT) for name in self.names}
        allocator.ipt = dict(allocator.exp_avg_ipt)  # the values of a known name are made anew, not begun anew
        self.settings.rank_pattern = {name: self._remembered(name, KEPT).bool().tolist() for name in ranks}
        self.tuner.update_and_allocate(step)
        for name, value in allocator.exp_avg_ipt.items():
            self._remembered(name, WORTH).copy_(value)
            self._remembered(name, DOUBT).copy_(allocator.exp_avg_unc[name])
        for name in ranks:
            self._remembered(name, KEPT).copy_(torch.tensor(self.settings.rank_pattern[name]))

    def _remembered(self, name: str, what: str) -> torch.Tensor:
        return self.memory.get_buffer(_key(name, what))


def _key(name: str, what: str) -> str:
    return f"{what}/{name.replace('.', '/')}"


def check_adapter(config: Adapter) -> None:
    """Raises TrainingError where a kind of adapter needs what this machine does not have."""
    if find_spec("peft") is None:
        raise TrainingError("adapter: the package peft is not installed; pip install 'instructkit[train]'")
    if config.kind == "qlora" and (find_spec("bitsandbytes") is None or not torch.cuda.is_available()):
        raise TrainingError(
            "adapter: kind qlora needs a CUDA device and the package bitsandbytes (pip install bitsandbytes); "
            "without them use kind: lora"
        )


def load_in_4_bits(name: str) -> Any:
    """A causal language model on the first CUDA device, its matrices in 4 bits (NF4, quantised twice), the rest fp32.

    Source: Dettmers et al., QLoRA, arXiv:2305.14314, sections 3 and 4. Needs bitsandbytes; see `check_adapter`.
    """
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    from instructkit.models.load import hub_commit, quiet

    bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    with quiet():
        return AutoModelForCausalLM.from_pretrained(
            name, revision=hub_commit(name), quantization_config=bits, dtype=torch.float32, device_map={"": 0}
        )
