"""The loss on labelled tokens only, and its gradient, a slice of tokens at a time.

    loss = scale * sum over labelled tokens of -log softmax(hidden head')[label]

For 7B the logits of a token are 152,064 numbers: those of 16,384 tokens would be 5 GB in bfloat16, and some 40 % of
them are asked for. A slice's logits become their own gradient in place, so nothing is computed twice.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

#: Logits are made for so many numbers at a time: 1,024 tokens of Qwen2.5's vocabulary, 312 MB in bfloat16.
_SLICE: Final = 1024 * 152_064


def _loss_in_place(logits: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Return the scaled loss of (tokens, vocabulary) and turn `logits` into its gradient."""
    wide = logits.float()
    mass = torch.logsumexp(wide, dim=-1)
    right = wide.gather(1, labels[:, None])[:, 0]
    hit = torch.arange(logits.shape[1], device=logits.device)[None] == labels[:, None]
    logits.copy_(((wide - mass[:, None]).exp() - hit.float()) * scale)
    return (mass - right).sum() * scale


@cache
def _compiled() -> Callable[[Tensor, Tensor, float], Tensor]:
    return torch.compile(_loss_in_place, dynamic=True)


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, labels: Tensor, scale: float) -> Tensor:
        step = max(1, _SLICE // len(head))
        loss_of = _compiled() if hidden.is_cuda else _loss_in_place
        g, total = torch.empty_like(hidden), hidden.new_zeros((), dtype=torch.float32)
        for begin in range(0, len(labels), step):
            part = slice(begin, begin + step)
            logits = hidden[part] @ head.t()
            total += loss_of(logits, labels[part], scale)
            torch.mm(logits, head, out=g[part])
        ctx.save_for_backward(g)
        return total

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return ctx.saved_tensors[0] * g.to(ctx.saved_tensors[0].dtype), None, None, None


def loss_of(hidden: Tensor, head: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Return the float32 loss, a scalar, of `hidden` (labelled, width) under `head` (vocabulary, width)."""
    found: Tensor = _Loss.apply(hidden, head, labels, scale)  # type: ignore[no-untyped-call]
    return found
