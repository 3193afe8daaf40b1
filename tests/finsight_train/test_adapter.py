"""The adapter as one tensor."""

from __future__ import annotations

from pathlib import Path

import torch

from finsight_train.adapter import Adapter
from tests.finsight_train.adapted import base_of, model_of, plain_loss, rows_of


def test_the_adapter_is_one_tensor_and_the_model_reads_it(tmp_path: Path) -> None:
    """All trainable numbers are in it, in float32; the model computes what it did, and another thing after load."""
    model = model_of(base_of(tmp_path))
    (row,) = rows_of([(5, 4)])
    before = float(plain_loss(model, row))
    shapes = {name: parameter.shape for name, parameter in model.named_parameters() if parameter.requires_grad}
    numbers = Adapter(model)
    assert numbers.names == list(shapes)
    assert len(numbers.values) == sum(shape.numel() for shape in shapes.values())
    assert numbers.values.dtype is torch.float32
    assert {name: p.shape for name, p in model.named_parameters() if p.requires_grad} == shapes
    assert float(plain_loss(model, row)) == before
    saved = numbers.values.detach().clone()
    numbers.load(torch.zeros_like(saved))
    with model.disable_adapter():
        base = float(plain_loss(model, row))
    assert float(plain_loss(model, row)) == base != before
    numbers.load(saved)
    assert float(plain_loss(model, row)) == before


def test_gradients_add_up_in_one_tensor(tmp_path: Path) -> None:
    """Each backward pass adds to it; none of the model's gradients is elsewhere; zeroed, they are all zero."""
    model = model_of(base_of(tmp_path))
    numbers = Adapter(model)
    first, second = rows_of([(5, 4), (7, 3)])
    parts = []
    for row in (first, second):
        plain_loss(model, row).backward()  # type: ignore[no-untyped-call]
        parts.append(numbers.gradient.clone())
        numbers.gradient.zero_()
        assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)
    for row in (first, second):
        plain_loss(model, row).backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(numbers.gradient, parts[0] + parts[1])
    assert (parts[0] - parts[1]).norm() > 0.1 * parts[0].norm()
    found = torch.cat([p.grad.reshape(-1) for p in model.parameters() if p.requires_grad])
    assert torch.equal(found, numbers.gradient)
