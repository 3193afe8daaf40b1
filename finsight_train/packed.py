"""Attention for the tokens of many rows packed into one pass, over keys and values that stay where they were written.

    tokens of a pass:  r0 r0 r0 r1 r1 r2 ...      starts (0, 3, 5, ...), places (7, 8, 9, 7, 8, 7, ...)
    buffers of a layer: (slots * capacity, heads, width); a row owns a slot, its token at place p lies p places in

No row is padded, neither when prompts of different lengths are read nor when each row writes one token, and keys and
values of grouped heads are read once, not once per query head. In half precision on a GPU attention is torch's own
FlashAttention 2, the kernel below `varlen_attn`, which reads of each row what it holds; elsewhere it is torch's sdpa.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

#: No mask function goes with it: transformers then makes no mask, and which row a token belongs to says the pass.
NAME: Final = "finsight_packed"
#: What layers hand to attention without wanting another attention for it.
_HARMLESS: Final = {
    *("dropout", "is_causal", "position_ids", "cache_position", "use_cache", "past_key_values"),
    *("output_attentions", "output_hidden_states", "return_dict"),
}


class Unsupported(Exception):  # noqa: N818 - not the user's error: the model is decoded the ordinary way
    """This decoder cannot run the model; the message says why."""


@dataclass(frozen=True)
class Store:
    """Keys and values of all layers; a layer's buffers are made when it first writes."""

    slots: int
    capacity: int
    layers: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def write(self, layer: int, spots: Tensor, states: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Write keys and values, (tokens, heads, width) each, at `spots`; return the layer's whole buffers."""
        if layer not in self.layers:  # zeros: a masked place counts nothing times its value, which must be a number
            size = self.slots * self.capacity
            keys, values = (new.new_zeros((size, *new.shape[1:])) for new in states)
            self.layers[layer] = keys, values
        for buffer, new in zip(self.layers[layer], states, strict=True):
            buffer.index_copy_(0, spots, new)
        return self.layers[layer]

    def by_slot(self) -> Iterator[Tensor]:
        """Yield every buffer as (slots, capacity, heads, width)."""
        for buffer in (buffer for layer in self.layers.values() for buffer in layer):
            yield buffer.view(self.slots, self.capacity, *buffer.shape[1:])


@dataclass(frozen=True)
class Pass:
    """The rows of one pass.

    Attributes:
        store: where keys and values are.
        spots: where those of each token go, (tokens,).
        starts: where each row begins in the pass, and the end, (rows + 1,), int32.
        origins: where each row begins in the buffers, (rows + 1,), int32; the last is not looked at.
        lengths: how many tokens each row holds after the pass, (rows,), int32.
        most: the most tokens that a row brings along.
        reach: no row holds more tokens than this after the pass.
        rows: slot, tokens brought along and length of each row; None when rows 0, 1, 2, ... bring one token each.
    """

    store: Store
    spots: Tensor
    starts: Tensor
    origins: Tensor
    lengths: Tensor
    most: int
    reach: int
    rows: Sequence[tuple[int, int, int]] | None = None


def flash_serves(query: Tensor) -> bool:
    """Tell whether torch's FlashAttention 2 takes `query`, whose last dimension is a head's width."""
    if query.device.type != "cuda" or query.dtype not in {torch.float16, torch.bfloat16} or torch.version.hip:
        return False
    width, major = query.shape[-1], torch.cuda.get_device_capability(query.device)[0]
    return width % 8 == 0 and width <= 256 and major >= 8 and torch.backends.cuda.is_flash_attention_available()


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: Any, *, scaling: float | None = None, **rest: Any
) -> tuple[Tensor, None]:
    """Write keys and values where the pass says and attend; `query` is (1, heads, tokens, width)."""
    now: Pass | None = rest.pop("packed", None)
    if now is None or query.shape[0] != 1:
        raise Unsupported("its layers do not hand on what they are given")
    if (rest.pop("sliding_window", None) or now.store.capacity) < now.store.capacity:
        raise Unsupported("its attention has a window shorter than prompt and reply")
    if wanted := {name for name, setting in rest.items() if setting is not None} - _HARMLESS:
        raise Unsupported(f"its attention takes {', '.join(sorted(wanted))}")
    new = key[0].transpose(0, 1), value[0].transpose(0, 1)
    keys, values = now.store.write(module.layer_idx, now.spots, new)
    tokens = query[0].transpose(0, 1)
    if flash_serves(query):
        found = _flash(now, tokens, keys, values, scaling)
    elif now.rows is None:
        found = _one_token_each(now, tokens, keys, values, scaling)
    else:
        found = _row_by_row(now.rows, now.store, tokens, (keys, values), scaling)
    return found[None], None


