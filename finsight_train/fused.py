"""QLoRA's linear layer in four passes instead of a dozen: the same numbers, with the base dequantised once.

    y = x W' + b + s (x A') B'        W: the NF4 weights, dequantised and kept; A, B: the adapter

PEFT with bitsandbytes dequantises W for every forward and backward pass and adds the adapter's part in separate
passes over memory. On a CPU, where weights are small and memory is slow, that is a third of the time. Kept weights are
exactly what bitsandbytes computes with, so loss and gradients agree with PEFT's to rounding (a test says so).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Adapted(torch.autograd.Function):
    """y = x W' + b + s (x A') B', differentiated by x, A and B only: W and b are frozen."""

    @staticmethod
    def forward(ctx: Any, x: Any, base: tuple[Any, Any], a: Any, b: Any, scale: float) -> Any:  # noqa: PLR0913, PLR0917
        weight, bias = base
        flat = x.reshape(-1, x.shape[-1])
        inner = flat @ a.t()
        y = flat @ weight.t() if bias is None else torch.addmm(bias, flat, weight.t())
        y.addmm_(inner, b.t(), alpha=scale)
        ctx.save_for_backward(flat, inner, weight, a, b)
        ctx.scale = scale
        return y.view(*x.shape[:-1], y.shape[-1])

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        flat, inner, weight, a, b = ctx.saved_tensors
        g = gradient.reshape(-1, gradient.shape[-1])
        g_inner = (g @ b) * ctx.scale
        g_x = None
        if ctx.needs_input_grad[0]:
            g_x = (g @ weight).addmm_(g_inner, a).view(*gradient.shape[:-1], weight.shape[1])
        return g_x, None, g_inner.t() @ flat, (g.t() @ inner) * ctx.scale, None


def adapted_layers(model: Any) -> list[Any]:
    """Return the layers of a PEFT model that carry a LoRA adapter on an NF4 base."""
    from peft.tuners.lora.bnb import Linear4bit

    return [module for module in model.modules() if isinstance(module, Linear4bit)]


def _forward_of(layer: Any, dtype: Any) -> Any:
    from bitsandbytes.functional import dequantize_4bit

    base, name = layer.base_layer, layer.active_adapters[0]
    weight = dequantize_4bit(base.weight.data, base.weight.quant_state).to(dtype)
    bias = None if base.bias is None else base.bias.data.to(dtype)
    a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    return lambda x: _Adapted.apply(x, (weight, bias), a, b, scale)  # type: ignore[no-untyped-call]


@contextmanager
def dequantised_base(model: Any, dtype: Any) -> Iterator[None]:
    """Within this block the adapted layers of `model` run on weights that are dequantised once and kept in `dtype`."""
    layers = adapted_layers(model)
    for layer in layers:
        layer.forward = _forward_of(layer, dtype)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward
