import json

import pytest
import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
)

from instructkit.chat.format import format_for
from instructkit.errors import TrainingError
from instructkit.models.load import load_model
from instructkit.models.runner import make_runner
from instructkit.train.config.adapter import Adapter
from instructkit.train.model.adapters import adapt
from instructkit.train.save import export as module
from instructkit.train.save.export import export
from instructkit.train.save.weights import finish_weights, losses, round_weights, saved_dtype

AUTO = {
    "causal": AutoModelForCausalLM,
    "seq2seq": AutoModelForSeq2SeqLM,
    "classifier": AutoModelForSequenceClassification,
}


ADAPTERS = [*(Adapter(kind=kind, merge=False) for kind in ("lora", "dora", "adalora")), Adapter(kind="prefix")]


def randomise(model):
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(torch.randn_like(p) * 0.1)
    return model


@pytest.mark.parametrize("kind", list(AUTO))
def test_a_model_of_each_kind_loads_with_plain_transformers_as_it_was_trained(make, tmp_path, kind):
    made = make(kind)
    runner = make_runner(made.model, 20)
    reads = {"causal": "conversation", "seq2seq": "pair", "classifier": "class"}[kind]
    chat = format_for(made.chat.tokenizer, None, reads, classes=("night", "day", "dawn"))
    export(runner, chat, "card", tmp_path / "model", probe=made.documents)
    saved = AUTO[kind].from_pretrained(tmp_path / "model")
    for name, value in made.model.state_dict().items():
        assert torch.equal(saved.state_dict()[name], value)
    assert {p.name for p in tmp_path.iterdir()} == {"model"}
    assert (tmp_path / "model/README.md").read_text() == "card"
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    if kind == "classifier":
        assert saved.config.id2label == {0: "night", 1: "day", 2: "dawn"}
    else:
        settings = GenerationConfig.from_pretrained(tmp_path / "model")
        assert settings.eos_token_id == tokenizer.eos_token_id == made.chat.stop_id
        assert settings.pad_token_id == tokenizer.pad_token_id


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_are_rounded_before_and_saved_exactly(make, tmp_path, small, dtype):
    made = make()
    runner = make_runner(made.model, 20)
    before = losses(runner, made.documents)
    finish_weights(runner, small(), dtype, made.documents)
    rounded = losses(runner, made.documents)
    assert not torch.equal(rounded, before)
    export(runner, made.chat, "", tmp_path / "model", probe=made.documents, dtype=dtype)
    assert {p.dtype for p in made.model.parameters()} == {torch.float32}
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype="auto")
    assert {p.dtype for p in saved.parameters()} == {dtype}
    assert torch.equal(losses(make_runner(load_model(str(tmp_path / "model")), 20), made.documents), rounded)


def test_what_is_not_saved_as_it_was_trained_is_refused(make, tmp_path):
    made, other = make(), randomise(make().model)
    made.model.save_pretrained = other.save_pretrained
    with pytest.raises(TrainingError, match="is not saved as it was trained"):
        export(make_runner(made.model, 20), made.chat, "", tmp_path / "model", probe=made.documents)
    assert not (tmp_path / "model").exists()


def test_a_tokenizer_that_is_not_saved_as_it_was_used_is_refused(make, tmp_path):
    made = make()
    made.chat.tokenizer.save_pretrained = lambda folder: None
    with pytest.raises(TrainingError, match="the tokenizer cannot be loaded"):
        export(make_runner(made.model, 20), made.chat, "", tmp_path / "model", probe=made.documents)


def test_numbers_that_do_not_fit_are_refused(make):
    model = make().model
    model.model.norm.weight.data[0] = 1e6
    with pytest.raises(TrainingError, match=r"model\.norm\.weight holds numbers that fp16 cannot; set save_as: fp32"):
        round_weights(model, torch.float16)


def test_a_result_is_saved_in_the_numbers_of_its_base_when_nothing_is_said(make, small, tmp_path):
    make().model.to(torch.bfloat16).save_pretrained(tmp_path)
    base = str(tmp_path)
    assert saved_dtype(small(model=base)) == torch.bfloat16
    assert saved_dtype(small(model=base, save_as="fp32")) == torch.float32
    assert saved_dtype(small()) == torch.float32
    assert saved_dtype(small(model=base, adapter=Adapter())) == torch.bfloat16
    assert saved_dtype(small(model=base, adapter=Adapter(merge=False))) == torch.float32


