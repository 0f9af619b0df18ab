import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from instructkit.models.batch import Document, collate, collate_pairs, collate_texts, groups

LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=8)


@settings(max_examples=50)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
def test_law_both_layouts_hold_the_same_targets(lengths, seed, documents):
    made = documents(lengths, seed)
    packed, padded = (collate(made, layout) for layout in ("packed", "padded"))
    for batch in (packed, padded):
        flat = batch.input_ids.flatten()
        # The target is the token behind its row, in the same document.
        assert (flat[batch.rows + 1] == batch.targets).all()
        assert (batch.position_ids.flatten()[batch.rows + 1] == batch.position_ids.flatten()[batch.rows] + 1).all()
    for name in ("targets", "weights", "document"):
        assert (getattr(packed, name) == getattr(padded, name)).all()
    assert len(packed.targets) == sum(int((w[1:] > 0).sum()) for _, w, _ in made)
    assert packed.input_ids.numel() == sum(lengths)


def test_what_is_read_and_what_is_written_are_padded_apart():
    ids = np.array([10, 11, 12, 20, 21], dtype=np.int32)
    made = [
        Document(ids, np.array([0, 0, 0, 1, 2], dtype=np.float32), 3),
        Document(ids[2:], np.array([0, 0, 1], dtype=np.float32), 1),
    ]
    batch = collate_pairs(made, 0, lambda written: torch.cat([torch.full((2, 1), 7), written[:, :-1]], 1))
    assert batch.input_ids.tolist() == [[10, 11, 12], [12, 0, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.decoder_input_ids.tolist() == [[7, 20], [7, 20]]
    assert batch.rows.tolist() == [0, 1, 3]
    assert batch.targets.tolist() == [20, 21, 21]
    assert batch.weights.tolist() == [1, 2, 1]
    assert batch.document.tolist() == [0, 0, 1]


@pytest.mark.parametrize(("median", "spread"), [(200, 0.8), (100, 0.6), (700, 0.9)])
def test_padding_of_a_step_of_chats_is_little(median, spread):
    """One step of 8,192 tokens after another; in one batch each, half of the cells would be padding."""
    drawn = np.clip(np.random.default_rng(0).lognormal(np.log(median), spread, 2000), 8, 2048).astype(int)
    cells = 0
    for step in np.array_split(drawn, drawn.sum() // 8192):
        cells += sum(len(group) * step[group[0]] for group in groups(step.tolist(), 8192, "padded"))
    assert drawn.sum() / cells > 0.9


def test_the_class_of_a_text_is_no_part_of_it():
    made = [Document(np.array([10, 11, 1], dtype=np.int32), np.array([0, 0, 0.5], dtype=np.float32), 2)] * 2
    batch = collate_texts(made, 0)
    assert batch.input_ids.tolist() == [[10, 11]] * 2
    assert (batch.rows.tolist(), batch.targets.tolist(), batch.weights.tolist()) == ([0, 1], [1, 1], [0.5, 0.5])


@settings(max_examples=50)
@given(lengths=LENGTHS, budget=st.integers(1, 60), layout=st.sampled_from(["packed", "padded", "alone"]))
def test_law_groups_hold_every_document_once_within_the_budget(lengths, budget, layout):
    made = groups(lengths, budget, layout)
    assert sorted(i for group in made for i in group) == list(range(len(lengths)))
    for group in made:
        own = [lengths[i] for i in group]
        cells = max(own) * len(own) if layout == "padded" else sum(own)
        assert len(group) == 1 or (cells <= budget and layout != "alone")
