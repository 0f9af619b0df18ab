"""Models and tokenizers by name: a Hugging Face folder, an adapter's folder, a GGUF file or a hub name.

Weights are fp32, whatever they were saved in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch

from instructkit.errors import TrainingError, first_line
from instructkit.models.adapter_folder import base_of, is_adapter, put_on
from instructkit.models.gguf import is_gguf, unpacked

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Kind = Literal["causal", "seq2seq", "classifier"]
"""Of model: a decoder, an encoder-decoder, a sequence classifier."""


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a model. Raises TrainingError where it cannot be loaded."""
    from transformers import AutoTokenizer

    if is_gguf(name):
        return load_tokenizer(unpacked(name))
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(name, revision=hub_commit(name))
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(_unloadable(name, "tokenizer", error)) from error


def load_model(name: str, kind: Kind | None = None, classes: Sequence[str] | None = None) -> Any:
    """A model with fp32 weights, on the CPU. Raises TrainingError where it cannot be loaded.

    `kind` None: what it was saved as. `classes`: those of a classifier, in order; None: its own. fp32 always: an
    optimizer's small steps vanish in bf16 weights.
    """
    if is_gguf(name):
        return load_model(unpacked(name), kind, classes)
    if is_adapter(name):
        return put_on(load_model(base_of(name), kind, classes), name)
    revision = hub_commit(name)
    try:
        with quiet():
            config = load_config(name)
            given: dict[str, Any] = {}
            if classes is not None:
                config.id2label = dict(enumerate(classes))
                config.label2id = {c: i for i, c in enumerate(classes)}
                given["ignore_mismatched_sizes"] = True  # a head for other classes makes room for a new one
            auto = auto_class(kind or kind_of(config))
            return auto.from_pretrained(name, config=config, dtype=torch.float32, revision=revision, **given)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(_unloadable(name, "model", error)) from error


def load_config(name: str) -> Any:
    """The config of a model. Raises TrainingError where it cannot be loaded."""
    from transformers import AutoConfig

    if is_gguf(name):
        return load_config(unpacked(name))
    if is_adapter(name):
        return load_config(base_of(name))
    try:
        with quiet():
            return AutoConfig.from_pretrained(name, revision=hub_commit(name))
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(_unloadable(name, "config", error)) from error


def kind_of(config: Any) -> Kind:
    """What a model of that config was made as."""
    if any("ForSequenceClassification" in name for name in config.architectures or []):
        return "classifier"
    return "seq2seq" if config.is_encoder_decoder else "causal"


def kind_of_model(model: Any) -> Kind:
    """The same of a loaded model, adapters or not."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    if "ForSequenceClassification" in type(inner).__name__:
        return "classifier"
    return "seq2seq" if inner.config.is_encoder_decoder else "causal"


def auto_class(kind: Kind) -> Any:
    """The class of transformers that makes a model of a kind from any config."""
    import transformers

    names: dict[Kind, str] = {
        "causal": "AutoModelForCausalLM",
        "seq2seq": "AutoModelForSeq2SeqLM",
        "classifier": "AutoModelForSequenceClassification",
    }
    return getattr(transformers, names[kind])


def hub_commit(name: str) -> str | None:
    """The commit that a hub name stands for: the one in the local cache, else the hub's newest.

    None for a folder, and where the name is neither cached nor reachable. The cache comes first so that a model which
    was downloaded once stays the same until somebody downloads it anew, and so that nobody waits for a network.
    """
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    if Path(name).exists():
        return None
    try:
        path = try_to_load_from_cache(name, "config.json")
        if not isinstance(path, str):
            with quiet():
                path = hf_hub_download(name, "config.json")
    except (OSError, ValueError, HfHubHTTPError):
        return None
    return Path(path).parent.name  # …/snapshots/<commit>/config.json


@contextmanager
def quiet() -> Iterator[None]:
    """Without the progress bars of transformers: progress is said in one way."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _unloadable(name: str, what: str, error: Exception) -> str:
    kind = "folder" if Path(name).exists() else "hub name (there is no such folder here)"
    return f"model '{name}': the {what} cannot be loaded; taken as a {kind}: {first_line(error)}"


def best_device() -> torch.device:
    """The first CUDA device, else Apple's GPU, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def compute_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype of matrix products. `auto`: bf16 on a GPU that has it, else fp32.

    On a CPU auto stays at fp32: bf16 saves nothing for small models (measured: slower below about 10 M parameters)
    and costs the exact repeat.
    """
    if precision == "fp16":
        return torch.float16
    if precision == "fp32" or (precision == "auto" and device.type != "cuda"):
        return torch.float32
    if precision == "auto" and not torch.cuda.is_bf16_supported():
        return torch.float32
    return torch.bfloat16


@contextmanager
def autocast(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Products in `dtype`; nothing at all for fp32."""
    if dtype == torch.float32:
        yield
    else:
        with torch.autocast(device.type, dtype=dtype):
            yield
