import pytest
import torch

from instructkit.models.attention import Lengths, NotIsolated, documents_attention

LENGTHS = (5, 1, 9)


@pytest.fixture
def states():
    torch.manual_seed(0)
    return torch.randn(1, 4, 15, 8), torch.randn(1, 2, 15, 8), torch.randn(1, 2, 15, 8)


def dense(query, key, value, window=None, softcap=None, sinks=None):
    """The same by one mask over the whole row."""
    owner = torch.repeat_interleave(torch.arange(3), torch.tensor(LENGTHS))
    place = torch.arange(15)
    seen = (owner[:, None] == owner[None]) & (place[:, None] >= place[None])
    if window:
        seen &= place[:, None] - place[None] < window
    key, value = key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)
    scores = query @ key.transpose(2, 3) * 0.3
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    scores = scores.masked_fill(~seen, float("-inf"))
    if sinks is not None:
        scores = torch.cat([scores, sinks.reshape(1, 4, 1, 1).expand(1, 4, 15, 1)], -1)
    return (scores.softmax(-1)[..., :15] @ value).transpose(1, 2)


@pytest.mark.parametrize("given", [{}, {"sliding_window": 3}, {"softcap": 2.0}, {"sliding_window": 3, "s_aux": 1}])
def test_documents_attend_as_under_a_mask_of_blocks(given, states):
    if "s_aux" in given:
        given = {**given, "s_aux": torch.randn(4)}
    got, _ = documents_attention(
        torch.nn.Module(), *states, None, scaling=0.3, document_lengths=Lengths(LENGTHS), **given
    )
    expected = dense(*states, given.get("sliding_window"), given.get("softcap"), given.get("s_aux"))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"position_bias": torch.ones(1)}, "position_bias"),
        ({"indices": torch.ones(1)}, "indices"),
        ({"is_causal": False}, "later tokens"),
        ({"attention_mask": torch.ones(1)}, "a mask"),
    ],
)
def test_what_is_not_known_is_refused(given, said, states):
    given = {"attention_mask": None, **given}
    with pytest.raises(NotIsolated, match=said):
        documents_attention(torch.nn.Module(), *states, document_lengths=Lengths(LENGTHS), **given)


def test_a_cache_is_refused(states):
    query, key, value = states
    with pytest.raises(NotIsolated, match="a cache"):
        documents_attention(torch.nn.Module(), query[:, :, -1:], key, value, None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("window", [None, 3])
def test_one_kernel_for_all_documents_agrees_with_one_call_each(window, states):
    states = [t.cuda() for t in states]
    low = [t.bfloat16() for t in states]
    expected, got = (
        documents_attention(
            torch.nn.Module(), *given, None, scaling=0.3, document_lengths=Lengths(LENGTHS), sliding_window=window
        )[0]
        for given in (states, low)
    )
    torch.testing.assert_close(got.float(), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_compiled_layers_are_not_compiled_anew_for_other_documents(build, documents):
    from torch._dynamo.utils import counters

    from instructkit.models.runner import make_runner

    model = build("llama")
    runner = make_runner(model, longest=40)
    batches = [runner.collate(documents(n)) for n in ((10, 20), (12, 5, 9), (40,), (3, 4, 5, 6), (7, 7, 7, 7, 7))]
    with torch.no_grad():
        expected = [runner.losses(batch)[0] for batch in batches]
        torch.compiler.reset()
        counters.clear()
        for layer in model.model.layers:
            layer.compile(dynamic=True, backend="eager")
        got = [runner.losses(batch)[0] for batch in batches]
    torch.testing.assert_close(got, expected)
    # One for what stands before the attention and one behind it, once more where a length of 1 is met.
    assert counters["stats"]["unique_graphs"] <= 4
