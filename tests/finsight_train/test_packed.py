"""Packed attention against attention row by row in float64."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from finsight_train.packed import Pass, Store, Unsupported, attention, flash_serves

CAPACITY = 200
GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]
PLACES = [
    ("cpu", torch.float32, 1e-5),
    pytest.param("cuda", torch.float32, 1e-5, marks=GPU),
    pytest.param("cuda", torch.bfloat16, 1e-2, marks=GPU),
    pytest.param("cuda", torch.float16, 2e-3, marks=GPU),
]


def expected(query: torch.Tensor, store: Store, slot: int, length: int) -> torch.Tensor:
    """Return (tokens, heads, width): plain attention of a row's last tokens to all that the slot holds."""
    keys, values = (
        buffer[slot * store.capacity :][:length].double().repeat_interleave(query.shape[1] // buffer.shape[1], 1)
        for buffer in store.layers[0]
    )
    scores = torch.einsum("qhd,khd->hqk", query.double(), keys) * query.shape[2] ** -0.5
    seen = torch.ones(len(query), length, device=query.device).tril(length - len(query)).bool()
    weights = scores.masked_fill(~seen, float("-inf")).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, values)


def packed(
    rows: list[tuple[int, int, int]], heads: tuple[int, int], place: tuple[str, torch.dtype], decoding: bool
) -> float:
    """Return the relative error of one pass over `rows` (slot, tokens brought along, length) of a filled store."""
    device, dtype = place
    made = torch.Generator(device).manual_seed(len(rows))

    def some(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=made, device=device, dtype=torch.float32).to(dtype)

    slots, new = 1 + max(slot for slot, _, _ in rows), sum(tokens for _, tokens, _ in rows)
    store = Store(slots, CAPACITY)
    store.write(0, torch.arange(slots * CAPACITY, device=device), (some(slots * CAPACITY, heads[1], 40),) * 2)
    query, key, value = some(1, heads[0], new, 40), some(1, heads[1], new, 40), some(1, heads[1], new, 40)
    query = query.transpose(1, 2).contiguous().transpose(1, 2)  # as a model's projections lie in memory
    spots = [slot * CAPACITY + at for slot, tokens, length in rows for at in range(length - tokens, length)]
    sizes = torch.tensor([tokens for _, tokens, _ in rows])
    starts = torch.cat([torch.zeros(1, dtype=torch.long), sizes.cumsum(0)])
    now = Pass(
        store=store,
        spots=torch.tensor(spots, device=device),
        starts=starts.int().to(device),
        origins=torch.tensor([slot * CAPACITY for slot, _, _ in rows] + [0], dtype=torch.int32, device=device),
        lengths=torch.tensor([length for _, _, length in rows], dtype=torch.int32, device=device),
        most=int(sizes.max()),
        reach=max(length for _, _, length in rows),
        rows=None if decoding else rows,
    )
    found, _ = attention(SimpleNamespace(layer_idx=0), query, key, value, None, packed=now, dropout=0.0)
    tokens = query[0].transpose(0, 1)
    right = torch.cat(
        [
            expected(tokens[a:b], store, slot, length)
            for (slot, _, length), a, b in zip(rows, starts, starts[1:], strict=False)
        ]
    )
    return float((found[0] - right).norm() / right.norm())


@pytest.mark.parametrize("heads", [(8, 4), (4, 4), (14, 2)])
@pytest.mark.parametrize(("device", "dtype", "error"), PLACES)
def test_prompts_of_any_length_are_read(device: str, dtype: torch.dtype, error: float, heads: tuple[int, int]) -> None:
    """Into any slots, behind a head or not, also where a block of 64 begins (torch 2.11 went wrong at 65 and 129)."""
    for new in (*range(1, 12), 63, 64, 65, 66, 127, 128, 129, 130):
        rows = [(2, new, new + 21), (0, 1, 90), (5, new, new)]
        assert packed(rows, heads, (device, dtype), decoding=False) < error, new


@pytest.mark.parametrize("heads", [(8, 4), (4, 4), (14, 2)])
@pytest.mark.parametrize(("device", "dtype", "error"), PLACES)
def test_a_token_for_every_row(device: str, dtype: torch.dtype, error: float, heads: tuple[int, int]) -> None:
    """Rows 0, 1, 2 ... of any lengths; nothing behind a row's own length is seen."""
    for count in (1, 2, 33):
        rows = [(slot, 1, 1 + (slot * 37 + count * 11) % CAPACITY) for slot in range(count)]
        assert packed(rows, heads, (device, dtype), decoding=True) < error, count


def test_another_attention_is_refused() -> None:
    """What a layer asks for beyond plain attention would be dropped in silence: the decoder says what it was."""
    none = torch.zeros(1, 4, 1, 8)
    now = SimpleNamespace(store=Store(1, 10))
    with pytest.raises(Unsupported, match="softcap"):
        attention(SimpleNamespace(layer_idx=0), none, none, none, None, packed=now, softcap=30.0)
    with pytest.raises(Unsupported, match="hand on"):
        attention(SimpleNamespace(layer_idx=0), none, none, none, None)


def test_flash_attention_is_for_gpus() -> None:
    """On a CPU the same call goes to torch's own attention."""
    assert not flash_serves(torch.zeros(1, 4, 1, 8, dtype=torch.bfloat16))
