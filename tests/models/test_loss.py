import pytest
import torch

from instructkit.models import loss
from instructkit.models.loss import head_loss


def plain(hidden, head, bias, targets, weights, scale, cap):
    logits = hidden @ head.T
    if bias is not None:
        logits = logits + bias
    logits = logits * scale
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    nll = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    return (nll * weights).sum(), nll


@pytest.mark.parametrize("chunk_rows", [1, 7, 1000])
@pytest.mark.parametrize(("scale", "cap", "biased"), [(1.0, None, False), (0.25, None, True), (1.0, 3.0, True)])
def test_losses_and_gradients_are_those_of_all_logits_at_once(chunk_rows, scale, cap, biased, monkeypatch):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", chunk_rows * 50)
    torch.manual_seed(0)
    given = [torch.randn(20, 8), torch.randn(50, 8), torch.randn(50) if biased else None]
    targets, weights = torch.randint(0, 50, (20,)), torch.rand(20)
    results = []
    for function in (plain, lambda *a: head_loss(*a[:5], scale=a[5], cap=a[6])):
        leaves = [None if t is None else t.clone().requires_grad_() for t in given]
        total, nll = function(*leaves, targets, weights, scale, cap)
        (total * 0.5).backward()
        results.append([total.detach(), nll.detach(), *(t.grad for t in leaves if t is not None)])
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_half_precision_hidden_states_give_losses_near_those_of_fp32():
    """Means over many tokens: what is lost by rounding does not add up."""
    torch.manual_seed(0)
    hidden, head = torch.randn(400, 64), torch.randn(1000, 64) * 0.3
    targets, weights = torch.randint(0, 1000, (400,)), torch.ones(400)
    grads, totals = [], []
    for dtype in (torch.float32, torch.bfloat16):
        low, full = hidden.to(dtype).requires_grad_(), head.clone().requires_grad_()
        total, _ = head_loss(low, full, None, targets, weights)
        total.backward()
        totals.append(total.item() / 400)
        grads.append(full.grad)
        assert full.grad.dtype == torch.float32
    assert totals[1] == pytest.approx(totals[0], rel=1e-3)
    assert (grads[1] - grads[0]).norm() < 0.01 * grads[0].norm()


def test_without_gradients_there_are_only_losses():
    head = torch.randn(30, 4)
    with torch.inference_mode():
        total, nll = head_loss(torch.randn(5, 4), head, None, torch.arange(5), torch.ones(5))
    torch.testing.assert_close(total, nll.sum())


def test_products_run_in_the_dtype_of_autocast_and_gradients_come_in_fp32():
    torch.manual_seed(0)
    hidden, head = torch.randn(40, 64, requires_grad=True), torch.randn(100, 64, requires_grad=True)
    targets, weights = torch.randint(0, 100, (40,)), torch.ones(40)
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = head_loss(hidden, head, None, targets, weights)
    total.backward()
    low = (hidden.bfloat16() @ head.bfloat16().T).float()
    assert total.item() == torch.nn.functional.cross_entropy(low, targets, reduction="sum").item()
    assert (total.dtype, hidden.grad.dtype, head.grad.dtype) == (torch.float32,) * 3
