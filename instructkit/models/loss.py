"""Losses of trained tokens only: their rows are gathered before the head, and the head runs in chunks.

    hidden [B·T, D] ──gather──▶ [N, D] ──head, chunk by chunk──▶ nll [N]        logits [B·T, V] never exist

The gradient of a chunk is computed while its logits are there, so nothing of size V is kept for the backward pass.

Source of the in-place gradient: Hsu et al., Liger Kernel, arXiv:2410.10989, section 3.2 (fused linear cross-entropy).
"""

from __future__ import annotations

from typing import Any

import torch

CHUNK_LOGITS = 1 << 22
"""Logits at a time (16 MiB in fp32)."""


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
        nll = torch.empty(len(targets), dtype=torch.float32, device=hidden.device)
        need_hidden, need_head, need_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.zeros_like(hidden) if need_hidden else None
        grad_head = torch.zeros(head.shape, dtype=torch.float32, device=head.device) if need_head else None
        grad_bias = torch.zeros(len(head), dtype=torch.float32, device=head.device) if need_bias else None
        # Under autocast hidden states are bf16 and the head fp32: products run in the dtype of the hidden states.
        matrix = head.to(hidden.dtype)
        chunk = max(1, CHUNK_LOGITS // len(head))
        for start in range(0, len(targets), chunk):
            part = slice(start, start + chunk)
            logits = (hidden[part] @ matrix.T).float()
            if bias is not None:
                logits += bias.float()
            if scale != 1.0:
                logits *= scale
            bend = None
            if cap is not None:
                logits.div_(cap).tanh_()
                bend = 1 - logits.square()  # of tanh: its slope
                logits *= cap
            log_sum = logits.logsumexp(-1, keepdim=True)
            nll[part] = (log_sum - logits.gather(1, targets[part, None]))[:, 0]
            if grad_hidden is None and grad_head is None and grad_bias is None:
                continue
            grad = logits.sub_(log_sum).exp_()
            grad.scatter_add_(1, targets[part, None], torch.full_like(log_sum, -1.0))
            grad *= weights[part, None] * scale
            if bend is not None:
                grad *= bend
            low = grad.to(hidden.dtype)
            if grad_hidden is not None:
                grad_hidden[part] = low @ matrix
            if grad_head is not None:
                if low.dtype == torch.float32:
                    grad_head.addmm_(low.T, hidden[part])
                else:
                    grad_head += low.T @ hidden[part]
            if grad_bias is not None:
                grad_bias += grad.sum(0)
        ctx.save_for_backward(grad_hidden, grad_head, grad_bias)
        ctx.head_dtype = head.dtype
        ctx.mark_non_differentiable(nll)
        return (nll * weights).sum(), nll

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        outer = grads[0]
        hidden, head, bias = ctx.saved_tensors
        return (
            None if hidden is None else hidden * outer.to(hidden.dtype),
            None if head is None else (head * outer).to(ctx.head_dtype),
            None if bias is None else (bias * outer).to(ctx.head_dtype),
            *(None,) * 4,
        )


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