def test_a_large_model_is_saved_in_shards(make, tmp_path, monkeypatch):
    made = make()
    monkeypatch.setattr(module, "SHARD", "40KB")
    export(make_runner(made.model, 20), made.chat, "", tmp_path / "model", probe=made.documents)
    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 2
    assert torch.equal(load_model(str(tmp_path / "model")).lm_head.weight, made.model.lm_head.weight)


def test_settings_for_generation_are_those_of_the_base_but_for_the_tokens_that_end(make, tmp_path):
    made = make()
    # As Llama 2 was published: transformers refuses to save such settings as they are.
    made.model.generation_config = GenerationConfig(temperature=0.6, top_p=0.9, do_sample=False, eos_token_id=7)
    export(make_runner(made.model, 20), made.chat, "", tmp_path / "model", probe=made.documents)
    settings = GenerationConfig.from_pretrained(tmp_path / "model")
    assert (settings.temperature, settings.top_p, settings.do_sample) == (0.6, 0.9, True)
    assert settings.eos_token_id == [made.chat.stop_id, 7]


@pytest.fixture
def base(make, tmp_path):
    made = make()
    made.model.save_pretrained(tmp_path / "project/models/base")
    made.chat.tokenizer.save_pretrained(tmp_path / "project/models/base")
    return tmp_path / "project/models/base"


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: adapter.kind)
def test_an_adapter_folder_loads_through_peft_and_names_its_base(make, base, small, tmp_path, adapter):
    made = make()
    adapted = adapt(made.model, adapter, steps=20)
    runner = make_runner(randomise(adapted.model), 20)
    runner.losses(runner.collate(made.documents))[0].backward()
    for call in (*adapted.before_update, *adapted.after_update):
        call(16)  # when AdaLoRA has taken the last ranks away
    folder = tmp_path / "project/build/recipe/trainings/tuned/model"
    folder.parent.mkdir(parents=True)
    finish_weights(runner, small(model=str(base), adapter=adapter), torch.float32, made.documents)
    expected = losses(runner, made.documents)
    export(runner, made.chat, "", folder, probe=made.documents, base=("models/base", lambda: load_model(str(base))))
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "models/base"
    assert not (folder / "model.safetensors").exists()
    assert str(tmp_path) not in "".join(p.read_text() for p in folder.glob("*.json"))
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    assert torch.allclose(losses(make_runner(plain, 20), made.documents), expected, atol=1e-4)
    # Our own loader finds the base by its name, from the folder of the project down.
    ours = make_runner(load_model(str(folder)), 20)
    assert torch.allclose(losses(ours, made.documents), expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["lora", "dora", "adalora"])
def test_a_merged_adapter_is_a_model_like_any_other(make, base, small, tmp_path, kind):
    made = make()
    adapter = Adapter(kind=kind)
    runner = make_runner(randomise(adapt(made.model, adapter, steps=20).model), 20)
    expected = losses(runner, made.documents)
    finish_weights(runner, small(model=str(base), adapter=adapter), torch.float32, made.documents)
    export(runner, made.chat, "", tmp_path / "model", probe=made.documents)
    assert not (tmp_path / "model/adapter_config.json").exists()
    saved = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert saved.state_dict().keys() == AutoModelForCausalLM.from_pretrained(base).state_dict().keys()
    assert torch.allclose(losses(make_runner(saved, 20), made.documents), expected, atol=1e-4)


def test_an_adapter_without_its_base_says_where_it_looked(make, base, small, tmp_path):
    made = make()
    adapter = Adapter(merge=False)
    runner = make_runner(adapt(made.model, adapter, steps=1).model, 20)
    export(
        runner,
        made.chat,
        "",
        tmp_path / "alone",
        probe=made.documents,
        base=("no/such/base", lambda: load_model(str(base))),
    )
    with pytest.raises(TrainingError, match="model 'no/such/base': the config cannot be loaded"):
        load_model(str(tmp_path / "alone"))
