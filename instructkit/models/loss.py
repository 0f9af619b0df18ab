"""Losses of trained tokens only: their rows are gathered before the head, and the head runs in chunks.

    hidden [B·T, D] ──gather──▶ [N, D] ──head, chunk by chunk──▶ nll [N]        logits [B·T, V] never exist

The gradient of a chunk is computed while its logits are there, so nothing of size V is kept for the backward pass.

Source of the in-place gradient: Hsu et al., Liger Kernel, arXiv:2410.10989, section 3.2 (fused linear cross-entropy).
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK_LOGITS = 1 << 24
"""Logits at a time (64 MiB in fp32): products of fewer rows run below full rate."""
BLOCK_LOGITS = 1 << 19
"""Logits at a time for all that is done to each of them: 2 MiB stay in the cache of a CPU core between the passes."""


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        head: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        weights: torch.Tensor,
        scale: float,
        cap: float | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        kind = hidden.device.type
        # Under autocast hidden states and head may be fp32: products run in its dtype, all else in fp32.
        low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
        with torch.autocast(kind, enabled=False):
            nll, gradients = _in_chunks(
                hidden.to(low), head.to(low), bias, targets, weights, scale, cap, ctx.needs_input_grad[:3]
            )
        ctx.grads, ctx.dtypes = gradients, (hidden.dtype, head.dtype)
        ctx.mark_non_differentiable(nll)
        return (nll * weights).sum(), nll

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, head, bias = ctx.grads
        del ctx.grads  # scaled in place: a second time they would be scaled twice
        outer, (rows_dtype, head_dtype) = grads[0], ctx.dtypes
        return (
            None if hidden is None else hidden.mul_(outer).to(rows_dtype),
            None if head is None else head.mul_(outer).to(head_dtype),
            None if bias is None else bias.mul_(outer).to(head_dtype),
            *(None,) * 4,
        )


def _in_chunks(
    hidden: torch.Tensor,
    head: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    weights: torch.Tensor,
    scale: float,
    cap: float | None,
    needed: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:
    """Losses [N] and the gradients of Σ weight · nll by hidden, head and bias, in fp32, where they are needed."""
    count, size = len(targets), len(head)
    make: Any = torch.empty if count else torch.zeros  # the first chunk fills the gradient of the head
    of_hidden = torch.empty(hidden.shape, dtype=torch.float32, device=head.device) if needed[0] else None
    of_head = make(head.shape, dtype=torch.float32, device=head.device) if needed[1] else None
    of_bias = torch.zeros(size, dtype=torch.float32, device=head.device) if needed[2] else None
    nll = torch.empty(count, dtype=torch.float32, device=hidden.device)
    chunk = max(1, CHUNK_LOGITS // size)
    block = max(1, BLOCK_LOGITS // size) if hidden.device.type == "cpu" else chunk
    buffer = hidden.new_empty(min(chunk, count), size)
    for start in range(0, count, chunk):
        rows = hidden[start : start + chunk]
        logits = torch.mm(rows, head.T, out=buffer[: len(rows)]).float()
        for first in range(0, len(rows), block):
            here = slice(start + first, start + min(first + block, len(rows)))
            some = logits[first : first + block]
            nll[here] = _gradient(some, bias, targets[here, None], weights[here, None], scale, cap)
        low = logits.to(hidden.dtype)  # they have become their gradients
        if of_hidden is not None:
            of_hidden[start : start + chunk] = low @ head
        if of_head is not None:
            if low.dtype == torch.float32:
                of_head.addmm_(low.T, rows, beta=float(start > 0))
            elif start:
                of_head += low.T @ rows
            else:
                of_head.copy_(low.T @ rows)
        if of_bias is not None:
            of_bias += logits.sum(0)
    return nll, (of_hidden, of_head, of_bias)


def _gradient(
    logits: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    weights: torch.Tensor,
    scale: float,
    cap: float | None,
) -> torch.Tensor:
    """Turns products [n, V] into the gradient of Σ weight · nll by them, in place; gives nll [n].

    targets and weights [n, 1].
    """
    if bias is not None:
        logits += bias
    if scale != 1.0:
        logits *= scale
    slope = None
    if cap is not None:
        logits.div_(cap).tanh_()
        slope = 1 - logits.square()  # of the cap's tanh
        logits *= cap
    own = logits.gather(1, targets)
    top = logits.amax(-1, keepdim=True)
    total = logits.sub_(top).exp_().sum(-1, keepdim=True)
    logits *= weights * scale / total
    logits.scatter_add_(1, targets, -weights * scale)
    if slope is not None:
        logits *= slope
    return (total.log() + top - own)[:, 0]


def head_loss(
    hidden: torch.Tensor,
    head: torch.Tensor,
    bias: torch.Tensor | None,
    targets: torch.Tensor,
    weights: torch.Tensor,
    *,
    scale: float = 1.0,
    cap: float | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Weighted sum of negative log-likelihoods, and each of them (no gradient).

    hidden [N, D] float, head [V, D], bias [V] or None, targets [N] int64, weights [N] float32 -> scalar, [N] float32,
    in nats. Logits are cap · tanh(scale · (hidden @ headᵀ + bias) / cap), without a cap what stands inside. N may be 0:
    the sum is 0, and so are the gradients.
    """
    total, nll = _HeadLoss.apply(hidden, head, bias, targets, weights, scale, cap)  # type: ignore[no-untyped-call]
    return total, nll
