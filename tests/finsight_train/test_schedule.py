"""Who is decoded with whom, and when: slots are filled, emptied and packed, and nobody is forgotten."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from finsight_train import schedule
from finsight_train.schedule import Rows, by_length, shared_head


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([100, 99, 98], [[0, 1, 2]]),
        ([40, 2000, 45, 1900], [[1, 3], [2, 0]]),
        ([10], [[0]]),
        ([50, 100], [[1, 0]]),
        ([49, 100], [[1], [0]]),
    ],
)
def test_long_prompts_are_decoded_apart(lengths: list[int], groups: list[list[int]]) -> None:
    """No slot of a group is more than twice as long as its row needs, and each prompt stands in one group."""
    assert by_length(lengths) == groups


@pytest.mark.parametrize(
    ("rows", "length"),
    [
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2], [1, 2, 3]], 1),
        ([[1, 2], [1, 2]], 1),
        ([[1], [2]], 0),
        ([[7]], 0),
        ([[1, 2, 3]], 2),
    ],
)
def test_every_row_keeps_a_token_of_its_own(rows: list[list[int]], length: int) -> None:
    """The head is what all rows share, short of the whole of any of them: each must be asked for its next token."""
    assert shared_head(rows) == length


@pytest.mark.parametrize(
    ("slots", "halves", "going", "written", "moved", "then"),
    [
        (8, True, [0, 1, 2, 3, 4], 8, ([], []), 8),  # five of eight: no graph for fewer serves
        (8, True, [0, 5, 6, 7], 8, ([5, 6, 7], [1, 2, 3]), 4),
        (8, True, [1, 2, 3], 4, ([], []), 4),
        (8, True, [6], 8, ([6], [0]), 1),
        (7, True, [0, 1, 6], 7, ([6], [2]), 4),
        (8, False, [0, 5, 6, 7], 8, ([5, 6, 7], [1, 2, 3]), 4),
        (8, False, [0, 1, 2, 3, 4], 5, ([], []), 5),
        (8, False, [0, 1, 2, 3, 5], 6, ([5], [4]), 5),
    ],
)
def test_rows_move_when_fewer_slots_need_be_written(  # noqa: PLR0917
    slots: int, halves: bool, going: list[int], written: int, moved: tuple[list[int], list[int]], then: int
) -> None:
    """On a GPU at the next half, for which a graph serves; elsewhere at once."""
    rows = Rows(slots, halves)
    for slot in going:
        rows.seat(slot, 100 + slot)
    assert rows.written() == written
    assert rows.moved() == moved
    assert rows.written() == then
    assert sorted(rows.going.values()) == [100 + slot for slot in going]


def test_a_reply_ends_at_its_end_token_or_at_the_limit() -> None:
    """What is written into the slot after that belongs to nobody."""
    rows = Rows(2, halves=True)
    rows.seat(0, 7)
    rows.seat(1, 8)
    found = [ended for token in (5, 2, 6, 9) for slot in (0, 1) for ended in rows.add(slot, token + slot, 3, {2})]
    assert found == [(7, [5, 2]), (8, [6, 3, 7])]
    assert rows.free() == [0, 1]


class _Counting:
    """A decoder that only counts: prompt [n, ...] is replied to by n tokens 7 and the end token 0."""

    def __init__(self, _model: Any, slots: int, capacity: int) -> None:
        self.store, self.device = SimpleNamespace(slots=slots, capacity=capacity), torch.device("cpu")
        self.left = [0] * slots
        self.log: list[tuple[str, int]] = []
        _MADE.append(self)

    def share(self, head: list[int]) -> None:
        self.log.append(("share", len(head)))

    def read(self, prompts: list[tuple[int, list[int]]], _head: int) -> list[int]:
        self.log.append(("read", len(prompts)))
        for slot, ids in prompts:
            self.left[slot] = ids[-1]
        return [self._token(slot) for slot, _ in prompts]

    def _token(self, slot: int) -> int:
        self.left[slot] -= 1
        return 7 if self.left[slot] >= 0 else 0

    def write(self, rows: int, _steps: int, _step: Any) -> list[list[int]]:
        self.log.append(("write", rows))
        return [[self._token(slot) for slot in range(rows)]]

    def move(self, sources: list[int], targets: list[int]) -> None:
        for source, target in zip(sources, targets, strict=True):
            self.left[target] = self.left[source]

    def step(self, _rows: int, reach: int) -> None: ...


_MADE: list[_Counting] = []


@pytest.mark.parametrize("slots", [1, 2, 9, 16, 40])
def test_everyone_is_replied_to_once(monkeypatch: pytest.MonkeyPatch, slots: int) -> None:
    """Whatever the number of slots, and wherever rows were moved, a reply belongs to its prompt."""
    monkeypatch.setattr(schedule, "Decoder", _Counting)
    prompts = [[1, 2, 3, 4, 5, (n * 7) % 13] for n in range(37)]
    found = list(schedule._decoded(None, prompts, 10, {0}, lambda _capacity: slots))
    assert dict(found) == {n: ([7] * ids[-1] + [0])[:10] for n, ids in enumerate(prompts)}
    assert len(found) == len(prompts)


def test_slots_are_filled_before_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though a pass reads but two prompts, nobody waits beside a free slot until the others have ended."""
    monkeypatch.setattr(schedule, "Decoder", _Counting)
    monkeypatch.setattr(schedule, "READ", 12)
    list(schedule._decoded(None, [[1, 2, 3, 4, 5, 9]] * 9, 20, {0}, lambda _capacity: 9))
    log = _MADE[-1].log
    assert log[:6] == [("read", 2), ("read", 2), ("read", 2), ("read", 2), ("read", 1), ("write", 9)]


def test_a_slot_that_falls_free_takes_the_next_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three slots one row ends early; the fourth prompt is read while the other two go on."""
    monkeypatch.setattr(schedule, "Decoder", _Counting)
    list(schedule._decoded(None, [[5, 1], [5, 6], [5, 6], [5, 3]], 20, {0}, lambda _capacity: 3))
    assert _MADE[-1].log[:4] == [("read", 3), ("write", 3), ("read", 1), ("write", 3)]
