"""lm-eval's `hf` model with a faster greedy decoder.

In float32 its replies are those of `hf` (tests compare them); in bfloat16 sums in another order may tip a close call.

    model: finsight_train.fast_lm:FastLM       # in a suite; model_args as for `hf`

What is saved, on our prompts (for nano some 330 tokens, 161 of them the instruction that all share):

* the shared head of a batch is computed once, not once per prompt;
* keys and values are written into one buffer: `generate` copies the whole cache at every token;
* a row that has ended leaves the batch;
* a long prompt does not make the short ones of its batch as long: they are read apart.

Anything but plain greedy decoding is left to `hf`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from lm_eval.models.huggingface import HFLM
from peft import PeftModel
from transformers import RepetitionPenaltyLogitsProcessor
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

#: What a generation config may hold without changing greedy decoding, the repetition penalty apart.
_HARMLESS: Final = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "transformers_version", "_from_model_config"),
    *("do_sample", "temperature", "top_k", "top_p", "max_length", "max_new_tokens", "use_cache", "repetition_penalty"),
}
#: A shorter head is not worth a pass of its own.
_LEAST_SHARED: Final = 16
#: The batch is packed anew when no more than this share of its rows is still being written.
_PACK_BELOW: Final = 0.7
#: Prompts are read together whose lengths differ by no more than this factor.
_PADDED: Final = 1.25


class _BufferedLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer in a buffer of fixed size, (rows, heads, capacity, width) each."""

    def __init__(self, rows: int, capacity: int) -> None:
        super().__init__()
        self.rows, self.capacity, self.size = rows, capacity, 0
        self.buffers: tuple[Tensor, Tensor] | None = None

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        if self.buffers is None:
            self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
            shape = (self.rows, key_states.shape[1], self.capacity, key_states.shape[3])
            self.buffers = (key_states.new_empty(shape), value_states.new_empty(shape))
        end = self.size + key_states.shape[2]
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:, :, self.size : end] = states  # one row is spread over all: the shared head
        self.size = end
        self._show()
        rows = key_states.shape[0]
        return self.keys[:rows], self.values[:rows]

    def keep(self, rows: Tensor) -> None:
        """Keep only the given rows."""
        assert self.buffers is not None  # noqa: S101 - rows end after the first pass
        self.buffers = (self.buffers[0][rows], self.buffers[1][rows])
        self._show()

    def get_seq_length(self) -> int:
        return self.size

    def _show(self) -> None:
        assert self.buffers is not None  # noqa: S101
        self.keys, self.values = (buffer[:, :, : self.size] for buffer in self.buffers)


