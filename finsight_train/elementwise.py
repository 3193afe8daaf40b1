"""What stands between the matrix products of a decoder layer, forward and backward, each as one pass over memory.

    total = h + y;  n = weight * total / rms(total)        the residual stream and what the next product reads
    a = silu(gate) * up                                    the feed-forward's middle
    q, k turned by their places (rotary embedding)         before attention

Written once in plain torch: run as they stand on a CPU, compiled into one kernel each on a GPU. Results go into the
tensors that are handed in, whose rows may lie apart (finsight_train.weights says why). Derivatives are checked
against autograd's by a test.
"""

from __future__ import annotations

from functools import cache, wraps
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function`, which torch compiles where its first argument lies on a GPU."""

    @cache
    def compiled() -> Callable[..., Any]:
        # one kernel for each shape: passes are of one size, and layers hand over tensors of few forms
        torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)  # noqa: SLF001
        return torch.compile(function, dynamic=False)

    @wraps(function)
    def run(first: Tensor, *rest: Any) -> Any:
        return (compiled() if first.is_cuda else function)(first, *rest)

    return run


@kernel
def add_and_norm(  # noqa: PLR0913, PLR0917 - the stream, the norm, and where both go
    h: Tensor, y: Tensor | None, weight: Tensor, eps: float, total: Tensor, normed: Tensor
) -> None:
    """Write `h + y` into `total` and its RMS norm (arXiv 1910.07467) into `normed`; all (tokens, width)."""
    summed = h if y is None else h + y
    wide = summed.float()
    scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    total.copy_(summed)
    normed.copy_(weight * scaled.to(h.dtype))


@kernel
def norm_backward(  # noqa: PLR0913, PLR0917
    total: Tensor, g_normed: Tensor, g_total: Tensor | None, weight: Tensor, eps: float, out: Tensor
) -> None:
    """Write into `out` the gradient by `total`, of the norm and of what else reads `total`."""
    wide = total.float()
    inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    scaled, g = wide * inverse, g_normed.float() * weight.float()
    found = inverse * (g - scaled * (g * scaled).mean(-1, keepdim=True))
    out.copy_(found if g_total is None else found + g_total.float())


@kernel
def gate(gated: Tensor, up: Tensor, out: Tensor) -> None:
    """Write silu(gated) * up into `out`; all (tokens, width)."""
    out.copy_(torch.nn.functional.silu(gated.float()) * up.float())


@kernel
def gate_backward(gated: Tensor, up: Tensor, g: Tensor) -> None:
    """Turn `gated` and `up` into the gradients by them of what `gate` computes."""
    x, g_out = gated.float(), g.float()
    share = torch.sigmoid(x)
    g_gated, g_up = g_out * up.float() * share * (1 + x * (1 - share)), g_out * x * share
    gated.copy_(g_gated)
    up.copy_(g_up)


def _turned(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    wide = states.float()
    first, second = wide.chunk(2, dim=-1)
    return wide * cos[:, None] + torch.cat((-second, first), dim=-1) * sin[:, None]


@kernel
def turn(states: Tensor, cos: Tensor, sin: Tensor, turned: int, out: Tensor) -> None:
    """Write `states`, (tokens, heads, width), into `out`, the first `turned` heads turned by cos and sin.

    With -sin it is its own derivative's way back: the rotation is orthogonal.
    """
    out[:, :turned].copy_(_turned(states[:, :turned], cos, sin))
    out[:, turned:].copy_(states[:, turned:])


@kernel
def turn_back(  # noqa: PLR0913, PLR0917 - three gradients, as attention hands them over
    g_q: Tensor, g_k: Tensor, g_v: Tensor, cos: Tensor, sin: Tensor, out: Tensor
) -> None:
    """Write into `out`, (tokens, all heads, width), the gradients by what `turn` was given."""
    queries, keys = g_q.shape[1], g_k.shape[1]
    out[:, :queries].copy_(_turned(g_q, cos, -sin))
    out[:, queries : queries + keys].copy_(_turned(g_k, cos, -sin))
    out[:, queries + keys :].copy_(g_v)
