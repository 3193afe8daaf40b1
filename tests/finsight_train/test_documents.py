"""Attention over documents laid end to end, against attention with an explicit mask in float64."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finsight_eval.errors import InputError
from finsight_train import documents
from finsight_train.documents import FLASH, FLEX, SDPA, VARLEN, Layout, attend, kernel_for, layout_of

#: Begin and end of each document, and how many tokens of the first all others see.
CASES = [
    ([(0, 7)], 0),
    ([(0, 1), (1, 2), (2, 9)], 0),
    ([(0, 4), (4, 9)], 4),
    ([(0, 1), (1, 2), (2, 3)], 1),
    ([(0, 6), (6, 7), (7, 20), (20, 24)], 6),
]
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]


def visible(spans: list[tuple[int, int]], shared: int) -> Tensor:
    """Return which token (row) sees which (column), by the definition."""
    document = [place for place, (begin, end) in enumerate(spans) for _ in range(begin, end)]
    return torch.tensor(
        [
            [k <= q and (document[k] == document[q] or k < shared) for k in range(len(document))]
            for q in range(len(document))
        ]
    )


def states_of(tokens: int, heads: tuple[int, int], width: int = 8) -> list[Tensor]:
    made = torch.Generator().manual_seed(tokens)
    return [torch.randn(tokens, count, width, generator=made) for count in (heads[0], heads[1], heads[1])]


def expected(states: list[Tensor], seen: Tensor, scale: float) -> Tensor:
    """Return attention where `seen` says so; differentiable, float64."""
    query, key, value = (part.double() for part in states)
    group = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    scores = torch.einsum("qhd,khd->hqk", query, key) * scale
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(~seen, float("-inf")).softmax(-1), value)


def error(found: Tensor, right: Tensor) -> float:
    """Return the error relative to the norm; a token that sees itself alone has a query whose gradient is nothing."""
    found, right = found.detach().double(), right.detach().double()
    return float((found - right).norm() / (1 + right.norm()))


def errors(kernel: str, layout: Layout, heads: tuple[int, int], place: tuple[str, torch.dtype]) -> list[float]:
    """Return the relative errors of a kernel's output and of its three gradients."""
    tokens, device = layout.spans[-1][1], place[0]
    given_ = [part.to(*place) for part in states_of(tokens, heads, 8 if device == "cpu" else 64)]
    ours = [part.clone().requires_grad_() for part in given_]
    exact = [part.double().requires_grad_() for part in given_]
    found = attend(kernel, ours, layout, 0.3)
    right = expected(exact, visible(list(layout.spans), layout.shared).to(device), 0.3)
    g = torch.randn(right.shape, generator=torch.Generator().manual_seed(2)).to(device)
    grads = torch.autograd.grad(found, ours, g.to(found.dtype))
    wanted = torch.autograd.grad(right, exact, g.double())
    return [error(a, b) for a, b in zip((found, *grads), (right, *wanted), strict=True)]


@pytest.mark.parametrize(
    ("spans", "shared", "starts", "keys"),
    [
        ([(0, 3)], 0, ([0, 3], [0, 3], (3, 3)), None),
        ([(0, 3), (3, 7), (7, 10)], 0, ([0, 3, 7, 10], [0, 3, 7, 10], (4, 4)), None),
        ([(0, 2), (2, 4), (4, 7)], 2, ([0, 2, 4, 7], [0, 2, 6, 11], (3, 5)), [0, 1, 0, 1, 2, 3, 0, 1, 4, 5, 6]),
    ],
)
def test_the_layout_of_documents(
    spans: list[tuple[int, int]], shared: int, starts: tuple[object, ...], keys: list[int] | None
) -> None:
    """A shared beginning's keys are counted once for itself and once for each document behind it."""
    layout = layout_of(spans, shared, "cpu")
    assert (layout.spans, layout.shared) == (tuple(spans), shared)
    assert (layout.starts.tolist(), layout.key_starts.tolist(), layout.longest) == starts
    assert (None if layout.keys is None else layout.keys.tolist()) == keys
    assert layout.starts.dtype is layout.key_starts.dtype is torch.int32


@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize(("spans", "shared"), CASES)
def test_documents_see_themselves_and_what_they_share(
    spans: list[tuple[int, int]], shared: int, heads: tuple[int, int]
) -> None:
    """Output and gradients are those of one attention with an explicit mask, also with fewer heads of keys."""
    assert max(errors(SDPA, layout_of(spans, shared, "cpu"), heads, ("cpu", torch.float32))) < 1e-6


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=7), share=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_lengths(sizes: list[int], share: bool) -> None:
    """Whatever the documents' lengths, with and without a shared beginning."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    spans = list(zip([0, *ends], ends, strict=False))
    assert max(errors(SDPA, layout_of(spans, sizes[0] if share else 0, "cpu"), (4, 2), ("cpu", torch.float32))) < 1e-5


@pytest.mark.parametrize("changed", [1, 2, 3])
@pytest.mark.parametrize("shared", [0, 6])
def test_neighbours_are_out_of_sight(changed: int, shared: int) -> None:
    """Other numbers in one document change no other's output or gradient, to the last bit; its own they change."""
    spans = [(0, 6), (6, 7), (7, 20), (20, 24)]
    layout, results = layout_of(spans, shared, "cpu"), []
    for other in (False, True):
        states = states_of(24, (4, 2))
        for part in states:
            part[slice(*spans[changed])] *= -2 if other else 1
            part.requires_grad_()
        found = attend(SDPA, states, layout, 0.3)
        g_query = torch.autograd.grad(found.square().sum(), states)[0]
        results.append((found.detach(), g_query))
    own = slice(*spans[changed])
    assert not (results[0][0] == results[1][0]).flatten(1).all(1)[own].any()
    for before, after in zip(*results, strict=True):
        same = (before == after).flatten(1).all(1)
        assert same[: own.start].all()
        assert same[own.stop :].all()


