"""The loss on labelled tokens against cross entropy."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from finsight_train import head

GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]
PLACES = [
    ("cpu", torch.float32),
    ("cpu", torch.bfloat16),
    pytest.param(("cuda", torch.float32), marks=GPU),
    pytest.param(("cuda", torch.bfloat16), marks=GPU),
]
VOCABULARY = 50


def material(tokens: int, device: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(2)
    hidden = torch.randn(tokens, 24, generator=made).to(device, dtype).requires_grad_()
    weights = torch.randn(VOCABULARY, 24, generator=made).to(device, dtype)
    return hidden, weights, torch.randint(VOCABULARY, (tokens,), generator=made).to(device)


@pytest.mark.parametrize("slices", [1000, 4, 1])  # tokens of a slice: all, a part, one
@pytest.mark.parametrize("tokens", [1, 11])
@pytest.mark.parametrize("place", PLACES)
def test_loss_and_gradient_are_those_of_cross_entropy(
    monkeypatch: pytest.MonkeyPatch, slices: int, tokens: int, place: tuple[str, torch.dtype]
) -> None:
    """However many tokens are in work at a time; the loss is float32 whatever the model computes in."""
    monkeypatch.setattr(head, "_SLICE", slices * VOCABULARY)
    device, dtype = place
    close = 1e-5 if dtype is torch.float32 else 1e-2
    hidden, weights, labels = material(tokens, device, dtype)
    found = head.loss_of(hidden, weights, labels, 0.25)
    assert found.dtype is torch.float32
    (g,) = torch.autograd.grad(found, hidden)
    assert g.dtype is dtype
    exact = hidden.detach().double().requires_grad_()
    right = 0.25 * cross_entropy(exact @ weights.double().t(), labels, reduction="sum")
    (wanted,) = torch.autograd.grad(right, exact)
    assert float(found) == pytest.approx(float(right), rel=close)
    assert (g.double() - wanted).norm() < close * wanted.norm()


def test_a_part_of_the_loss_has_a_part_of_the_gradient() -> None:
    """What the loss is multiplied by afterwards multiplies the gradient, too."""
    hidden, weights, labels = material(5, "cpu", torch.float32)
    once = torch.autograd.grad(head.loss_of(hidden, weights, labels, 1.0), hidden)[0]
    thrice = torch.autograd.grad(3 * head.loss_of(hidden, weights, labels, 1.0), hidden)[0]
    torch.testing.assert_close(thrice, 3 * once)


def test_a_certain_model_loses_nothing_and_a_wrong_one_much() -> None:
    """Logits of any size stay finite."""
    weights, labels = torch.eye(3) * 1e4, torch.tensor([0, 1])
    assert float(head.loss_of(torch.eye(3)[:2], weights, labels, 1.0)) == 0.0
    assert float(head.loss_of(torch.eye(3)[1:], weights, labels, 1.0)) == pytest.approx(2e4)
