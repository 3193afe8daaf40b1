"""Attention over many documents laid end to end, each of which sees itself only, or itself and a beginning they share.

    tokens:          p p p a a a a b b b        p: what all documents begin with, a and b: how they go on
    seen by b's:     p p p         b b b        layout.starts (0, 3, 7, 10), and b's keys are those of p and b

Which kernel runs is chosen once and recorded: the FlashAttention 2 package where it is installed, else the same
algorithm in torch itself (`torch.nn.attention.varlen`), else compiled flex attention; on a CPU, and in float32, torch's
sdpa document by document. Only flex attention makes a mask of all pairs, once a pass.
"""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

#: Under this name models of transformers attend as below. "flash" must not be in it: transformers would unpad.
NAME: Final = "finsight_documents"
FLASH, VARLEN, FLEX, SDPA = "flash_attention_2", "torch_varlen", "flex_attention", "sdpa"


@dataclass(frozen=True)
class Layout:
    """Where documents lie among the tokens of a pass.

    Attributes:
        spans: begin and end of each document, the shared beginning (if any) as the first.
        shared: how many tokens at the front every document sees.
        starts: begins of the documents and the last one's end, (documents + 1,), int32.
        key_starts: the same for keys and values, which count the shared beginning once for each document.
        keys: which tokens' keys and values those are, (keys,), or None where nothing is shared.
        longest: tokens of the longest document, and of the most keys that one sees.
    """

    spans: tuple[tuple[int, int], ...]
    shared: int
    starts: Tensor
    key_starts: Tensor
    keys: Tensor | None
    longest: tuple[int, int]

    @cached_property
    def mask(self) -> Any:
        """Return which keys are seen, as flex attention wants it."""
        from torch.nn.attention.flex_attention import create_block_mask

        (document, left), (key_document, key_left) = map(_counted, (self.starts, self.key_starts))

        def visible(_batch: Tensor, _head: Tensor, q: Tensor, k: Tensor) -> Tensor:
            return (document[q] == key_document[k]) & (key_left[k] >= left[q])

        return create_block_mask(visible, None, None, len(document), len(key_document), device=str(document.device))


