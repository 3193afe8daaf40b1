"""A decoder layer of the Llama and Qwen2 form, forward and backward, over documents packed end to end.

    total = h + y;  n = norm(total);  a = attention(turn(n Wqkv));  y = a Wo
    total = total + y;  n = norm(total);  y = (silu(n Wgate) * (n Wup)) Wdown       -> total, y

A layer hands on the residual stream and what is still to be added to it, so that the sum and the next norm are one
pass. A layer's activations are kept for the backward pass, or, layer by layer where memory is short, computed again.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from finsight_train import documents, elementwise
from finsight_train.weights import Projection, product

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from finsight_train.documents import Layout


#: Whose layers are as above. The names of a layer's parts do not tell: Granite, SmolLM3, Helium and Ernie have the same
#: and compute something else.
_FORMS: Final = {"llama", "mistral", "qwen2"}


@dataclass(frozen=True)
class Pass:
    """What all layers of one pass share: where documents lie, how their places turn, which kernel attends."""

    layout: Layout
    cos: Tensor
    sin: Tensor
    kernel: str


@dataclass(frozen=True, eq=False)
class Layer:
    """One decoder layer: its products, the weights of its norms, and the shape of its heads."""

    qkv: Projection
    o: Projection
    gate_up: Projection
    down: Projection
    norms: tuple[Tensor, Tensor]
    eps: float
    heads: int
    key_heads: int
    width: int
    scale: float

    def projections(self) -> tuple[Projection, ...]:
        return self.qkv, self.o, self.gate_up, self.down

    def __call__(self, h: Tensor, y: Tensor | None, now: Pass) -> tuple[Tensor, Tensor]:
        """Return the residual stream and what is to be added to it, (tokens, hidden) each."""
        h, n = add_and_norm(h, y, self.norms[0], self.eps, (self.down.rank, self.qkv.rank))
        attended: Tensor = _Attention.apply(product(n, self.qkv), self, now)  # type: ignore[no-untyped-call]
        rooms = self.o.rank, self.gate_up.rank
        h, n = add_and_norm(h, product(attended, self.o), self.norms[1], self.eps, rooms)
        gated: Tensor = _Gate.apply(product(n, self.gate_up), self.down)  # type: ignore[no-untyped-call]
        return h, product(gated, self.down)


def layers_of(model: Any, dtype: torch.dtype) -> list[Layer] | None:
    """Return the layers of a PEFT model as above, or None where they are of another form."""
    config = model.config
    window = getattr(config, "sliding_window", None)
    if config.model_type not in _FORMS or config.hidden_act != "silu" or window is not None:
        return None
    return [_layer_of(layer, config, dtype) for layer in model.get_base_model().model.layers]


def _layer_of(layer: Any, config: Any, dtype: torch.dtype) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    norms = layer.input_layernorm, layer.post_attention_layernorm
    return Layer(
        qkv=Projection([attention.q_proj, attention.k_proj, attention.v_proj], dtype),
        o=Projection([attention.o_proj], dtype),
        gate_up=Projection([mlp.gate_proj, mlp.up_proj], dtype),
        down=Projection([mlp.down_proj], dtype),
        norms=(norms[0].weight.data, norms[1].weight.data),
        eps=norms[0].variance_epsilon,
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        width=width,
        scale=attention.scaling,
    )


def _made(like: Tensor, width: int, room: int) -> Tensor:
    """Return an empty (tokens, width) with scratch behind its rows, as finsight_train.weights wants it."""
    return like.new_empty(len(like), width + room)[:, :width]


class _AddAndNorm(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0913, PLR0917
        ctx: Any, h: Tensor, y: Tensor | None, weight: Tensor, eps: float, rooms: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        total, normed = torch.empty_like(h), _made(h, h.shape[1], rooms[1])
        elementwise.add_and_norm(h, y, weight, eps, total, normed)
        ctx.save_for_backward(total, weight)
        ctx.eps, ctx.room = eps, rooms[0]
        ctx.set_materialize_grads(False)
        return total, normed

    @staticmethod
    def backward(ctx: Any, g_total: Tensor | None, g_normed: Tensor) -> Any:
        total, weight = ctx.saved_tensors
        g = _made(total, total.shape[1], ctx.room)
        elementwise.norm_backward(total, g_normed, g_total, weight, ctx.eps, g)
        # one tensor is the gradient of both: the product before it writes into the scratch behind it only
        return g, g if ctx.needs_input_grad[1] else None, None, None, None


def add_and_norm(
    h: Tensor, y: Tensor | None, weight: Tensor, eps: float, rooms: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return h + y and its norm, (tokens, width) each.

    `rooms` is the scratch that the product before wants behind the gradient of `y`, and the next one behind the norm.
    """
    found: tuple[Tensor, Tensor] = _AddAndNorm.apply(h, y, weight, eps, rooms)  # type: ignore[no-untyped-call]
    return found


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, layer: Layer, now: Pass) -> Tensor:
        tokens, turned = len(states), layer.heads + layer.key_heads
        heads = turned + layer.key_heads
        placed = states.new_empty(tokens, heads, layer.width)
        elementwise.turn(states.view(tokens, heads, layer.width), now.cos, now.sin, turned, placed)
        parts = torch.split(placed, [layer.heads, layer.key_heads, layer.key_heads], dim=1)
        with torch.enable_grad():  # the kernels bring their own derivatives
            inputs = [part.detach().requires_grad_() for part in parts]
            found = documents.attend(now.kernel, inputs, now.layout, layer.scale)
        ctx.inner, ctx.layer, ctx.now = (found, inputs), layer, now
        return found.detach().flatten(1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (found, inputs), layer, now = ctx.inner, ctx.layer, ctx.now
        ctx.inner = None
        grads = torch.autograd.grad(found, inputs, g.view(found.shape))
        out = _made(g, layer.qkv.outputs, layer.qkv.rank)
        elementwise.turn_back(*grads, now.cos, now.sin, out.view(len(out), -1, layer.width))
        return out, None, None


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, down: Projection) -> Tensor:
        out = _made(states, down.inputs, down.rank)
        elementwise.gate(*torch.split(states, down.inputs, dim=1), out)
        ctx.save_for_backward(states)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (states,) = ctx.saved_tensors
        # in place: nobody else reads these states again, and they are the widest of all
        elementwise.gate_backward(*torch.split(states, g.shape[1], dim=1), g)
        return states, None


