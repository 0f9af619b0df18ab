"""GGUF files, as llama.cpp and its kin have them, unpacked into a Hugging Face folder that can be trained and saved.

Weights in a GGUF file are most often 4 to 8 bits wide. They are widened to fp32, exactly; what quantisation has taken
does not come back. Unpacking costs seconds to minutes, so a training does it once and keeps the folder.
"""

from __future__ import annotations

import atexit
import io
import os
import shutil
import tempfile
import warnings
from contextlib import redirect_stderr
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch

from instructkit.errors import TrainingError, first_line
from instructkit.hashing import file_digest

SUFFIX = ".gguf"


def is_gguf(name: str) -> bool:
    """Whether a model's name is that of a GGUF file."""
    return name.lower().endswith(SUFFIX)


def unpack_gguf(file: Path, cache: Path) -> Path:
    """The folder below `cache` that holds the file's model and tokenizer; made where it is not there yet.

    It is named by the file's content and appears whole or not at all. Raises TrainingError where the packages `gguf`
    and `accelerate` are missing, or transformers does not know what is in the file.
    """
    if missing := [name for name in ("gguf", "accelerate") if find_spec(name) is None]:
        raise TrainingError(
            f"model '{file.name}': a GGUF file needs the packages {' and '.join(missing)}; "
            "pip install 'instructkit[gguf]'"
        )
    try:
        folder = cache / f"gguf-{file_digest(file)}"
    except OSError as error:
        raise TrainingError(f"model '{file}': cannot be read ({error.strerror})") from error
    if folder.exists():
        return folder
    beside = cache / f".{folder.name}.{os.getpid()}.writing"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        _convert(file, beside)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return folder


@cache
def unpacked(name: str) -> str:
    """The file's model and tokenizer as a folder that lasts as long as this process."""
    place = tempfile.mkdtemp(prefix="instructkit-")
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return str(unpack_gguf(Path(name), Path(place)))


def _convert(file: Path, folder: Path) -> None:
    import transformers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from instructkit.models.load import quiet

    # Where transformers can keep the weights quantised it does so unless told, and such a model can be neither trained
    # nor saved. Before that it knew no other way than to widen them.
    known = hasattr(transformers, "GgufConfig")
    widen = {"quantization_config": transformers.GgufConfig(dequantize=True)} if known else {}
    try:
        # Its progress bar is drawn whatever `quiet` says.
        with quiet(), warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")  # about the file's own types of numbers, which we ask to have widened
            tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
            model = AutoModelForCausalLM.from_pretrained(
                str(file.parent), gguf_file=file.name, dtype=torch.float32, **widen
            )
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    except Exception as error:  # whatever a foreign file makes a parser raise
        raise TrainingError(f"model '{file}': the GGUF file cannot be unpacked: {first_line(error)}") from error
