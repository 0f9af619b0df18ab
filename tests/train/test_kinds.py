"""Models of every kind and objective, trained end to end on data a person can judge by eye."""

import json

import pytest
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from instructkit.errors import TrainingError
from instructkit.evaluate.run import evaluate
from instructkit.schema import Document, Message, Origin, frame
from instructkit.train.config.scratch import Scratch
from instructkit.train.run import train

SHAPE = {"hidden_size": 32, "layers": 2, "heads": 2, "vocab_size": 360}
LEARNS = {"max_steps": 40, "learning_rate": 5e-3}
pytestmark = pytest.mark.filterwarnings("ignore:.*generation flags.*")


@pytest.fixture
def corpus(tmp_path):
    """Shards of documents: one sentence over and over, each with its number."""
    made = [
        Document(
            id=f"d{i}",
            source="notes",
            origin=Origin(file="notes.txt", line=i + 1),
            text=f"Note {i}. " + "The sky is blue and the grass is green. " * (2 + 29 * (i % 5 == 0)),
            group=f"g{i}",
            split="test" if i % 10 == 3 else None,
        )
        for i in range(60)
    ]
    (tmp_path / "corpus").mkdir()
    path = tmp_path / "corpus/0.parquet"
    frame(Document, made).write_parquet(path)
    return [path]


def test_a_small_model_is_pretrained_on_documents_and_then_tuned(corpus, shards, small, tmp_path):
    said = []
    base = train(
        small(objective="language-modeling", sequence_length=128, **LEARNS),
        corpus,
        tmp_path / "base",
        dataset_hash="c",
        progress=said.append,
    )
    assert base.after.overall.examples == 6
    assert base.after.overall.perplexity < 10 < 100 < base.before.overall.perplexity
    total = json.loads((tmp_path / "base/preflight.json").read_text())["total"]
    assert total["rows"] > 54  # long documents in pieces
    # The tokenizer knows the control tokens of conversations: tuning adds none.
    tuned = train(
        small(from_="base", model=None, **LEARNS),
        shards,
        tmp_path / "tuned",
        dataset_hash="d",
        base=base.model,
    )
    assert tuned.after.overall.loss < tuned.before.overall.loss - 1
    one, two = (AutoTokenizer.from_pretrained(r.model) for r in (base, tuned))
    assert one.get_vocab() == two.get_vocab()
    assert "training `base`" in (tuned.model / "README.md").read_text()
    again = train(
        small(from_="base", model=None, **LEARNS), shards, tmp_path / "tuned", dataset_hash="d", base=base.model
    )
    assert again.reused


def test_the_texts_of_examples_are_a_corpus_too(shards, small, tmp_path):
    config = small(objective="language-modeling", generations=3, **LEARNS)
    result = train(config, shards, tmp_path / "run", dataset_hash="d")
    assert result.after.overall.loss < result.before.overall.loss - 1
    assert result.after.generations == []
    assert "apply_chat_template" not in (result.model / "README.md").read_text()
    assert AutoModelForCausalLM.from_pretrained(result.model).config.model_type == "llama"


@pytest.mark.parametrize("architecture", ["t5", "bart"])
def test_an_encoder_decoder_learns_to_answer(architecture, shards, small, tmp_path):
    shape = Scratch(architecture=architecture, **SHAPE)
    result = train(small(model=shape, generations=1, **LEARNS), shards, tmp_path / "run", dataset_hash="d")
    assert result.after.overall.loss < result.before.overall.loss - 1
    again = evaluate(result.model, shards, limit=200)
    assert again.overall.loss == pytest.approx(result.after.overall.loss, rel=1e-4)
    assert result.after.generations


@pytest.mark.parametrize("architecture", ["bert", "llama"])
def test_a_classifier_learns_which_reply_belongs_to_a_conversation(
    architecture, colours, write_shards, small, tmp_path
):
    shape = Scratch(architecture=architecture, **SHAPE)
    config = small(model=shape, objective="classification", max_steps=60, learning_rate=5e-3)
    data = write_shards(colours(300))
    result = train(config, data, tmp_path / "run", dataset_hash="d")
    assert result.after.overall.loss < 0.85 * result.before.overall.loss
    model = AutoModelForSequenceClassification.from_pretrained(result.model)
    answers = sorted(f"It is {c}." for c in ("blue", "green", "white", "black", "red", "yellow"))
    assert [model.config.id2label[i] for i in range(6)] == answers
    assert model.config.label2id == {name: i for i, name in enumerate(answers)}
    assert model.config.pad_token_id is not None
    again = evaluate(result.model, data, limit=200)
    assert again.overall.loss == pytest.approx(result.after.overall.loss, rel=1e-4)


def test_replies_that_are_no_classes_are_refused(colours, write_shards, small, tmp_path):
    from msgspec.structs import replace

    made = [replace(e, messages=[e.messages[0], Message(role="assistant", content=e.id)]) for e in colours(60)]
    config = small(model=Scratch(architecture="bert", **SHAPE), objective="classification")
    with pytest.raises(TrainingError, match="takes the last replies as classes: 4"):
        train(config, write_shards(made), tmp_path / "run", dataset_hash="d")


def test_language_modelling_is_for_decoders(shards, small, tmp_path):
    config = small(model=Scratch(architecture="t5", **SHAPE), objective="language-modeling")
    with pytest.raises(TrainingError, match="the model is an encoder-decoder"):
        train(config, shards, tmp_path / "run", dataset_hash="d")


def test_a_saved_model_of_each_kind_is_tuned_on(shards, small, tmp_path):
    """A decoder gets a head for classes, a classifier keeps its own, an encoder-decoder goes on."""

    def go(name, **fields):
        return train(small(max_steps=1, **fields), shards, tmp_path / name, dataset_hash="d").model

    decoder = go("decoder", model=Scratch(**SHAPE))
    classifier = go("classifier", model=str(decoder), objective="classification")
    again = go("again", model=str(classifier), objective="classification")
    heads = [AutoModelForSequenceClassification.from_pretrained(m) for m in (classifier, again)]
    assert heads[0].config.id2label == heads[1].config.id2label
    assert len(heads[0].config.id2label) == 6
    assert (heads[0].score.weight - heads[1].score.weight).abs().max() < 0.01  # one step apart, not drawn anew
    with pytest.raises(TrainingError, match="is a classifier; set objective: classification"):
        go("wrong", model=str(classifier))
    pairs = go("pairs", model=Scratch(architecture="t5", **SHAPE))
    assert json.loads((go("more", model=str(pairs)) / "config.json").read_text())["is_encoder_decoder"]
