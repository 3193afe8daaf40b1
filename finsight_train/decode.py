"""Reading prompts and writing tokens, greedily, for many rows at a time.

    slots:   0: "... recalled 12,000 cars" -> <thinking>     1: "... orders rose" -> <thinking>     2: free

A slot holds one row: its keys and values, its last token and that token's place. Writing a token for every row changes
only tensors that stay in place, so that it can be recorded as a CUDA graph (finsight_train.graphs).
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import torch

from finsight_train.packed import Pass, Store, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

#: At most so many steps are taken before the tokens are looked at: a look waits until a GPU has done its work.
STEPS: Final = 8
#: A pass that reads prompts holds about so many tokens: enough to keep a GPU busy, and for 7B under 1 GB of work space.
READ: Final = 4096


class Decoder:
    """`slots` rows of at most `capacity` tokens each, prompt and reply."""

    def __init__(self, model: Any, slots: int, capacity: int) -> None:
        self.model, self.device = model, model.device
        self.store = Store(slots, capacity)
        self.penalty = float(model.generation_config.repetition_penalty or 1.0)
        self.read_before: Tensor | None = None  # (slots, vocabulary): which tokens a penalty lowers
        self.tokens, self.turn = self._numbers([0] * slots), self._numbers([0])
        self.places = self._numbers([capacity - 1] * slots)  # where an empty slot that is written, too, does no harm
        self.written = torch.zeros(STEPS, slots, dtype=torch.long, device=self.device)
        self.starts = torch.arange(slots + 1, dtype=torch.int32, device=self.device)

    def share(self, head: Sequence[int]) -> None:
        """Read what all prompts begin with, once, and lay it into every slot."""
        self._read([(0, head, 0)])
        for buffer in self.store.by_slot():
            buffer[1:, : len(head)] = buffer[:1, : len(head)]

    def read(self, prompts: Sequence[tuple[int, Sequence[int]]], head: int) -> list[int]:
        """Read a prompt into each slot named, but for the shared head, and return the token that follows each."""
        rows = [(slot, ids[head:], head) for slot, ids in prompts]
        slots = self._numbers([slot for slot, _ in prompts])
        logits = self._read(rows)
        if self.penalty != 1.0:
            if self.read_before is None:
                self.read_before = torch.zeros(self.store.slots, logits.shape[1], dtype=torch.bool, device=self.device)
            self.read_before[slots] = False
            owners = self._numbers([slot for slot, ids in prompts for _ in ids])
            self._mark(owners, self._numbers([token for _, ids in prompts for token in ids]))
        chosen = self._chosen(logits, slots)
        self.tokens[slots] = chosen
        self.places[slots] = self._numbers([len(ids) for _, ids in prompts])
        return [int(token) for token in chosen.tolist()]

    def write(self, rows: int, steps: int, step: Callable[[int], None]) -> list[list[int]]:
        """Write tokens for the first `rows` slots, by calling `step` up to STEPS times; return them by step."""
        self.turn.zero_()
        for _ in range(steps):
            step(rows)
        found: list[list[int]] = self.written[:steps, :rows].tolist()
        return found

    def move(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """Move rows to other slots."""
        old, new = self._numbers(sources), self._numbers(targets)
        for held in (*self.store.by_slot(), self.tokens, self.places):
            held[new] = held[old]
        if self.read_before is not None:
            self.read_before[new] = self.read_before[old]

    def step(self, rows: int, reach: int) -> None:
        """Write a token for each of the first `rows` slots, none of which holds more than `reach` tokens then."""
        places = self.places[:rows]
        now = Pass(
            store=self.store,
            spots=self.starts[:rows].long() * self.store.capacity + places,
            starts=self.starts[: rows + 1],
            origins=self.starts[: rows + 1] * self.store.capacity,
            lengths=(places + 1).int(),
            most=1,
            reach=reach,
        )
        chosen = self._chosen(self._logits(self.tokens[:rows], places, now, slice(None)), slice(rows))
        self.written[:, :rows].index_copy_(0, self.turn, chosen[None])
        self.turn.add_(1)
        self.tokens[:rows] = chosen
        places.add_(1).clamp_(max=self.store.capacity - 1)  # a row that has ended may go on for some steps

    def _read(self, rows: Sequence[tuple[int, Sequence[int], int]]) -> Tensor:
        """Return the last logits of each row, given as slot, tokens and how many tokens the slot holds already."""
        sizes = [len(ids) for _, ids, _ in rows]
        places = [place for _, ids, held in rows for place in range(held, held + len(ids))]
        owners = [slot * self.store.capacity for slot, ids, _ in rows for _ in ids]
        spots = self._numbers([owner + place for owner, place in zip(owners, places, strict=True)])
        lengths = [held + len(ids) for _, ids, held in rows]
        origins = [slot * self.store.capacity for slot, _, _ in rows]
        now = Pass(
            store=self.store,
            spots=spots,
            starts=self._numbers(list(accumulate(sizes, initial=0))).int(),
            origins=self._numbers([*origins, 0]).int(),
            lengths=self._numbers(lengths).int(),
            most=max(sizes),
            reach=max(lengths),
            rows=[(slot, len(ids), length) for (slot, ids, _), length in zip(rows, lengths, strict=True)],
        )
        tokens = self._numbers([token for _, ids, _ in rows for token in ids])
        last = self._numbers([end - 1 for end in accumulate(sizes)])
        logits = self._logits(tokens, self._numbers(places), now, last)
        if len(self.store.layers) != int(self.model.config.get_text_config().num_hidden_layers):
            raise Unsupported("some of its layers keep no keys and values")
        return logits

    def _logits(self, tokens: Tensor, places: Tensor, now: Pass, keep: Any) -> Tensor:
        """Return (rows, vocabulary): the logits of the tokens in `keep`."""
        out = self.model(
            input_ids=tokens[None],
            position_ids=places[None],
            use_cache=False,
            logits_to_keep=0 if isinstance(keep, slice) else keep,
            packed=now,
        )
        logits: Tensor = out.logits[0].float()
        return logits

    def _chosen(self, scores: Tensor, slots: Any) -> Tensor:
        """Return the best token of each row, after the repetition penalty of the model's generation config."""
        if self.read_before is not None:
            lowered = torch.where(scores < 0, scores * self.penalty, scores / self.penalty)
            scores = torch.where(self.read_before[slots], lowered, scores)
        chosen = scores.argmax(dim=-1)
        if self.read_before is not None:
            self._mark(self.starts[:-1].long()[slots], chosen)
        return chosen

    def _mark(self, slots: Tensor, tokens: Tensor) -> None:
        """Note that the tokens have been read or written in these slots; one call that a graph can record."""
        assert self.read_before is not None  # noqa: S101 - there is a penalty
        self.read_before.view(-1).index_fill_(0, slots * self.read_before.shape[1] + tokens, value=True)

    def _numbers(self, numbers: Sequence[int]) -> Tensor:
        return torch.tensor(list(numbers), dtype=torch.long, device=self.device)
