"""The passes between matrix products: each forward against its formula, each backward against autograd's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers.models.qwen2.modeling_qwen2 import Qwen2RMSNorm, apply_rotary_pos_emb

from finsight_train import elementwise

EPS = 1e-6
CLOSE = {torch.float32: 1e-5, torch.bfloat16: 1e-2}
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]
PLACES = [
    ("cpu", torch.float32),
    ("cpu", torch.bfloat16),
    pytest.param(("cuda", torch.float32), marks=GPU),
    pytest.param(("cuda", torch.bfloat16), marks=GPU),
]


def some(*shape: int, seed: int = 1, place: tuple[str, torch.dtype] = ("cpu", torch.float32)) -> Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=made).to(*place)


def apart(like: Tensor, room: int = 5) -> Tensor:
    """Return a tensor whose rows lie `room` numbers apart, which hold 7."""
    made = torch.full((len(like), like[0].numel() + room), 7.0, dtype=like.dtype, device=like.device)
    return made[:, : like[0].numel()].view(like.shape)


def untouched(rows: Tensor, room: int = 5) -> bool:
    width = rows[0].numel()
    whole = rows.as_strided((len(rows), width + room), (width + room, 1))
    return bool((whole[:, width:] == 7).all())


def error(found: Tensor, right: Tensor) -> float:
    """Return the relative error of `found`, in the norm."""
    found, right = found.detach().double(), right.detach().double()
    return float((found - right).norm() / right.norm())


def norm(total: Tensor, weight: Tensor) -> Tensor:
    return weight * total * torch.rsqrt(total.square().mean(-1, keepdim=True) + EPS)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("added", [True, False])
def test_sum_and_norm(place: tuple[str, torch.dtype], added: bool) -> None:
    """The sum is h + y, or h alone; the norm is, to the last bit on a CPU, that of transformers; scratch stays."""
    h, y, weight = some(9, 16, place=place), some(9, 16, seed=2, place=place), some(16, seed=3, place=place)
    total, normed = apart(h), apart(h)
    elementwise.add_and_norm(h, y if added else None, weight, EPS, total, normed)
    assert torch.equal(total, h + y if added else h)
    theirs = Qwen2RMSNorm(16, EPS).to(*place)
    theirs.weight.data.copy_(weight)
    limit = 0.0 if place[0] == "cpu" else CLOSE[place[1]]
    assert error(normed, theirs(total)) <= limit
    assert untouched(total)
    assert untouched(normed)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("more", [True, False])
def test_gradient_of_the_norm(place: tuple[str, torch.dtype], more: bool) -> None:
    """It is autograd's in float64, with and without a second reader of the sum."""
    total, g, weight = some(9, 16, place=place), some(9, 16, seed=2, place=place), some(16, seed=3, place=place)
    g_total = some(9, 16, seed=4, place=place) if more else None
    out = apart(total)
    elementwise.norm_backward(total, g, g_total, weight, EPS, out)
    exact = total.double().requires_grad_()
    read = (norm(exact, weight.double()) * g.double()).sum()
    if g_total is not None:
        read = read + (exact * g_total.double()).sum()
    (right,) = torch.autograd.grad(read, exact)
    assert error(out, right) < CLOSE[place[1]]
    assert untouched(out)


@pytest.mark.parametrize("place", PLACES)
def test_gate_and_its_gradients_in_place(place: tuple[str, torch.dtype]) -> None:
    """silu(gate) * up; on the way back both halves of one tensor become their own gradients, scratch untouched."""
    g = some(9, 12, seed=2, place=place)
    states = apart(some(9, 24, place=place))
    states.copy_(some(9, 24, place=place))
    gated, up = torch.split(states, 12, dim=1)
    exact = [part.double().clone().requires_grad_() for part in (gated, up)]
    right = torch.nn.functional.silu(exact[0]) * exact[1]
    wanted = torch.autograd.grad(right, exact, g.double())
    out = apart(g)
    elementwise.gate(gated, up, out)
    elementwise.gate_backward(gated, up, g)
    assert error(out, right) < CLOSE[place[1]]
    assert error(gated, wanted[0]) < CLOSE[place[1]]
    assert error(up, wanted[1]) < CLOSE[place[1]]
    assert untouched(out)
    assert untouched(states)


def angles(tokens: int, width: int, device: str) -> tuple[Tensor, Tensor]:
    speed = 10_000.0 ** -(torch.arange(0, width, 2) / width)
    turns = (torch.arange(tokens)[:, None] * speed).repeat(1, 2).to(device)
    return turns.cos(), turns.sin()


@pytest.mark.parametrize("place", PLACES)
def test_turning(place: tuple[str, torch.dtype]) -> None:
    """Queries and keys turn as in transformers, values do not, and turning back gives what was there."""
    states = some(9, 8, 6, place=place)  # four query heads, two of keys, two of values
    cos, sin = angles(9, 6, place[0])
    out = apart(states)
    elementwise.turn(states, cos, sin, 6, out)
    parts = [part.float().transpose(0, 1)[None] for part in torch.split(states[:, :6], [4, 2], dim=1)]
    right = [part[0].transpose(0, 1) for part in apply_rotary_pos_emb(*parts, cos[None], sin[None])]
    assert error(out[:, :6], torch.cat(right, dim=1)) < CLOSE[place[1]]
    assert torch.equal(out[:, 6:], states[:, 6:])
    assert error(out[1:, :6], states[1:, :6]) > 0.1
    assert untouched(out)
    back = apart(states)
    elementwise.turn_back(*torch.split(out, [4, 2, 2], dim=1), cos, sin, back)
    assert error(back, states) < CLOSE[place[1]]
    assert untouched(back)


def test_turning_back_is_the_gradient() -> None:
    """It is autograd's in float64."""
    states = some(9, 8, 6).double().requires_grad_()
    cos, sin = angles(9, 6, "cpu")
    turned = states.clone()
    halves = states[:, :6].chunk(2, dim=-1)
    turned[:, :6] = states[:, :6] * cos[:, None] + torch.cat((-halves[1], halves[0]), dim=-1) * sin[:, None]
    g = some(9, 8, 6, seed=2)
    (right,) = torch.autograd.grad(turned, states, g.double())
    out = torch.empty_like(g)
    elementwise.turn_back(*torch.split(g, [4, 2, 2], dim=1), cos, sin, out)
    assert error(out, right) < 1e-6
