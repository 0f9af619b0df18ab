import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from instructkit.chat.backend import backend
from instructkit.chat.spelling import spelling

WAYS = {"chatml": "never", "llama-2": "always", "gemma-2": "never", "mistral-v3": "first", "deepseek-r1": "never"}


def spell(found, tokenizer, texts):
    ids = [backend(tokenizer).encode(text, add_special_tokens=False).ids for text in texts]
    counts = np.array([len(i) for i in ids])
    flat = np.array([i for row in ids for i in row], dtype=np.int32)
    starts, lengths = found.places(flat, (np.cumsum(counts) - counts)[counts > 0])
    return found.spell(starts, lengths).tobytes() if lengths.max(initial=0) < 1000 else None


@pytest.mark.parametrize("family", WAYS)
def test_the_way_of_spelling_is_found_out(family, make_family):
    assert spelling(make_family(family)).spaced == WAYS[family]


@settings(max_examples=150, deadline=None)
@given(
    family=st.sampled_from(list(WAYS)),
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=4),
)
def test_law_tokens_spelled_are_the_texts_or_are_seen_not_to_be(family, texts, make_family):
    tokenizer = make_family(family)
    begin = tokenizer.bos_token or tokenizer.eos_token
    texts = [begin + text for text in texts if "▁" not in text]
    spelled = spell(spelling(tokenizer), tokenizer, texts)
    assert spelled == "".join(texts).encode()


def test_a_tokenizer_that_changes_texts_has_no_spelling():
    inner = Tokenizer(models.WordPiece({"[UNK]": 0, "ping": 1, "##s": 2}, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    assert spelling(PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]")) is None
