"""The model as training runs it, against PEFT's own forward row by row: losses, gradients, logits."""

from __future__ import annotations

from functools import cache
from itertools import product, starmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from finsight_train import layer, weights
from finsight_train.adapter import Adapter
from finsight_train.documents import FLEX, SDPA, VARLEN
from finsight_train.network import Network, Placement
from finsight_train.packing import Pack, pack_of, passes_of
from tests.finsight_train.adapted import (
    PREFIX,
    ROWS,
    base_of,
    furthest,
    gradients,
    model_of,
    plain_logits,
    plain_loss,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finsight_train.rows import Row

SHARED = [0, 5]
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_of(tmp_path_factory.mktemp("base"))


@pytest.fixture
def model(base: Path) -> Any:
    return model_of(base)


@pytest.fixture(params=["own", "transformers"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return whose layers run; the same model is run both ways."""
    if request.param == "transformers":
        monkeypatch.setattr(layer, "layers_of", lambda _model, _dtype: None)
    return str(request.param)


@cache
def plain(base: Path) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Return the losses of all rows and the summed gradient of each parameter, by PEFT's own forward row by row."""
    model = model_of(base)
    losses = {row.id: plain_loss(model, row) for row in ROWS}
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: float(loss.detach()) for name, loss in losses.items()}, grads


def network_of(model: Any, kept: bool = True, recomputed: int = 0, tokens: int | None = None) -> Network:
    return Network(model, Placement(tokens, kept, recomputed), torch.float32, SDPA)


def pack(rows: list[Row], shared: int = 0, tokens: int | None = None) -> Pack:
    return pack_of(rows, PREFIX[:shared], tokens, "cpu")


@pytest.mark.parametrize("placement", [*starmap(Placement, product([None, 160], [True, False], [0, 1, 3]))])
@pytest.mark.parametrize("shared", SHARED)
def test_losses_and_gradients_are_those_of_plain_peft(
    base: Path, model: Any, form: str, placement: Placement, shared: int
) -> None:
    """Packed, padded, with a beginning computed once, kept or not, recomputed or not: the same numbers."""
    network = Network(model, placement, torch.float32, SDPA)
    assert network.form == form
    losses, grads = plain(base)
    found = network.loss(pack(ROWS, shared, placement.tokens), 1.0)
    assert float(found.detach()) == pytest.approx(sum(losses.values()), rel=1e-6)
    assert furthest(gradients(model, found), grads) < 1e-4


@pytest.mark.parametrize("shared", SHARED)
def test_a_row_alone_loses_what_it_loses_by_peft(base: Path, model: Any, form: str, shared: int) -> None:
    """Row by row."""
    network, (losses, _) = network_of(model), plain(base)
    for row in ROWS:
        assert float(network.loss(pack([row], shared), 1.0).detach()) == pytest.approx(losses[row.id], rel=1e-6)


@pytest.mark.parametrize("shared", SHARED)
def test_packed_equals_unpacked(model: Any, form: str, shared: int) -> None:
    """Logits of all labelled tokens of a pack are within 1e-5 of those that each row gets alone."""
    right = torch.cat([plain_logits(model, row) for row in ROWS]).detach()
    head = model.get_base_model().get_output_embeddings().weight
    found = network_of(model)._hidden(pack(ROWS, shared, 160)) @ head.t()
    assert found.shape == right.shape
    assert float((found - right).abs().max()) < 1e-5
    assert float(right.std()) > 0.3  # there is something to tell apart


@pytest.mark.parametrize("recomputed", [0, 3])
def test_neighbours_do_not_matter(model: Any, form: str, recomputed: int) -> None:
    """Other rows before and behind one leave what the head reads of it as it is, order of summation aside."""
    network = network_of(model, recomputed=recomputed)
    wanted = network._hidden(pack([ROWS[1]]))
    for before, behind in (([], [ROWS[0]]), ([ROWS[3]], []), ([ROWS[2], ROWS[0]], [ROWS[4]])):
        found = network._hidden(pack([*before, ROWS[1], *behind], 0, 160))
        first = sum(label >= 0 for row in before for label in row.labels)
        torch.testing.assert_close(found[first : first + len(wanted)], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("capacity", [45, 60, 80])
def test_any_split_into_passes_gives_the_same_step(
    base: Path, model: Any, form: str, shared: int, capacity: int
) -> None:
    """Losses and gradients of the passes add up to those of all rows at once, scaled by the step's labels."""
    network, numbers = network_of(model, tokens=capacity), Adapter(model)
    sizes = {number: len(row.input_ids) - shared for number, row in enumerate(ROWS)}
    passes = passes_of(list(sizes), sizes, capacity - shared)
    assert len(passes) > 1
    loss, scale = 0.0, 1 / 39
    for part in passes:
        one = pack([ROWS[row] for row in part], shared, capacity)
        assert len(one.ids) == capacity
        found = network.loss(one, scale)
        found.backward()  # type: ignore[no-untyped-call]
        loss += float(found.detach())
    losses, grads = plain(base)
    assert loss == pytest.approx(sum(losses.values()) * scale, rel=1e-6)
    right = torch.cat([grads[name].reshape(-1) for name in numbers.names]) * scale
    assert float((numbers.gradient - right).norm()) < 1e-4 * float(right.norm())


def test_a_step_reaches_kept_weights(base: Path, model: Any, form: str) -> None:
    """After a change of the adapter and `refresh` the loss is that of the changed model, wherever weights are kept."""
    network, numbers = network_of(model), Adapter(model)
    before = float(network.loss(pack(ROWS), 1.0).detach())
    numbers.load(numbers.values.detach() * 1.2)
    network.refresh()
    after = float(network.loss(pack(ROWS), 1.0).detach())
    with network.generating() as ready:
        ready.set_attn_implementation("sdpa")
        right = sum(float(plain_loss(ready, row)) for row in ROWS)
    other = model_of(base)
    Adapter(other).load(numbers.values.detach())
    assert after == pytest.approx(sum(float(plain_loss(other, row).detach()) for row in ROWS), rel=1e-6)
    assert after == pytest.approx(right, rel=1e-6)
    assert abs(after - before) > 1e-3 * before


def states(model: Any) -> list[tuple[bool, bool]]:
    """Return of each module its mode and whether its forward was replaced."""
    return [(module.training, "forward" in vars(module)) for module in model.modules()]


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("recomputed", [0, 3])
def test_generating_computes_what_peft_does_and_leaves_no_trace(
    model: Any, form: str, kept: bool, recomputed: int
) -> None:
    """Logits are PEFT's; modes, forwards and attention are what they were before, also after an error."""
    right = [plain_logits(model, row).detach() for row in ROWS]
    network = network_of(model, kept, recomputed)
    before = states(model), model.config._attn_implementation, float(network.loss(pack(ROWS), 1.0).detach())
    with network.generating() as ready:
        assert not any(module.training for module in ready.modules())
        found = [plain_logits(ready, row) for row in ROWS]
        assert not any(logits.requires_grad for logits in found)
    for ours, theirs in zip(found, right, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    with pytest.raises(KeyError), network.generating():
        raise KeyError
    assert (states(model), model.config._attn_implementation) == before[:2]
    assert float(network.loss(pack(ROWS), 1.0).detach()) == before[2]


def test_what_products_read_is_made_with_scratch(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    """Of all inputs and gradients only attention's result and the very last gradient are copied for want of it."""
    roomy, copied = weights.roomy, []

    def counted(x: Tensor, room: int) -> Tensor:
        found = roomy(x, room)
        copied.append(found.data_ptr() != x.data_ptr())
        return found

    monkeypatch.setattr(weights, "roomy", counted)
    network_of(model).loss(pack(ROWS), 1.0).backward()  # type: ignore[no-untyped-call]
    assert (len(copied), sum(copied)) == (3 * 4 * 2, 3 + 1)


@pytest.fixture
def forwards(model: Any) -> Iterator[list[int]]:
    """Return a list that grows with each run of the first layer's MLP activation."""
    ran: list[int] = []
    hook = model.get_base_model().model.layers[0].mlp.act_fn.register_forward_hook(lambda *_: ran.append(1))
    yield ran
    hook.remove()


@pytest.mark.parametrize(("recomputed", "times"), [(0, 1), (3, 2)])
def test_transformers_layers_are_recomputed_when_asked(
    monkeypatch: pytest.MonkeyPatch, model: Any, forwards: list[int], recomputed: int, times: int
) -> None:
    """Its checkpointing does nothing for a model at rest, in silence: here it does, also after generating."""
    monkeypatch.setattr(layer, "layers_of", lambda _model, _dtype: None)
    network = network_of(model, recomputed=recomputed)
    for _ in range(2):
        forwards.clear()
        network.loss(pack(ROWS), 1.0).backward()  # type: ignore[no-untyped-call]
        assert len(forwards) == times
        with network.generating():
            pass


@pytest.mark.parametrize(
    ("kernel", "dtype", "limits"),
    [
        pytest.param(SDPA, "float32", (1e-4, 1e-3), marks=GPU),
        pytest.param(VARLEN, "bfloat16", (2e-2, 5e-2), marks=GPU),
        pytest.param(FLEX, "bfloat16", (2e-2, 5e-2), marks=GPU),
    ],
)
@pytest.mark.parametrize("placement", [*starmap(Placement, product([160], [True, False], [0, 2]))])
def test_a_gpu_computes_the_same(
    base: Path, kernel: str, dtype: str, limits: tuple[float, float], placement: Placement
) -> None:
    """Loss and gradient are those of a CPU in float32, up to the rounding of what is computed in."""
    losses, grads = plain(base)
    model = model_of(base, dtype, "cuda")
    Adapter(model).load(Adapter(model_of(base)).values.detach().cuda())
    network = Network(model, placement, getattr(torch, dtype), kernel)
    found = network.loss(pack_of(ROWS, PREFIX, 160, "cuda"), 1.0)
    assert float(found.detach()) == pytest.approx(sum(losses.values()), rel=limits[0])
    on_host = {name: g.cpu() for name, g in gradients(model, found).items()}
    ours, right = (torch.cat([part[name].reshape(-1) for name in grads]) for part in (on_host, grads))
    assert float((ours - right).norm()) < limits[1] * float(right.norm())
