"""Which prompt is read when, and which rows are written together: a slot that falls free takes the next prompt.

    prompts 0..399, 256 slots -> (17, [52, 9, ..., 2]), (3, [52, 11, ..., 2]), ...    # in the order in which they end

The longest prompts come first; those of very different lengths are decoded apart, so that one long prompt does not make
every slot long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial
from itertools import starmap
from typing import TYPE_CHECKING, Any, Final

import torch

from finsight_train.decode import READ, STEPS, Decoder
from finsight_train.graphs import Recorded
from finsight_train.packed import packed_attention

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: A shorter head is not worth a pass of its own.
_LEAST_SHARED: Final = 16
#: Free slots are filled once they are this share of all: reading a prompt or two costs as much as a step for all rows.
_REFILL: Final = 1 / 8
#: Rows are decoded together whose lengths, reply included, differ by no more than this factor.
_APART: Final = 2


def shared_head(rows: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all rows begin with, leaving at least one token of every row."""
    shortest = min(map(len, rows))
    same = next((n for n in range(shortest) if len({row[n] for row in rows}) > 1), shortest)
    return min(same, shortest - 1)


def by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Return the places of `lengths` in groups, the longest first; none is less than half as long as another."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if groups and lengths[groups[-1][0]] <= _APART * lengths[place]:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


@dataclass
class Rows:
    """Who is in which slot, and what has been written for it.

    Attributes:
        slots: how many there are.
        halves: whether rows are written for all slots, half of them, a quarter ... (a graph serves one number), or for
            just those in use.
        going: prompt by slot.
        replies: tokens written, by prompt.
    """

    slots: int
    halves: bool
    going: dict[int, int] = field(default_factory=dict)
    replies: dict[int, list[int]] = field(default_factory=dict)

    def free(self) -> list[int]:
        """Return the slots that no row is in."""
        return [slot for slot in range(self.slots) if slot not in self.going]

    def size(self, rows: int) -> int:
        """Return for how many slots tokens are written when the first `rows` are in use."""
        if not self.halves:
            return rows
        size = self.slots
        while size > 1 and (size + 1) // 2 >= rows:
            size = (size + 1) // 2
        return size

    def written(self) -> int:
        """Return for how many slots tokens are written now."""
        return self.size(max(self.going) + 1)

    def moved(self) -> tuple[list[int], list[int]]:
        """Move rows to lower slots if then fewer need be written; return from where to where."""
        size = self.size(len(self.going))
        if size == self.written():
            return [], []
        sources = sorted(slot for slot in self.going if slot >= size)
        targets = [slot for slot in self.free() if slot < size][: len(sources)]
        for source, target in zip(sources, targets, strict=True):
            self.going[target] = self.going.pop(source)
        return sources, targets

    def seat(self, slot: int, prompt: int) -> None:
        """Put a prompt into a slot."""
        self.going[slot], self.replies[prompt] = prompt, []

    def add(self, slot: int, token: int, limit: int, ends: set[int]) -> Iterator[tuple[int, list[int]]]:
        """Append a token to the reply in `slot`, if any; yield the prompt's place and its reply if that has ended."""
        if slot in self.going:
            reply = self.replies[self.going[slot]]
            reply.append(token)
            if token in ends or len(reply) == limit:
                place = self.going.pop(slot)
                yield place, self.replies.pop(place)


def continuations(
    model: Any, prompts: Sequence[Sequence[int]], new_tokens: int, ends: set[int], slots: Callable[[int], int]
) -> Iterator[tuple[int, list[int]]]:
    """Yield place and greedy continuation of every prompt as it ends, its end token included.

    `slots` says how many rows of a given capacity are decoded together. Raises Unsupported, before anything is yielded,
    for a model whose layers do something else than attend to all that came before.
    """
    with torch.inference_mode(), packed_attention(model):
        for group in by_length([len(prompt) + new_tokens for prompt in prompts]):
            for place, reply in _decoded(model, [prompts[place] for place in group], new_tokens, ends, slots):
                yield group[place], reply


def _decoded(
    model: Any, prompts: Sequence[Sequence[int]], new_tokens: int, ends: set[int], most: Callable[[int], int]
) -> Iterator[tuple[int, list[int]]]:
    """Yield the same for prompts of similar lengths, the longest first."""
    capacity = -(-(len(prompts[0]) + new_tokens) // 16) * 16
    slots, head = min(most(capacity), len(prompts)), shared_head(prompts) if len(prompts) > 1 else 0
    decoder, head = Decoder(model, slots, capacity), head if head >= _LEAST_SHARED else 0
    if head:
        decoder.share(prompts[0][:head])
    recorded = Recorded(partial(decoder.step, reach=capacity)) if decoder.device.type == "cuda" else None
    rows, waiting = Rows(slots, halves=recorded is not None), deque(range(len(prompts)))
    while waiting or rows.going:
        if waiting and len(rows.free()) >= _REFILL * slots:
            while waiting and (free := rows.free()):
                seats = list(_next(free, waiting, prompts, head))
                list(starmap(rows.seat, seats))
                tokens = decoder.read([(slot, prompts[place]) for slot, place in seats], head)
                for (slot, _), token in zip(seats, tokens, strict=True):
                    yield from rows.add(slot, token, new_tokens, ends)
            continue
        if (moves := rows.moved())[0]:
            decoder.move(*moves)
        reach = max(len(prompts[place]) + len(rows.replies[place]) for place in rows.going.values())
        steps = min(STEPS, new_tokens - min(map(len, rows.replies.values()))) if recorded else 1
        for step in decoder.write(rows.written(), steps, recorded or partial(decoder.step, reach=reach)):
            for slot, token in enumerate(step):
                yield from rows.add(slot, token, new_tokens, ends)


def _next(
    free: Sequence[int], waiting: deque[int], prompts: Sequence[Sequence[int]], head: int
) -> Iterator[tuple[int, int]]:
    """Yield slot and prompt of those that are read in one pass, at least one."""
    tokens = 0
    for slot in free:
        if not waiting or (tokens and tokens + len(prompts[waiting[0]]) - head > READ):
            return
        tokens += len(prompts[waiting[0]]) - head
        yield slot, waiting.popleft()