class _Recomputed(torch.autograd.Function):
    """A layer of which nothing is kept but the residual stream; its weights are dequantised once for the way back."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, y: Tensor | None, layer: Layer, now: Pass, *_masters: Tensor) -> Any:
        total = h.detach() if y is None else h + y
        ctx.save_for_backward(total)
        ctx.layer, ctx.now, ctx.first = layer, now, y is None
        with torch.no_grad():
            return layer(total, None, now)

    @staticmethod
    def backward(ctx: Any, g_total: Tensor, g_y: Tensor) -> Any:
        (total,), layer, first = ctx.saved_tensors, ctx.layer, ctx.first
        masters = list(_masters(layer))
        with ExitStack() as held, torch.enable_grad():
            for projection in layer.projections():
                held.enter_context(projection.held())
            start = total.detach().requires_grad_(not first)
            wanted = masters if first else [start, *masters]
            found = torch.autograd.grad(layer(start, None, ctx.now), wanted, (g_total, g_y))
        return (None, None, None, None, *found) if first else (found[0], found[0], None, None, *found[1:])


def run(layers: list[Layer], recomputed: int, h: Tensor, now: Pass) -> tuple[Tensor, Tensor]:
    """Run all layers, the first `recomputed` of them without keeping their activations."""
    y: Tensor | None = None
    for place, layer in enumerate(layers):
        if place < recomputed:
            masters = _masters(layer)
            h, y = _Recomputed.apply(h, y, layer, now, *masters)  # type: ignore[no-untyped-call]
        else:
            h, y = layer(h, y, now)
    assert y is not None  # noqa: S101 - there is at least one layer
    return h, y


def _masters(layer: Layer) -> Iterator[Tensor]:
    for projection in layer.projections():
        yield from projection.masters
