"""Products with NF4 weights and their adapters, against PEFT's own layers on bitsandbytes."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from finsight_train.weights import Projection, product, refresh, roomy
from tests.finsight_train.adapted import base_of, model_of

#: Layers that read the same input: three of different widths with a bias, two without, one alone.
TOGETHER = [("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"), ("down_proj",)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return model_of(base_of(tmp_path_factory.mktemp("base")))


def layers_of(model: Any, names: tuple[str, ...]) -> list[Any]:
    first = model.get_base_model().model.layers[0]
    return [getattr(first.self_attn, name, None) or getattr(first.mlp, name) for name in names]


def inputs_of(width: int, room: int) -> Tensor:
    """Return inputs of 11 tokens, with `room` numbers of scratch behind each row."""
    made = torch.randn(11, width + room, generator=torch.Generator().manual_seed(4))
    return made[:, :width].requires_grad_()


def close(found: Tensor, right: Tensor, limit: float = 1e-5) -> bool:
    return float((found - right).detach().norm()) <= limit * float(right.detach().norm())


@pytest.mark.parametrize("names", TOGETHER)
@pytest.mark.parametrize("kept", ["kept", "held", "at each use"])
@pytest.mark.parametrize("scratch", [True, False])
def test_products_and_gradients_are_those_of_peft(model: Any, names: tuple[str, ...], kept: str, scratch: bool) -> None:
    """Outputs side by side; gradients by the input and by every A and B; whether the weights are kept or not."""
    layers = layers_of(model, names)
    projection = Projection(layers, torch.float32)
    assert (projection.bias is not None) == ("q_proj" in names)
    if kept == "kept":
        projection.keep()
    x = inputs_of(projection.inputs, projection.rank if scratch else 0)
    right = torch.cat([layer(x) for layer in layers], dim=1)
    g = torch.randn(right.shape, generator=torch.Generator().manual_seed(5))
    wanted = torch.autograd.grad(right, [x, *projection.masters], g)
    with projection.held() if kept == "held" else nullcontext():
        found = product(x, projection)
        grads = torch.autograd.grad(found, [x, *projection.masters], g)
    assert found.shape == right.shape == (11, projection.outputs)
    assert close(found, right)
    assert all(float(part.norm()) > 0 for part in wanted)
    for ours, theirs in zip(grads, wanted, strict=True):
        assert close(ours, theirs)


def test_one_layer_with_a_bias_among_others_without(model: Any) -> None:
    """Missing biases count as nothing."""
    layers = layers_of(model, ("q_proj", "gate_proj"))
    projection = Projection(layers, torch.float32)
    x = inputs_of(projection.inputs, 0)
    assert close(product(x, projection), torch.cat([layer(x) for layer in layers], dim=1))


def test_nothing_is_computed_for_an_input_without_gradient(model: Any) -> None:
    """The first layer's input: the adapter's gradients come, the input's does not."""
    projection = Projection(layers_of(model, TOGETHER[0]), torch.float32)
    x = inputs_of(projection.inputs, 0)
    wanted = torch.autograd.grad(product(x, projection).sum(), projection.masters)
    found = torch.autograd.grad(product(x.detach(), projection).sum(), projection.masters)
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.equal(ours, theirs)


def test_kept_weights_follow_the_adapter_when_told(model: Any) -> None:
    """After a step and `refresh` a kept matrix is what is built anew; before, it is what it was."""
    projections = [Projection(layers_of(model, names), torch.float32) for names in TOGETHER]
    for projection in projections[:2]:
        projection.keep()
    before = [projection.matrix().clone() for projection in projections]
    masters = [master for projection in projections for master in projection.masters]
    saved = [master.detach().clone() for master in masters]
    try:
        with torch.no_grad():
            for master in masters:
                master.mul_(1.5).add_(0.01)
        assert torch.equal(projections[0].matrix(), before[0])
        assert not torch.equal(projections[2].matrix(), before[2])  # never kept: follows by itself
        refresh(projections)
        for projection, old in zip(projections, before, strict=True):
            assert torch.equal(projection.matrix(), projection._built())
            assert not torch.equal(projection.matrix(), old)
    finally:
        with torch.no_grad():
            for master, old in zip(masters, saved, strict=True):
                master.copy_(old)


def test_held_weights_are_let_go(model: Any) -> None:
    """Within the block one matrix serves all uses; after it none is held, unless it was kept before, also on errors."""
    projection = Projection(layers_of(model, TOGETHER[0]), torch.float32)
    with projection.held():
        assert projection.matrix() is projection.matrix()
    assert projection.matrix() is not projection.matrix()
    with pytest.raises(KeyError), projection.held():
        raise KeyError
    assert projection.matrix() is not projection.matrix()
    projection.keep()
    kept = projection.matrix()
    with projection.held():
        assert projection.matrix() is kept
    assert projection.matrix() is kept


@pytest.mark.parametrize("names", TOGETHER)
@pytest.mark.parametrize("kept", [True, False])
def test_generation_computes_what_peft_does(model: Any, names: tuple[str, ...], kept: bool) -> None:
    """Layer by layer, for inputs of any number of dimensions."""
    layers = layers_of(model, names)
    projection = Projection(layers, torch.float32)
    if kept:
        projection.keep()
    for shape in ((11,), (2, 3), (1,)):
        x = torch.randn(*shape, projection.inputs, generator=torch.Generator().manual_seed(6))
        for part, layer in enumerate(layers):
            with torch.no_grad():
                assert close(projection.forward_of(part)(x), layer(x))


def test_scratch_is_used_where_there_is_some() -> None:
    """Made with scratch, the same memory comes back with it in view; else a copy, whose scratch is its own."""
    whole = torch.arange(40.0).view(4, 10)
    same = roomy(whole[:, :7], 3)
    assert same.data_ptr() == whole.data_ptr()
    assert torch.equal(same, whole)


@pytest.mark.parametrize(
    ("x", "room"),
    [
        (torch.arange(28.0).view(4, 7), 3),  # no scratch
        (torch.arange(40.0).view(4, 10)[:, :7], 2),  # scratch of another width
        (torch.arange(48.0).view(4, 12)[:, ::2], 6),  # every second number
        (torch.arange(28.0).view(7, 4).t(), 3),  # columns
        (torch.arange(40.0).view(4, 10)[:, 3:], 3),  # the last row's scratch would lie behind the end
        (torch.arange(37.0).as_strided((4, 7), (10, 1)), 3),  # likewise
    ],
)
def test_what_has_no_scratch_is_copied(x: Tensor, room: int) -> None:
    """Nothing of the original is ever written or read past its end."""
    copied = roomy(x, room)
    assert copied.shape == (len(x), x.shape[1] + room)
    assert copied.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert torch.equal(copied[:, : x.shape[1]], x)


def test_a_product_writes_into_scratch_only(model: Any) -> None:
    """Input and gradient are what they were before."""
    projection = Projection(layers_of(model, TOGETHER[1]), torch.float32)
    x = inputs_of(projection.inputs, projection.rank)
    before = x.detach().clone()
    found = product(x, projection)
    g = torch.randn(11, projection.outputs + projection.rank)[:, : projection.outputs]
    given = g.clone()
    torch.autograd.grad(found, x, g)
    assert torch.equal(x, before)
    assert torch.equal(g, given)
