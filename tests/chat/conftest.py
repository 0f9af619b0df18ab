import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from instructkit.schema import Example, Message, Origin

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
