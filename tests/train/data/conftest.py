import msgspec
import pytest

from instructkit.chat.format import chat_format
from instructkit.schema import Message
from instructkit.train.data.load import load
from instructkit.train.data.source import conversations
from instructkit.train.data.tokenizer import train_tokenizer
from instructkit.train.watch.progress import silent


@pytest.fixture(scope="session")
def chat():
    return chat_format(train_tokenizer(["What colour is the sky?"], 300, 128))


@pytest.fixture
def source(chat):
    return lambda shards, key="key": conversations(shards, chat, key)


@pytest.fixture
def prepare(small, source, tmp_path):
    """`load` on shards of examples, with the settings given."""

    def run(shards, say=silent, key="key", **fields):
        return load(source(shards, key), small(**fields), tmp_path / "cache", say)

    return run


@pytest.fixture(scope="session")
def with_messages():
    """An example with other turns and values."""

    def change(example, *turns, **values):
        return msgspec.structs.replace(example, messages=[Message(role=r, content=c) for r, c in turns], **values)

    return change
