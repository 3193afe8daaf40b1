"""Which rows make an optimisation step, and how they are laid into passes that fit the machine.

    step 12: rows 17, 903, 44, 1201 ... (16,291 of 16,384 tokens)  ->  passes of 8,192: [17, 44, ...], [903, 1201, ...]

The steps follow from the rows' lengths, the seed and `step_tokens` alone, the passes from the memory at hand: two cards
of different size take the same steps, and their losses differ by rounding only.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_train.documents import Layout, layout_of, sent
from finsight_train.rows import IGNORED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from finsight_train.rows import Row

#: A step that has room left looks so many rows ahead for one that fits.
_AHEAD: Final = 64


def epoch_steps(lengths: Sequence[int], step_tokens: int, seed: int) -> list[list[int]]:
    """Return the steps of one epoch, each a list of row numbers; every row occurs once.

    Rows come in random order; a step takes the next one, or, where that is too long for what room is left, the first
    of the next few that fits. Each row must fit into `step_tokens`.
    """
    waiting = list(range(len(lengths)))
    random.Random(seed).shuffle(waiting)
    steps: list[list[int]] = []
    while waiting:
        step, room, ahead = [], step_tokens, 0
        while ahead < min(_AHEAD, len(waiting)):
            if lengths[waiting[ahead]] <= room:
                row = waiting.pop(ahead)
                step.append(row)
                room -= lengths[row]
            else:
                ahead += 1
        steps.append(step)
    return steps


def steps_of(lengths: Sequence[int], step_tokens: int, epochs: float, seed: int) -> list[tuple[float, list[int]]]:
    """Return (epochs done after it, rows) of every step; a fraction of an epoch takes that share of its steps."""
    found: list[tuple[float, list[int]]] = []
    for epoch in range(-int(-epochs // 1)):
        steps = epoch_steps(lengths, step_tokens, seed + epoch)
        kept = max(1, round(min(1.0, epochs - epoch) * len(steps)))
        found += [(epoch + (number + 1) / len(steps), step) for number, step in enumerate(steps[:kept])]
    return found


def shares_of(rows: Sequence[int], sizes: Mapping[int, int], count: int) -> list[list[int]]:
    """Return `rows` in `count` shares of nearly as many tokens: the longest first, each to the smallest share."""
    shares: list[list[int]] = [[] for _ in range(count)]
    taken = [0] * count
    for row in sorted(rows, key=lambda row: -sizes[row]):
        smallest = min(range(count), key=lambda place: taken[place])
        shares[smallest].append(row)
        taken[smallest] += sizes[row]
    return shares


def widest_share(steps: Sequence[Sequence[int]], sizes: Mapping[int, int], count: int) -> int:
    """Return the most tokens that a process has to compute in any step."""
    return max(sum(sizes[row] for row in share) for step in steps for share in shares_of(step, sizes, count))


def passes_of(rows: Sequence[int], sizes: Mapping[int, int], capacity: int) -> list[list[int]]:
    """Return `rows` in as few passes of `capacity` tokens as best-fit decreasing finds; `sizes` is by row number."""
    passes: list[list[int]] = []
    room: list[int] = []
    for row in sorted(rows, key=lambda row: -sizes[row]):
        fitting = [place for place, left in enumerate(room) if left >= sizes[row]]
        if fitting:
            best = min(fitting, key=lambda place: room[place])
            passes[best].append(row)
            room[best] -= sizes[row]
        else:
            passes.append([row])
            room.append(capacity - sizes[row])
    return passes


@dataclass(frozen=True)
class Pack:
    """The rows of one pass as tensors.

    Attributes:
        ids: tokens, (tokens,).
        places: the place of each in its row, (tokens,).
        layout: where each row lies.
        sources: tokens whose output predicts a labelled one, (labelled,).
        labels: those labelled ones, (labelled,).
        tokens: tokens that are no padding.
    """

    ids: Tensor
    places: Tensor
    layout: Layout
    sources: Tensor
    labels: Tensor
    tokens: int


def pack_of(rows: Sequence[Row], prefix: Sequence[int], capacity: int | None, device: Any) -> Pack:
    """Return one pass of `rows`, whose common `prefix` comes once, filled up to `capacity` where one is given."""
    shared = len(prefix)
    ids, places = list(prefix), list(range(shared))
    spans = [(0, shared)] if shared else []
    sources, labels = [], []
    for row in rows:
        begin = len(ids)
        for place, label in enumerate(row.labels):
            if label != IGNORED:
                sources.append(begin + place - shared - 1)
                labels.append(label)
        ids += row.input_ids[shared:]
        places += range(shared, len(row.input_ids))
        spans.append((begin, len(ids)))
    tokens, longest = len(ids), max(end - begin for begin, end in spans)
    while capacity is not None and len(ids) < capacity:
        begin, end = len(ids), min(capacity, len(ids) + longest)
        ids += [0] * (end - begin)
        places += range(end - begin)
        spans.append((begin, end))
    found = (sent(numbers, device) for numbers in (ids, places, sources, labels))
    return Pack(next(found), next(found), layout_of(spans, shared, device), next(found), next(found), tokens)
