"""The shape of a new model."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from instructkit.errors import did_you_mean
from instructkit.train.config.bounds import Count

CALLED = {
    key: tuple(names.split())
    for key, names in {
        "hidden_size": "hidden_size d_model n_embd dim",
        "layers": "num_hidden_layers num_layers n_layer n_layers encoder_layers decoder_layers",
        "heads": "num_attention_heads num_heads n_head n_heads encoder_attention_heads decoder_attention_heads",
        "kv_heads": "num_key_value_heads num_kv_heads",
        "intermediate_size": "intermediate_size ffn_dim d_ff n_inner hidden_dim ffn_hidden_size encoder_ffn_dim "
        "decoder_ffn_dim",
        "head_width": "head_dim d_kv",
        "tie_embeddings": "tie_word_embeddings",
        "sequence_length": "max_position_embeddings n_positions max_seq_len",
    }.items()
}
"""What configs of transformers call it; all of these that a config has are set."""


@dataclass(frozen=True, kw_only=True)
class Scratch:
    """A new model with random weights, in place of a pretrained one, and a tokenizer trained on the examples."""

    architecture: str = "llama"
    """The model's family as transformers calls it: `qwen3`, `gpt2`, `mamba`, `mixtral`; encoder-decoders (`t5`,
    `bart`); encoders for classification (`bert`, `modernbert`). llama is a plain decoder (RMSNorm, rotary positions,
    gated MLP) that every server loads."""

    hidden_size: Annotated[int, msgspec.Meta(ge=8)] = 192
    """Width of the model; a multiple of twice `heads`."""

    layers: Count = 4
    """Number of blocks; of an encoder-decoder, on each side."""

    heads: Count = 4
    """Attention heads; each is hidden_size / heads wide. 32 to 128 is usual."""

    kv_heads: Count | None = None
    """Heads for keys and values; fewer than `heads` save memory when generating. None: as many as `heads`."""

    intermediate_size: Count | None = None
    """Width inside the MLP. None: 8/3 of hidden_size, rounded up to a multiple of 32."""

    vocab_size: Annotated[int, msgspec.Meta(ge=300)] = 4096
    """Largest number of tokens, the 256 bytes and the control tokens included. More tokens make texts shorter and the
    model larger; a small corpus yields fewer."""

    tie_embeddings: bool = True
    """Whether input and output share one table of token vectors: saves the larger part of a small model."""

    options: dict[str, Any] = field(default_factory=dict)
    """More keys of the architecture's config, as transformers spells them: `{sliding_window: 256}`,
    `{num_local_experts: 4, num_experts_per_tok: 2}`. They win over the keys above."""

    def faults(self) -> list[str]:
        """Faults that no single field shows."""
        found = []
        if self.hidden_size % (2 * self.heads):
            found.append(f"hidden_size {self.hidden_size} must be a multiple of twice heads ({2 * self.heads})")
        if self.kv_heads is not None and self.heads % self.kv_heads:
            found.append(f"kv_heads {self.kv_heads} must divide heads ({self.heads})")
        if self.architecture != "llama" or self.options:
            found += _unknown(self.architecture, self.options)
        return found

    def settings(self, config: type[Any], sequence_length: int) -> dict[str, Any]:
        """The keys of a config class of transformers that make this shape; what the class has no key for is left out.

        Raises ValueError where it has none for the size: its model is made of several, each with a config of its own.
        """
        known = {f.name for f in dataclasses.fields(config)}
        values = {
            "hidden_size": self.hidden_size,
            "layers": self.layers,
            "heads": self.heads,
            "kv_heads": self.kv_heads or self.heads,
            "intermediate_size": self.intermediate_size or -(-self.hidden_size * 8 // 3 // 32) * 32,
            "tie_embeddings": self.tie_embeddings,
            "sequence_length": sequence_length,
        }
        if "kv_lora_rank" not in known:  # latent attention has head widths of its own
            values["head_width"] = self.hidden_size // self.heads
        for key in ("hidden_size", "layers"):
            if not known & set(CALLED[key]):
                raise ValueError(f"its config has no {key}: it is made of several; name its text part")
        return {name: v for key, v in values.items() for name in CALLED[key] if name in known} | self.options


def _unknown(architecture: str, options: dict[str, Any]) -> list[str]:
    """Faults of names; none where transformers is not installed: a machine that only builds."""
    try:
        from transformers.models.auto import modeling_auto as auto
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    except ImportError:
        return []
    tables = (
        auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    )
    known = {name for table in tables for name in table}
    if architecture not in known:
        return [f"architecture: transformers knows no text model '{architecture}'{did_you_mean(architecture, known)}"]
    config = CONFIG_MAPPING[architecture]
    keys = {*(f.name for f in dataclasses.fields(config)), *config.attribute_map}
    return [
        f"options: '{architecture}' has no key '{name}'{did_you_mean(name, keys)}"
        for name in options
        if name not in keys
    ]
