import numpy as np
import pytest
import torch

from instructkit.chat.format import chat_format
from instructkit.models.batch import Document
from instructkit.train.config.scratch import Scratch
from instructkit.train.data.tokenizer import train_tokenizer
from instructkit.train.model.new import new_model

SIZE = {"hidden_size": 32, "layers": 2, "heads": 4, "kv_heads": 2, "intermediate_size": 64}


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Models this small only lose by a second thread, and on a busy machine they lose much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def chat():
    """A chat format of 262 tokens."""
    return chat_format(train_tokenizer(["some text"] * 3, 300, 64))


@pytest.fixture(scope="session")
def build(chat):
    """A tiny model of an architecture in evaluation mode, its weights so large that a leak shows."""

    def make(architecture, kind=None, classes=None, shape=SIZE, longest=64, **options):
        torch.manual_seed(0)
        scratch = Scratch(architecture=architecture, options=options, **shape)
        assert not scratch.faults()
        model = new_model(scratch, chat, longest, kind, classes)
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if not weight.any():
                    weight.normal_(0, 0.1)
                elif weight.ndim >= 2 and "embed" not in name:
                    weight.mul_(8)
        return model.eval()

    return make


@pytest.fixture(scope="session")
def documents():
    """Documents of some lengths, half of their written tokens trained on, with weights."""

    def make(lengths, seed=0, trained=0.5, read=None, tokens=262):
        rng = np.random.default_rng(seed)
        made = []
        for i, n in enumerate(lengths):
            ids = rng.integers(3, tokens, n).astype(np.int32)
            weights = ((rng.random(n) < trained) * rng.random(n)).astype(np.float32)
            count = read[i] if read else 0
            weights[:count] = 0
            made.append(Document(ids, weights, count))
        return made

    return make
