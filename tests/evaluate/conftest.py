import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from instructkit.chat.format import chat_format
from instructkit.models.runner import make_runner
from instructkit.schema import Example, Message, Origin, frame
from instructkit.train.data.tokenizer import train_tokenizer


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_examples(count=40):
    return [
        Example(
            id=f"x{i}",
            content_hash="h",
            messages=[
                Message(role="user", content=f"Count {i}"),
                Message(role="assistant", content="one " * (i % 7 + 1)),
            ],
            source="numbers",
            origin=Origin(file="f"),
            template=f"t{i % 3}",
            task=None,
            language="en",
            group=f"g{i}",
            split="test" if i % 4 == 0 else "train",
        )
        for i in range(count)
    ]


@pytest.fixture(scope="session")
def examples():
    return frame(Example, make_examples())


@pytest.fixture(scope="session")
def shards(examples, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for i in range(2):
        examples[i * 20 : i * 20 + 20].write_parquet(folder / f"{i}.parquet")
    return sorted(folder.iterdir())


@pytest.fixture(scope="session")
def chat():
    return chat_format(train_tokenizer(["one two three", "Count 1"] * 5, 300, 128))


@pytest.fixture(scope="session")
def model(chat):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    ends = {"bos_token_id": None, "eos_token_id": chat.stop_id, "pad_token_id": chat.tokenizer.pad_token_id}
    return LlamaForCausalLM(LlamaConfig(**shape, **ends, vocab_size=len(chat.tokenizer), max_position_embeddings=128))


@pytest.fixture(scope="session")
def runner(model):
    return make_runner(model, 128)


@pytest.fixture(scope="session")
def saved(model, chat, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model.set_attn_implementation("sdpa")
    model.save_pretrained(folder)
    chat.tokenizer.save_pretrained(folder)
    return folder
