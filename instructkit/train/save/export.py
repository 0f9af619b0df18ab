"""The result as a Hugging Face folder, reloaded and compared before anyone relies on it.

whole model   config, generation_config, safetensors (in shards when large), tokenizer, chat template, README.md
adapter       adapter_config (which names the base model), adapter_model.safetensors, tokenizer, README.md
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from instructkit.chat.chatml import CHATML
from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.evaluate.decode import stop_ids
from instructkit.models.adapter_folder import put_on
from instructkit.models.batch import Document
from instructkit.models.load import load_model, load_tokenizer, quiet
from instructkit.models.runner import Runner
from instructkit.train.model.adapters import NAME
from instructkit.train.save.weights import LARGEST_DIFFERENCE, losses

SHARD = "5GB"
"""Largest file of weights: the hub's clients fetch several at once."""
_PROBE = [
    {"role": "user", "content": "How tall is a giraffe?"},
    {"role": "assistant", "content": "About five metres."},
    {"role": "user", "content": "And a zebra?"},
]
_TEXT = "How tall is a giraffe?\nAbout five metres."


def export(
    runner: Runner,
    chat: ChatFormat,
    card: str,
    folder: Path,
    *,
    probe: Sequence[Document],
    dtype: torch.dtype = torch.float32,
    base: tuple[str, Callable[[], Any]] | None = None,
) -> None:
    """Write what `finish_weights` has left in the model; `folder` appears whole or not at all.

    `probe`: documents to compare losses on. `dtype`: see `finish_weights`. `base`: of an adapter, its base model's
    name and what loads it anew. Raises TrainingError when what was written does not load as what was trained.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    if beside.exists():
        shutil.rmtree(beside)
    expected = losses(runner, probe)
    with runner.generating() as model:
        _prepare_tokenizer(chat)
        if runner.kind != "classifier":
            _prepare_generation(model, chat)
        with quiet(), _narrow(model, dtype):
            if base is None:
                model.save_pretrained(beside, max_shard_size=SHARD)
            else:
                _save_adapter(model, beside, base[0])
        chat.tokenizer.save_pretrained(beside)
        (beside / "README.md").write_text(card, encoding="utf-8")
        saved = load_model(str(beside)) if base is None else put_on(base[1](), str(beside))
        _compare_weights(model, saved, beside, whole=base is None)
    # As anyone runs it: each document by itself, full logits, the attention that the model brings.
    found = losses(replace(runner, model=saved.eval(), layout="alone", head=None), probe)
    difference = float((found - expected).abs().max())
    if not difference <= LARGEST_DIFFERENCE:
        raise TrainingError(
            f"{beside}: the saved model's losses differ from the trained one's by {difference:.2e} nats"
        )
    _compare_tokenizer(chat, beside)
    if runner.kind == "classifier":
        if saved.config.id2label != runner.model.config.id2label:
            raise TrainingError(f"{beside}: the saved model has other classes than the trained one")
    elif saved.generation_config.eos_token_id != runner.model.generation_config.eos_token_id and base is None:
        raise TrainingError(f"{beside}: the saved generation config does not stop where training did")
    if folder.exists():
        shutil.rmtree(folder)
    beside.rename(folder)


def _prepare_tokenizer(chat: ChatFormat) -> None:
    tokenizer = chat.tokenizer
    if not chat.plain and chat.reads != "document":
        tokenizer.chat_template = chat.template
        if chat.template == CHATML:
            # Servers that know nothing of chat templates stop at the tokenizer's end token.
            tokenizer.eos_token = chat.stop
    if tokenizer.pad_token is None:
        tokenizer.pad_token = chat.stop


def _prepare_generation(model: Any, chat: ChatFormat) -> None:
    """The base model's settings, but for the tokens that end and pad."""
    settings = model.generation_config
    stops = stop_ids(model, chat)
    settings.eos_token_id = stops if len(stops) > 1 else stops[0]
    settings.pad_token_id = chat.tokenizer.pad_token_id
    model.config.eos_token_id = settings.eos_token_id
    model.config.pad_token_id = settings.pad_token_id
    try:
        settings.validate(strict=True)
    except ValueError:
        # Published models say `temperature` without the `do_sample` that makes it count; such settings cannot be saved.
        settings.do_sample = True


@contextmanager
def _narrow(model: Any, dtype: torch.dtype) -> Iterator[None]:
    """The parameters in other numbers, and fp32 again afterwards; exact, since `finish_weights` has rounded them."""
    if dtype == torch.float32:
        yield
        return
    for parameter in model.parameters():
        narrow = parameter.data.to(dtype)
        assert torch.equal(narrow.float(), parameter.data), "weights are rounded by `finish_weights` first"
        parameter.data = narrow
    try:
        yield
    finally:
        for parameter in model.parameters():
            parameter.data = parameter.data.float()


def _save_adapter(model: Any, folder: Path, base: str) -> None:
    """What `PeftModel.from_pretrained` reads."""
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    settings = model.peft_config[NAME]
    settings.base_model_name_or_path, settings.inference_mode = base, True
    state = get_peft_model_state_dict(model, adapter_name=NAME, save_embedding_layers=False)
    if not settings.is_prompt_learning:
        state = {f"base_model.model.{name}": value for name, value in state.items()}
    folder.mkdir(parents=True)
    settings.save_pretrained(folder)
    weights = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    model.generation_config.save_pretrained(folder)


def _compare_weights(trained: Any, saved: Any, folder: Path, whole: bool) -> None:
    if not whole:  # the losses tell
        return
    expected = trained.state_dict()
    found = saved.state_dict()
    if expected.keys() != found.keys():
        odd = sorted(expected.keys() ^ found.keys())
        raise TrainingError(
            f"{folder}: the saved model has other weights than the trained one: {', '.join(odd[:5])}, …"
        )
    for name, value in expected.items():
        if not torch.equal(value.cpu(), found[name]):
            raise TrainingError(f"{folder}: {name} is not saved as it was trained")


def _compare_tokenizer(chat: ChatFormat, folder: Path) -> None:
    """What is read and what ends a reply, by the saved tokenizer and template as transformers applies it."""
    again = load_tokenizer(str(folder))
    text = _TEXT
    if chat.answers and not chat.plain:
        text, _ = chat.render(_PROBE, prompt=True)
        # A template that writes the date of the day writes another in training, where it stands still.
        if "strftime_now" not in chat.template:
            prompt = again.apply_chat_template(_PROBE, tokenize=False, add_generation_prompt=True)
            if prompt != text:
                raise TrainingError(f"{folder}: the saved chat template writes {prompt!r}, training used {text!r}")
        elif again.chat_template != chat.template:
            raise TrainingError(f"{folder}: the saved chat template is not the one that training used")
    special = not chat.answers or chat.plain
    ids = [each(text, add_special_tokens=special, verbose=False)["input_ids"] for each in (chat.tokenizer, again)]
    if ids[0] != ids[1]:
        raise TrainingError(f"{folder}: the saved tokenizer gives other tokens than training used")
