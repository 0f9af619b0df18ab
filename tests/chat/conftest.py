from functools import cache
from pathlib import Path

import orjson
import pytest
import yaml
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from instructkit.schema import Example, Message, Origin

TEMPLATES = Path(__file__).parent / "templates"
TEXTS = [
    "How tall is a giraffe? About five metres. The moon pulls the sea.",
    "def add(a, b):\n    return a + b\n\n\nprint(add(1, 2))",
    "You are terse. Thanks! Paris is the capital of France.",
] * 20


def byte_level(special, **roles):
    """A byte-level BPE tokenizer with these control tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **roles)


@cache
def bare(kind):
    """The JSON of a tokenizer of that kind (see templates/families.yaml) without control tokens."""
    if kind == "bytes":
        return byte_level([]).backend_tokenizer.to_str()
    backend = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    to_space = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    to_mark = normalizers.Replace(" ", "▁")
    match kind:
        case "llama":
            backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), to_mark])
            backend.decoder = decoders.Sequence([*to_space, decoders.Strip(" ", 1, 0)])
        case "gemma":
            backend.normalizer = to_mark
            backend.decoder = decoders.Sequence(to_space)
        case "metaspace":
            backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
            backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="first")])
    bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]
    alphabet = [chr(sign) for sign in range(0x20, 0x7F)]
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>", *bytes_], initial_alphabet=alphabet, show_progress=False
    )
    words = [word for text in TEXTS for word in text.split()]
    backend.train_from_iterator([*words, *(f"▁{word}" for word in words), "\n", "\n\n"] * 2, trainer)
    made = orjson.loads(backend.to_str())
    made["added_tokens"] = []  # bytes are tokens like others: only the trainer took them for control tokens
    return orjson.dumps(made).decode()


def family(name):
    """The tokenizer of a family of templates/families.yaml, with its chat template."""
    about = yaml.safe_load((TEMPLATES / "families.yaml").read_text())[name]
    backend = Tokenizer.from_str(bare(about["kind"]))
    sides = {side: about.get(side, False) for side in ("lstrip", "rstrip")}
    backend.add_special_tokens(
        [AddedToken(token, special=True, normalized=False, **sides) for token in about["special"]]
    )
    backend.add_tokens([AddedToken(token, normalized=False) for token in about.get("added", [])])
    roles = {f"{role}_token": about[role] for role in ("bos", "eos", "pad") if role in about}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **roles)
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text()
    return tokenizer


@pytest.fixture(scope="session")
def make_family():
    return cache(family)


@pytest.fixture(scope="session")
def make_tokenizer():
    return byte_level


@pytest.fixture(scope="session")
def chatml_tokenizer():
    return byte_level(["<|pad|>", "<|im_start|>", "<|im_end|>"], pad_token="<|pad|>", eos_token="<|im_end|>")


@pytest.fixture(scope="session")
def make_example():
    def make(*turns, **values):
        messages = [t if isinstance(t, Message) else Message(role=t[0], content=t[1]) for t in turns]
        given = {"id": "e1", "content_hash": "h", "source": "s", "origin": Origin(file="f"), "group": "g"}
        return Example(messages=messages, **{**given, **values})

    return make