AttentionInterface.register(NAME, attention)


def _flash(now: Pass, tokens: Tensor, keys: Tensor, values: Tensor, scale: float | None) -> Tensor:
    found: Tensor = torch.ops.aten._flash_attention_forward(  # noqa: SLF001 - varlen_attn got `seqused_k` only lately
        *(tokens, keys, values, now.starts, now.origins, now.most, now.reach, 0.0, now.most > 1, False),
        scale=scale,
        seqused_k=now.lengths,
    )[0]
    return found


def _one_token_each(now: Pass, tokens: Tensor, keys: Tensor, values: Tensor, scale: float | None) -> Tensor:
    """Attend with the query heads of a group as if they were so many tokens of the group's one key head."""
    rows, heads, width = tokens.shape
    seen = torch.arange(now.reach, device=tokens.device) < now.lengths[:, None]
    key, value = (
        buffer.view(now.store.slots, now.store.capacity, -1, width)[:rows, : now.reach].transpose(1, 2)
        for buffer in (keys, values)
    )
    grouped = tokens.reshape(rows, keys.shape[1], heads // keys.shape[1], width)
    found = scaled_dot_product_attention(grouped, key, value, attn_mask=seen[:, None, None], scale=scale)
    return found.reshape(rows, heads, width)


def _row_by_row(
    rows: Sequence[tuple[int, int, int]],
    store: Store,
    tokens: Tensor,
    buffers: tuple[Tensor, Tensor],
    scale: float | None,
) -> Tensor:
    """Attend row by row, key heads repeated: torch 2.11 goes wrong on a GPU over heads that are merely expanded."""
    found, begin = torch.empty_like(tokens), 0
    shared = tokens.shape[1] // buffers[0].shape[1]
    for slot, new, length in rows:
        origin, mine = slot * store.capacity, slice(begin, begin + new)
        key, value = (
            buffer[origin : origin + length].repeat_interleave(shared, 1).transpose(0, 1)[None] for buffer in buffers
        )
        mask = torch.ones(new, length, dtype=torch.bool, device=tokens.device).tril(length - new)
        query = tokens[mine].transpose(0, 1)[None]
        found[mine] = scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)[0].transpose(0, 1)
        begin += new
    return found


@contextmanager
def packed_attention(model: Any) -> Iterator[None]:
    """Within this block the layers of `model` attend as above; raises Unsupported where they cannot be told to."""
    before = model.config._attn_implementation  # noqa: SLF001 - transformers has no public name for it
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    if getattr(model, "_is_stateful", False) or not kinds <= {"full_attention", "sliding_attention"}:
        raise Unsupported("some of its layers are no attention")
    adapter = getattr(model, "active_peft_config", None)
    if adapter is not None and (adapter.is_prompt_learning or adapter.is_adaption_prompt):
        raise Unsupported("its adapter puts tokens of its own before each row")
    if len({weights.device for weights in model.parameters()}) > 1:
        raise Unsupported("its layers are spread over several devices")
    model.set_attn_implementation(NAME)
    try:
        if model.config._attn_implementation != NAME:  # noqa: SLF001
            raise Unsupported("its attention cannot be exchanged")
        yield
    finally:
        model.set_attn_implementation(before)