def test_a_shared_beginning_is_seen_by_all_and_sees_none() -> None:
    """Other numbers in it change every document; a document changes nothing in it."""
    spans = [(0, 6), (6, 9), (9, 12)]
    outputs = []
    for change in (slice(0, 0), slice(0, 6), slice(6, 12)):
        states = states_of(12, (4, 2))
        for part in states:
            part[change] *= -2
        outputs.append(attend(SDPA, states, layout_of(spans, 6, "cpu"), 0.3))
    plain, beginning, rest = outputs
    assert not (plain == beginning).flatten(1).all(1)[6:].any()
    assert torch.equal(plain[:6], rest[:6])


@pytest.mark.parametrize(("spans", "shared"), CASES)
def test_the_mask_of_flex_attention(spans: list[tuple[int, int]], shared: int) -> None:
    """Every pair it lets through is one that the definition does, once for each copy of a shared beginning."""
    layout = layout_of(spans, shared, "cpu")
    mask = layout.mask
    assert mask is layout.mask
    tokens, places = spans[-1][1], range(spans[-1][1]) if layout.keys is None else layout.keys.tolist()
    found = torch.zeros(tokens, tokens, dtype=torch.int)
    for q in range(tokens):
        for k, place in enumerate(places):
            found[q, place] += int(mask.mask_mod(0, 0, torch.tensor(q), torch.tensor(k)))
    assert torch.equal(found, visible(spans, shared).int())


def _long(shared: int) -> tuple[list[tuple[int, int]], int]:
    ends = torch.tensor([130, 1, 65, 300, 64, 470]).cumsum(0).tolist()
    return list(zip([0, *ends], ends, strict=False)), shared


@pytest.mark.parametrize("case", [*CASES, _long(0), _long(130)])
@pytest.mark.parametrize("heads", [(8, 8), (8, 2)])
@pytest.mark.parametrize(
    ("kernel", "dtype", "limit"),
    [
        pytest.param(SDPA, torch.float32, 1e-5, marks=GPU),
        pytest.param(FLASH, torch.bfloat16, 1e-2, marks=GPU),
        pytest.param(VARLEN, torch.bfloat16, 1e-2, marks=GPU),
        pytest.param(FLEX, torch.bfloat16, 1e-2, marks=GPU),
    ],
)
def test_kernels_on_a_gpu(
    kernel: str, dtype: torch.dtype, limit: float, heads: tuple[int, int], case: tuple[list[tuple[int, int]], int]
) -> None:
    """Each computes the same as the explicit mask, forward and backward, up to its dtype's rounding."""
    if kernel == FLASH:
        pytest.importorskip("flash_attn")
    layout = layout_of(*case, "cuda")
    assert max(errors(kernel, layout, heads, ("cuda", dtype))) < limit


@pytest.mark.parametrize("installed", [True, False])
def test_the_kernel_is_chosen_by_what_is_there(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    """The package where it is installed, else torch's own, else flex attention; sdpa where none of them serves."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.version, "hip", None)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: installed or None if name == "flash_attn" else found(name)
    )
    recent = "window_size" in documents._varlen_options()
    assert kernel_for("cuda", torch.bfloat16, 128) == (FLASH if installed else VARLEN if recent else FLEX)
    assert kernel_for("cuda", torch.float32, 128) == SDPA
    assert kernel_for("cuda", torch.bfloat16, 100) == SDPA
    assert kernel_for("cuda", torch.bfloat16, 512) == SDPA
    assert kernel_for("cpu", torch.bfloat16, 128) == SDPA
    monkeypatch.setattr(documents, "_varlen_options", frozenset)
    assert kernel_for("cuda", torch.bfloat16, 128) == (FLASH if installed else FLEX)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert kernel_for("cuda", torch.bfloat16, 128) == FLEX


def in_transformers(layout: Layout, **said: object) -> Tensor:
    query, key, value = (part.transpose(0, 1)[None] for part in states_of(9, (4, 2)))
    found, _ = documents._in_transformers(
        SimpleNamespace(), query, key, value, None, documents=(SDPA, layout), scaling=0.3, **said
    )
    return found


def test_a_model_of_transformers_attends_as_we_do() -> None:
    """A window that no row exceeds changes nothing; a shorter one would be dropped in silence, and is refused."""
    layout = layout_of([(0, 4), (4, 9)], 0, "cpu")
    right = attend(SDPA, states_of(9, (4, 2)), layout, 0.3)
    assert torch.equal(in_transformers(layout)[0], right)
    assert torch.equal(in_transformers(layout, sliding_window=None)[0], right)
    assert torch.equal(in_transformers(layout, sliding_window=5)[0], right)
    with pytest.raises(InputError, match="see 4 tokens at most, and a row has 5: not served; set max_length to 4"):
        in_transformers(layout, sliding_window=4)


def test_a_model_that_hands_nothing_on_is_refused() -> None:
    """Without knowing where rows begin, each would see those before it."""
    none = torch.zeros(1, 4, 1, 8)
    with pytest.raises(InputError, match="do not hand on which row a token is of"):
        documents._in_transformers(SimpleNamespace(), none, none, none, None)