def shared_head(rows: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all rows begin with, leaving at least one token of every row."""
    shortest = min(map(len, rows))
    same = next((n for n in range(shortest) if len({row[n] for row in rows}) > 1), shortest)
    return min(same, shortest - 1)


def by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Return the places of `lengths` in groups, the longest first; none is padded by more than a quarter."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if groups and lengths[groups[-1][0]] <= _PADDED * lengths[place]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


@torch.inference_mode()
def greedy(model: Any, ids: Tensor, mask: Tensor, new_tokens: int, ends: set[int]) -> Tensor:
    """Return the (rows, new) tokens of the greedy continuation; after a row's end token it holds the first end.

    `ids` and `mask`: (rows, length), padded on the left.
    """
    pad = min(ends)
    penalty = _penalty(model)
    rows = [row[keep.bool()].tolist() for row, keep in zip(ids, mask, strict=True)]
    head = shared_head(rows)
    head = head if len(rows) > 1 and head >= _LEAST_SHARED else 0
    width = ids.shape[1] - head
    tail, tail_mask = _tails(rows, head, width, pad, ids)
    count = int(model.config.num_hidden_layers)
    cache = Cache(layers=[_BufferedLayer(len(rows), head + width + new_tokens) for _ in range(count)])
    if head:
        first = torch.tensor([rows[0][:head]], device=ids.device)
        model(input_ids=first, past_key_values=cache, use_cache=True, logits_to_keep=1)
    attended = torch.cat([mask.new_ones(len(rows), head), tail_mask, mask.new_ones(len(rows), new_tokens)], dim=1)
    places = head + tail_mask.cumsum(dim=1).sub(1).clamp(min=0)
    written = torch.full((len(rows), new_tokens), pad, dtype=ids.dtype, device=ids.device)
    read = torch.where(mask.bool(), ids, ids[:, -1:])  # what a penalty looks at: padding counts for nothing
    active, step_ids = torch.arange(len(rows), device=ids.device), tail
    stop = torch.tensor(sorted(ends), device=ids.device)
    for step in range(new_tokens):
        seen = attended[active, : head + width + step]
        out = model(
            input_ids=step_ids,
            attention_mask=seen,
            position_ids=places,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        scores = out.logits[:, -1].float()
        if penalty:
            scores = penalty(torch.cat([read[active], written[active, :step]], dim=1), scores)
        token = scores.argmax(dim=-1)
        written[active, step] = token
        going = ~torch.isin(token, stop)
        if not going.any():
            break
        places = places[:, -1:] + 1
        if going.sum() <= _PACK_BELOW * len(active):
            active, token, places = active[going], token[going], places[going]
            for layer in cache.layers:
                layer.keep(going)
        step_ids = token[:, None]
    return _ended(written, stop, pad)


def _tails(rows: Sequence[list[int]], head: int, width: int, pad: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return ids and mask, both (rows, width), of what follows the shared head, padded on the left."""
    ids = torch.full((len(rows), width), pad, dtype=like.dtype, device=like.device)
    mask = torch.zeros((len(rows), width), dtype=torch.long, device=like.device)
    for place, row in enumerate(rows):
        ids[place, width - len(row) + head :] = torch.tensor(row[head:], device=like.device)
        mask[place, width - len(row) + head :] = 1
    return ids, mask


def _ended(written: Tensor, stop: Tensor, pad: int) -> Tensor:
    """Return `written` with everything behind a row's first end token replaced by `pad`."""
    ends = torch.isin(written, stop)
    return written.masked_fill((ends.cumsum(dim=1) - ends.long()) > 0, pad)


def _penalty(model: Any) -> RepetitionPenaltyLogitsProcessor | None:
    value = model.generation_config.repetition_penalty
    return RepetitionPenaltyLogitsProcessor(value) if value not in (None, 1.0) else None


class FastLM(HFLM):  # type: ignore[misc]
    """lm-eval's `hf` with the greedy decoder above.

    A LoRA adapter in float32 is added to the weights: the same numbers to the last few bits, without seven more
    products a layer. In bfloat16 it would be rounded away in part, so there it stays beside them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if isinstance(self.model, PeftModel) and next(self.model.parameters()).dtype == torch.float32:
            self._model = self.model.merge_and_unload()

    def _model_generate(self, context: Tensor, max_length: int, stop: list[str], **options: Any) -> Tensor:
        mask = options.get("attention_mask")
        if mask is None or not self._plain(stop, options):
            tokens: Tensor = super()._model_generate(context, max_length, stop, **options)
            return tokens
        new_tokens, ends = max_length - context.shape[1], self._ends()
        written = context.new_full((len(context), new_tokens), min(ends))
        for rows in by_length(mask.sum(dim=1).tolist()):
            longest = int(mask[rows].sum(dim=1).max())
            written[rows] = greedy(self.model, context[rows, -longest:], mask[rows, -longest:], new_tokens, ends)
        return torch.cat([context, written], dim=1)

    def _ends(self) -> set[int]:
        found = self.model.generation_config.eos_token_id
        return {self.eot_token_id, *(found if isinstance(found, list) else [found] if found is not None else [])}

    def _plain(self, stop: list[str], options: dict[str, Any]) -> bool:
        """Tell whether greedy decoding to the end token is all that is asked."""
        known = {"attention_mask", "do_sample", "temperature", "max_gen_toks"}
        sampling = options.get("do_sample") or options.get("temperature", 0.0)
        only_end = set(stop) <= {self.tok_decode(end, skip_special_tokens=False) for end in self._ends()}
        config = set(self.model.generation_config.to_diff_dict())
        return not sampling and only_end and set(options) <= known and config <= _HARMLESS and self.backend == "causal"
