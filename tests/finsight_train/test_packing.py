"""Steps and passes: every row once, in an order that follows from the seed; packs that hold what their rows hold."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch

from finsight_train.packing import epoch_steps, pack_of, passes_of, shares_of, steps_of, widest_share
from finsight_train.rows import IGNORED, Row
from tests.finsight_train.adapted import rows_of

STEP = 16_384


@pytest.fixture(scope="module")
def lengths() -> list[int]:
    rng = random.Random(1)
    return [rng.randint(250, 470) for _ in range(2000)]


def test_every_row_is_in_one_step_of_an_epoch(lengths: list[int]) -> None:
    """None is lost, none comes twice, and no step is longer than asked."""
    steps = epoch_steps(lengths, STEP, 7)
    assert sorted(row for step in steps for row in step) == list(range(2000))
    assert max(sum(lengths[row] for row in step) for step in steps) <= STEP


def test_steps_are_full(lengths: list[int]) -> None:
    """Short news fill 97 % of a step's tokens or more, the last step included."""
    steps = epoch_steps(lengths, STEP, 7)
    assert sum(lengths) >= 0.97 * STEP * len(steps)


def test_the_seed_alone_decides(lengths: list[int]) -> None:
    """The same seed gives the same steps, another one others; an epoch's order is not the next one's."""
    assert epoch_steps(lengths, STEP, 7) == epoch_steps(lengths, STEP, 7)
    assert epoch_steps(lengths, STEP, 7) != epoch_steps(lengths, STEP, 8)
    first, second = steps_of(lengths, STEP, 1, 7), steps_of(lengths, STEP, 2, 7)
    assert second[: len(first)] == first
    assert [rows for _, rows in second[len(first) :]] == epoch_steps(lengths, STEP, 8)


@pytest.mark.parametrize("lengths_", [[5], [10], [10] * 3, [1, 10, 1, 9, 10, 2], [3] * 200])
def test_rows_as_long_as_a_step(lengths_: list[int]) -> None:
    """A row of exactly a step's tokens is a step of its own."""
    steps = epoch_steps(lengths_, 10, 7)
    assert sorted(row for step in steps for row in step) == list(range(len(lengths_)))
    assert all(0 < sum(lengths_[row] for row in step) <= 10 for step in steps)


@pytest.mark.parametrize(
    ("epochs", "steps", "last"),
    [(1, 45, 1.0), (3, 135, 3.0), (0.5, 22, 22 / 45), (1.2, 54, 1.2), (2.001, 91, 2 + 1 / 45), (0.0001, 1, 1 / 45)],
)
def test_a_fraction_of_an_epoch_is_that_share_of_its_steps(
    lengths: list[int], epochs: float, steps: int, last: float
) -> None:
    """At least one; the count of epochs done grows to the end."""
    found = steps_of(lengths, STEP, epochs, 7)
    done = [epoch for epoch, _ in found]
    assert len(found) == steps
    assert done[-1] == pytest.approx(last)
    assert all(a < b for a, b in pairwise(done))


@pytest.mark.parametrize("capacity", [512, 1000, 4096, STEP])
def test_passes_hold_a_steps_rows_once(lengths: list[int], capacity: int) -> None:
    """However small; no pass is longer than it may be, and no two could have been one."""
    for step in epoch_steps(lengths, STEP, 7)[:5]:
        passes = passes_of(step, dict(enumerate(lengths)), capacity)
        assert sorted(row for part in passes for row in part) == sorted(step)
        loads = sorted(sum(lengths[row] for row in part) for part in passes)
        assert loads[-1] <= capacity
        assert len(loads) == 1 or loads[0] + loads[1] > capacity


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_processes_share_a_step_evenly(lengths: list[int], count: int) -> None:
    """Every row goes to one of them; none has more than one row's tokens above another; the widest is known."""
    sizes, steps = dict(enumerate(lengths)), epoch_steps(lengths, STEP, 7)[:5]
    widest = 0
    for step in steps:
        shares = shares_of(step, sizes, count)
        assert sorted(row for share in shares for row in share) == sorted(step)
        loads = [sum(lengths[row] for row in share) for share in shares]
        assert max(loads) - min(loads) <= 470
        widest = max(widest, *loads)
    assert widest_share(steps, sizes, count) == widest


def test_more_processes_than_rows() -> None:
    """Some then have nothing to do, and no pass."""
    assert shares_of([4, 7], {4: 10, 7: 20}, 3) == [[7], [4], []]
    assert passes_of([], {}, 100) == []


def unpacked(rows: list[Row]) -> list[tuple[list[int], int, int]]:
    """Return for each label: all tokens that predict it, in order, the place of the last, and the label."""
    return [
        (row.input_ids[:place], place - 1, label)
        for row in rows
        for place, label in enumerate(row.labels)
        if label != IGNORED
    ]


@pytest.mark.parametrize("shared", [0, 1, 6])
@pytest.mark.parametrize("capacity", [None, 60, 61, 100])
def test_each_label_stands_behind_its_own_row(shared: int, capacity: int | None) -> None:
    """Read through the layout, the tokens before each label are its row's; labels are completion and stop token."""
    rows = rows_of([(8, 5), (12, 9), (7, 1), (10, 8)], shared)
    pack = pack_of(rows, rows[0].input_ids[:shared], capacity, "cpu")
    found = []
    for source, label in zip(pack.sources.tolist(), pack.labels.tolist(), strict=True):
        begin = next(begin for begin, end in pack.layout.spans if begin <= source < end)
        seen = pack.ids[:shared].tolist() + pack.ids[begin : source + 1].tolist()
        found.append((seen, int(pack.places[source]), label))
    assert found == unpacked(rows)
    assert pack.labels.tolist() == [token for row in rows for token in row.labels if token != IGNORED]


@pytest.mark.parametrize("shared", [0, 6])
def test_places_begin_anew_with_each_row(shared: int) -> None:
    """At 0, or behind what all rows share."""
    rows = rows_of([(8, 5), (12, 9)], shared)
    pack = pack_of(rows, rows[0].input_ids[:shared], 50, "cpu")
    own = [list(range(shared, 13)), list(range(shared, 21))]
    used = shared + sum(map(len, own))
    assert pack.tokens == used
    assert pack.places[:used].tolist() == [*range(shared), *own[0], *own[1]]


@pytest.mark.parametrize("shared", [0, 6])
@pytest.mark.parametrize("over", [0, 1, 13, 14, 100])
def test_padding_is_documents_of_its_own(shared: int, over: int) -> None:
    """It fills the pass exactly, is labelled nowhere, lies in no row's span, and is never the longest document."""
    rows = rows_of([(8, 5), (6, 6)], min(shared, 4))
    prefix = rows[0].input_ids[: min(shared, 4)]
    bare = pack_of(rows, prefix, None, "cpu")
    pack = pack_of(rows, prefix, bare.tokens + over, "cpu")
    assert (len(bare.ids), len(pack.ids), pack.tokens) == (bare.tokens, bare.tokens + over, bare.tokens)
    assert pack.layout.spans[: len(bare.layout.spans)] == bare.layout.spans
    assert pack.layout.longest == bare.layout.longest
    assert pack.layout.spans[-1][1] == len(pack.ids)
    assert all(a[1] == b[0] for a, b in pairwise(pack.layout.spans))
    assert int(pack.sources.max()) < bare.tokens
    assert torch.equal(pack.labels, bare.labels)
    assert int(pack.places.max()) == int(bare.places.max())
