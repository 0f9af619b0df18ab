import pytest
import torch
import transformers

from instructkit.errors import UsageFault
from instructkit.evaluate import decode as module
from instructkit.evaluate.decode import Decoding, Prompt, batch_tokens, exact_batches, replies
from instructkit.evaluate.generate import generate
from instructkit.schema import Message

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
ARCHITECTURES = {
    "llama": SMALL,
    "mistral": {**SMALL, "sliding_window": 6, "num_key_value_heads": 1},
    "qwen2": {**SMALL, "num_key_value_heads": 1},
    "gemma2": {**SMALL, "head_dim": 16, "num_key_value_heads": 1, "sliding_window": 6},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "gpt_neox": SMALL,
    "opt": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "ffn_dim": 64,
        "word_embed_proj_dim": 32,
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4},
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32, "intermediate_size": 64},
}
LENGTHS = (3, 12, 7, 20, 5, 12)


@pytest.fixture(scope="module")
def make(chat):
    """A small random model of an architecture, with weights large enough for replies that differ."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()

    def make_one(name, **options):
        torch.manual_seed(1)
        ends = {"bos_token_id": None, "eos_token_id": chat.stop_id, "pad_token_id": chat.tokenizer.pad_token_id}
        config = transformers.AutoConfig.for_model(
            name, **ARCHITECTURES[name], **ends, **options, vocab_size=len(chat.tokenizer)
        )
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(4)
        return model

    yield make_one
    transformers.logging.set_verbosity(verbosity)


@pytest.fixture(scope="module")
def prompts(chat):
    return [Prompt([(i * 13 + n * 7) % len(chat.tokenizer) for i in range(n)], f"x{k}") for k, n in enumerate(LENGTHS)]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_greedy_reply_is_the_same_alone_and_in_a_batch(name, make, chat, prompts):
    model, decoding = make(name), Decoding(max_new_tokens=10)
    together = replies(model, chat, prompts, decoding)
    alone = [replies(model, chat, [prompt], decoding)[0] for prompt in prompts]
    assert together == alone
    assert len({several[0].text for several in together}) > 1


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_sampled_reply_is_the_same_alone_and_in_a_batch(name, make, chat, prompts):
    model, decoding = make(name), Decoding(max_new_tokens=10, temperature=1.0, top_p=0.9, samples=3, seed=5)
    together = replies(model, chat, prompts, decoding)
    assert together == [replies(model, chat, [prompt], decoding)[0] for prompt in prompts]
    assert together == replies(model, chat, prompts[::-1], decoding)[::-1]
    assert all(len({reply.text for reply in several}) > 1 for several in together)
    assert together != replies(model, chat, prompts, Decoding(max_new_tokens=10, temperature=1.0, samples=3, seed=6))


def test_a_model_that_other_prompts_disturb_is_found_out(make):
    assert exact_batches(make("llama")) == "any"
    assert exact_batches(make("rwkv")) == "none"  # its cached steps mix up the rows of a batch (transformers 5.23)


def test_prompts_without_room_get_no_reply_and_others_all_the_room_there_is(make, chat, prompts):
    model = make("llama", max_position_embeddings=16)
    found = replies(model, chat, prompts, Decoding(max_new_tokens=10))
    assert [len(several) for several in found] == [1, 1, 1, 0, 1, 1]
    assert found[1][0].tokens <= 4  # 12 of 16 positions are the prompt's
    assert (
        found[0]
        == replies(make("llama", max_position_embeddings=64), chat, prompts[:1], Decoding(max_new_tokens=10))[0]
    )


def test_a_reply_ends_with_the_first_stop_token(make, chat, prompts):
    model = make("llama")
    stops = module.stop_ids(model, chat)
    for several in replies(model, chat, prompts, Decoding(max_new_tokens=40, temperature=1.5, samples=4)):
        for reply in several:
            assert reply.stopped or reply.tokens == 40
            assert chat.stop not in reply.text
    assert stops[0] == chat.stop_id


def test_the_generation_config_of_a_checkpoint_adds_nothing(make, chat, prompts):
    model, decoding = make("llama"), Decoding(max_new_tokens=10)
    plain = replies(model, chat, prompts, decoding)
    own = transformers.GenerationConfig(repetition_penalty=9.0, do_sample=True, temperature=5.0, min_new_tokens=9)
    model.generation_config = own
    assert replies(model, chat, prompts, decoding) == plain
    assert model.generation_config is own


def test_batches_are_bounded_by_the_memory_of_keys_and_values(make, chat, prompts, monkeypatch):
    model = make("llama")
    monkeypatch.setattr(module, "CACHE_BYTES", 4 * 2 * 2 * 32 * 60)  # of 60 tokens
    assert batch_tokens(model) == 60
    told = []
    replies(model, chat, prompts, Decoding(max_new_tokens=10), lambda done, total: told.append((done, total)))
    # 20+10 alone (with 12: 60), then 12+10 twice, …: no batch of more than 60 cells.
    assert told[-1] == (6, 6)
    assert len(told) >= 3


def test_an_encoder_decoder_answers(chat, prompts):
    torch.manual_seed(0)
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "vocab_size": len(chat.tokenizer)}
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**shape, decoder_start_token_id=0)).eval()
    decoding = Decoding(max_new_tokens=6)
    together = replies(model, chat, prompts, decoding)
    assert together == [replies(model, chat, [prompt], decoding)[0] for prompt in prompts]
    assert all(0 < reply.tokens <= 6 for (reply,) in together)


def test_a_prompt_that_fills_the_model_is_a_usage_fault(saved):
    with pytest.raises(UsageFault, match=r"prompt has \d+ tokens, the model takes 128"):
        generate(saved, "z" * 300)


def test_a_conversation_is_answered_like_its_last_prompt(saved):
    assert generate(saved, "Count 3", max_new_tokens=4) == generate(
        saved, [Message(role="user", content="Count 3")], max_new_tokens=4
    )


def test_several_greedy_replies_are_a_usage_fault():
    with pytest.raises(UsageFault, match="set a temperature"):
        Decoding(samples=2)
