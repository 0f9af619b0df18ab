"""The tuned model as a Hugging Face directory, reloaded and compared before anyone relies on it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch

from instructkit.chat.chatml import CHATML
from instructkit.chat.format import reread
from instructkit.chat.rendering import ChatFormat
from instructkit.errors import TrainingError
from instructkit.evaluate.generate import stop_ids
from instructkit.models.load import load_model, load_tokenizer, quiet
from instructkit.models.runner import Runner

_PROBE = [
    {"role": "user", "content": "How tall is a giraffe?"},
    {"role": "assistant", "content": "About five metres."},
    {"role": "user", "content": "And a zebra?"},
]


def export(runner: Runner, chat: ChatFormat, card: str, folder: Path) -> None:
    """Write model, tokenizer, chat template, generation config and card; `folder` appears whole or not at all.

    Raises TrainingError when what was written does not load as what was trained.
    """
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.writing")
    if beside.exists():
        shutil.rmtree(beside)
    tokenizer = chat.tokenizer
    tokenizer.chat_template = chat.template
    if chat.template == CHATML:
        # Servers that know nothing of chat templates stop at the tokenizer's end token.
        tokenizer.eos_token = chat.stop
    if tokenizer.pad_token is None:
        tokenizer.pad_token = chat.stop
    with runner.generating() as model:
        stops = stop_ids(model, chat)
        settings = model.generation_config
        settings.eos_token_id = stops if len(stops) > 1 else stops[0]
        settings.pad_token_id = tokenizer.pad_token_id
        model.config.eos_token_id = settings.eos_token_id
        model.config.pad_token_id = tokenizer.pad_token_id
        with quiet():
            model.save_pretrained(beside)
        tokenizer.save_pretrained(beside)
        (beside / "README.md").write_text(card, encoding="utf-8")
        _compare(model, chat, beside)
    if folder.exists():
        shutil.rmtree(folder)
    beside.rename(folder)


def _compare(model: Any, chat: ChatFormat, folder: Path) -> None:
    saved, tokenizer = load_model(str(folder)).eval(), load_tokenizer(str(folder))
    expected, _ = chat.render(_PROBE, prompt=True)
    prompt, _ = reread(chat, tokenizer).render(_PROBE, prompt=True)
    if prompt != expected:
        raise TrainingError(f"{folder}: the saved chat template writes {prompt!r}, training used {expected!r}")
    ids = chat.tokenizer(expected, add_special_tokens=False, return_tensors="pt")["input_ids"]
    again = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    if not torch.equal(ids, again):
        raise TrainingError(f"{folder}: the saved tokenizer gives other tokens than training used")
    with torch.inference_mode():
        trained = model(ids.to(model.device), use_cache=False).logits.cpu()
        loaded = saved(ids, use_cache=False).logits
    difference = (trained - loaded).abs().max().item()
    if difference > 1e-3 * max(1.0, trained.abs().max().item()):
        raise TrainingError(f"{folder}: the saved model's logits differ from the trained one's by {difference:.2e}")
    if chat.stop_id not in stop_ids(saved, chat) or saved.generation_config.eos_token_id is None:
        raise TrainingError(f"{folder}: the saved generation config does not stop at {chat.stop}")