def _counted(starts: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each token its document, and how many follow to the end: a document's last sees its last key."""
    places = torch.arange(int(starts[-1]), device=starts.device)
    document = torch.bucketize(places, starts[1:], right=True)
    return document, starts[1:][document] - places


def sent(numbers: Sequence[int], device: torch.device | str) -> Tensor:
    """Return `numbers` on `device`, without waiting for what it is doing."""
    found = torch.tensor(numbers, dtype=torch.long)
    return found.pin_memory().to(device, non_blocking=True) if torch.device(device).type == "cuda" else found


def layout_of(spans: Sequence[tuple[int, int]], shared: int, device: torch.device | str) -> Layout:
    """Return the layout of documents that follow each other without a gap from token 0 on."""
    own = [list(range(begin, end)) for begin, end in spans]
    seen = [part if not shared or place == 0 else [*range(shared), *part] for place, part in enumerate(own)]

    def starts(parts: list[list[int]]) -> Tensor:
        return sent(list(accumulate((len(part) for part in parts), initial=0)), device).int()

    return Layout(
        spans=tuple(spans),
        shared=shared,
        starts=starts(own),
        key_starts=starts(seen),
        keys=sent([place for part in seen for place in part], device) if shared else None,
        longest=(max(map(len, own)), max(map(len, seen))),
    )


def kernel_for(device: str, dtype: torch.dtype, width: int) -> str:
    """Return the name of the attention kernel that serves heads of `width` numbers on this machine."""
    fits = device == "cuda" and dtype in {torch.float16, torch.bfloat16} and width % 8 == 0 and width <= 256
    if not fits or torch.version.hip:
        return SDPA
    recent = torch.cuda.get_device_capability()[0] >= 8
    if recent and importlib.util.find_spec("flash_attn") is not None:
        return FLASH
    return VARLEN if recent and "window_size" in _varlen_options() else FLEX


def attend(kernel: str, states: Sequence[Tensor], layout: Layout, scale: float) -> Tensor:
    """Return (tokens, heads, width) for query, key and value of that shape; the last two may have fewer heads."""
    query, key, value = states
    if kernel != SDPA and layout.keys is not None:
        key, value = key.index_select(0, layout.keys), value.index_select(0, layout.keys)
    return _KERNELS[kernel](query, key, value, layout, scale)


def _flash(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float) -> Tensor:
    from flash_attn import flash_attn_varlen_func  # type: ignore[import-not-found]

    found: Tensor = flash_attn_varlen_func(
        *(query, key, value, layout.starts, layout.key_starts, *layout.longest), softmax_scale=scale, causal=True
    )
    return found


@cache
def _varlen_options() -> frozenset[str]:
    """Return what torch's own varlen attention can be told; nothing where it is missing."""
    if importlib.util.find_spec("torch.nn.attention.varlen") is None:
        return frozenset()
    from torch.nn.attention.varlen import varlen_attn

    return frozenset(inspect.signature(varlen_attn).parameters)


def _varlen(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    options: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in _varlen_options() else {}
    found: Tensor = varlen_attn(  # type: ignore[assignment]
        *(query, key, value, layout.starts, layout.key_starts, *layout.longest),
        scale=scale,
        window_size=(-1, 0),  # causal, aligned to the last key
        **options,
    )
    return found


@cache
def _compiled_flex() -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=True)


def _flex(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float) -> Tensor:
    states = (part.transpose(0, 1)[None] for part in (query, key, value))
    found: Tensor = _compiled_flex()(*states, block_mask=layout.mask, scale=scale, enable_gqa=True)
    return found[0].transpose(0, 1)


def _by_document(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float) -> Tensor:
    """Attend document by document, key heads repeated: torch 2.11 goes wrong on a GPU over merely expanded heads."""
    group = query.shape[1] // key.shape[1]
    queries, keys, values = (
        part.transpose(0, 1)[None] for part in (query, *(p.repeat_interleave(group, 1) for p in (key, value)))
    )
    found = []
    for place, (begin, end) in enumerate(layout.spans):
        q, k, v = (part[:, :, begin:end] for part in (queries, keys, values))
        shared = layout.shared if place else 0
        mask = None
        if shared:
            k, v = (torch.cat((all_[:, :, :shared], own), dim=2) for all_, own in ((keys, k), (values, v)))
            mask = torch.ones(end - begin, k.shape[2], dtype=torch.bool, device=q.device).tril(shared)
        found.append(scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale))
    return torch.cat(found, dim=2)[0].transpose(0, 1)


_KERNELS: Final[dict[str, Callable[[Tensor, Tensor, Tensor, Layout, float], Tensor]]] = {
    FLASH: _flash,
    VARLEN: _varlen,
    FLEX: _flex,
    SDPA: _by_document,
}


def _in_transformers(
    _module: Any, query: Tensor, key: Tensor, value: Tensor, _mask: Any, *, scaling: float | None = None, **rest: Any
) -> tuple[Tensor, None]:
    """Attend as a model of transformers asks, `query` (1, heads, tokens, width); the pass is in `documents`."""
    if "documents" not in rest:
        raise InputError(
            "the layers of this base do not hand on which row a token is of, so rows cannot be packed; "
            "fine-tune a base of another architecture"
        )
    kernel, layout = rest["documents"]
    if window := rest.get("sliding_window"):
        _check_window(window, layout.longest[1])
    states = [part[0].transpose(0, 1) for part in (query, key, value)]
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return attend(kernel, states, layout, scale)[None], None


def _check_window(window: int, longest: int) -> None:
    """Raise InputError where a layer would see less of a row than all that came before."""
    if longest > window:
        raise InputError(
            f"layers of this base see {window:,} tokens at most, and a row has {longest:,}: not served; "
            f"set max_length to {window} or less, or fine-tune another base"
        )


AttentionInterface.register(NAME, _in_transformers)
