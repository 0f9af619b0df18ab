import numpy as np
import pytest
import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from instructkit.errors import TrainingError
from instructkit.models.gguf import unpack_gguf

gguf = pytest.importorskip("gguf")
pytest.importorskip("accelerate")

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"


def interleaved(weight, heads):
    """Query and key rows in the order of llama.cpp, which turns neighbouring numbers and not halves."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A small Llama as llama.cpp's converter writes it in 8 bits, and the same model with the rounded weights."""
    torch.manual_seed(0)
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "th", "<|im_start|>", "<|im_end|>"]
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokens),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=128,
        )
    )
    path = tmp_path_factory.mktemp("gguf") / "small.Q8_0.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_block_count(2)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 2) + [3, 3])
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_bos_token_id(len(tokens) - 2)
    writer.add_chat_template(TEMPLATE)
    eight = gguf.GGMLQuantizationType.Q8_0
    for name, parameter in model.named_parameters():
        value = parameter.detach().numpy()
        if ".layers." in name:
            _, _, layer, *rest = name.split(".")
            there = f"blk.{layer}.{NAMES['.'.join(rest[:-1])]}.weight"
        else:
            there = {
                "model.embed_tokens.weight": "token_embd.weight",
                "model.norm.weight": "output_norm.weight",
                "lm_head.weight": "output.weight",
            }[name]
        if value.ndim == 1:
            writer.add_tensor(there, value)
            continue
        turned = name.endswith(("q_proj.weight", "k_proj.weight"))
        packed = gguf.quants.quantize(interleaved(value, 2) if turned else value, eight)
        writer.add_tensor(there, packed, raw_dtype=eight)
        with torch.no_grad():
            parameter.copy_(
                torch.from_numpy(np.array(gguf.quants.dequantize(gguf.quants.quantize(value, eight), eight)))
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, model.eval()


def test_a_gguf_file_is_the_model_that_was_written_in_it(written, tmp_path):
    path, model = written
    folder = unpack_gguf(path, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.allclose(loaded(ids).logits, model(ids).logits, atol=1e-5)


def test_the_tokenizer_comes_from_the_same_file(written, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(unpack_gguf(written[0], tmp_path))
    assert tokenizer.chat_template == TEMPLATE
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.decode(tokenizer("Tide, ebb.", add_special_tokens=False)["input_ids"]) == "Tide, ebb."


def test_it_is_unpacked_once_and_known_by_its_content(written, tmp_path):
    path, _ = written
    first = unpack_gguf(path, tmp_path / "cache")
    before = (first / "model.safetensors").stat().st_mtime_ns
    moved = tmp_path / "elsewhere.gguf"
    moved.write_bytes(path.read_bytes())
    assert unpack_gguf(moved, tmp_path / "cache") == first
    assert (first / "model.safetensors").stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [first.name]


def test_a_file_that_is_no_gguf_says_so_and_leaves_nothing(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"not a model")
    with pytest.raises(TrainingError, match=r"x\.gguf': the GGUF file cannot be unpacked: "):
        unpack_gguf(tmp_path / "x.gguf", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("instructkit.models.gguf.find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"needs the packages gguf and accelerate; pip install 'instructkit\[gguf"):
        unpack_gguf(tmp_path / "x.gguf", tmp_path)
