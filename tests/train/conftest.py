"""Small datasets on disk and a small model, for real trainings that take a second."""

import json
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from instructkit.hashing import record_hash, uniform
from instructkit.schema import Example, Message, Origin, frame
from instructkit.train.config.scratch import Scratch
from instructkit.train.config.training import Training

COLOURS = {"sky": "blue", "grass": "green", "snow": "white", "coal": "black", "blood": "red", "lemon": "yellow"}
ASKS = ["What colour is {}?", "Name the colour of {}.", "Which colour has {}?", "Tell me: the colour of {}?"]


def colour_examples(count=240, answers=COLOURS):
    """Answers that depend on the prompt; a tenth test, a tenth validation."""
    made = []
    for i in range(count):
        thing = list(COLOURS)[i % 6]
        ask = ASKS[(i // 6) % 4].format(thing)
        messages = [
            Message(role="user", content=f"({i}) {ask}"),
            Message(role="assistant", content=f"It is {answers[thing]}."),
        ]
        draw = uniform(5, "split", str(i))
        made.append(
            Example(
                id=f"x{i:04d}",
                content_hash=record_hash(*(m.content for m in messages)),
                messages=messages,
                source="colours",
                origin=Origin(file="colours.jsonl", line=i + 1),
                template=f"ask{(i // 6) % 2}",
                task="colour",
                language="en",
                group=f"g{i}",
                split="test" if draw < 0.1 else "validation" if draw < 0.2 else "train",
            )
        )
    return made


def write(examples, folder, shards=2):
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    size = -(-len(examples) // shards)
    for i in range(shards):
        paths.append(folder / f"{i}.parquet")
        frame(Example, examples[i * size : (i + 1) * size]).write_parquet(paths[-1])
    return paths


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Models this small only lose by a second thread, and on a busy machine they lose much."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def colours():
    return colour_examples


@pytest.fixture(scope="session", name="colour_examples")
def _colour_examples():
    return colour_examples


@pytest.fixture(scope="session", name="write")
def _write():
    return write


@pytest.fixture
def write_shards(tmp_path):
    return lambda examples, name="data": write(examples, tmp_path / name)


@pytest.fixture(scope="session")
def small():
    """A training of a few small steps; fields can be overridden."""

    def make(**fields):
        shape = Scratch(hidden_size=32, layers=2, heads=2, vocab_size=360)
        given = {
            "sequence_length": 128,
            "tokens_per_step": 512,
            "max_steps": 6,
            "epochs": 100.0,
            "generations": 0,
            **fields,
        }
        return Training(**{"examples": "final", "model": shape, **given})

    return make


@pytest.fixture(scope="session")
def shards(tmp_path_factory):
    """The colours on disk; never written to."""
    return write(colour_examples(), tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def on_ranks(environment):
    """Run a script as so many ranks and return what each of them wrote: a JSON value for each rank.

    The script is called with a path to write to, then with the arguments given.
    """

    def run(script, ranks, folder, *args, check=True):
        folder.mkdir(parents=True, exist_ok=True)
        store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        here = {
            **environment,
            "WORLD_SIZE": str(ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "OMP_NUM_THREADS": "1",
        }
        paths = [folder / f"{rank}.json" for rank in range(ranks)]
        processes = [
            subprocess.Popen(
                [sys.executable, "-W", "error", str(script), str(paths[rank]), *map(str, args)],
                env={**here, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for rank in range(ranks)
        ]
        said = [process.communicate(timeout=300)[0] for process in processes]
        assert not check or all(p.returncode == 0 for p in processes), "\n".join(said)
        return [json.loads(path.read_text()) for path in paths] if check else said

    return run
