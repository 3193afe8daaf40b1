"""The window: wide open in good weather, narrower under loss, and open again afterwards."""

from __future__ import annotations

import random

import pytest

from distill.window import WARM_UP, Window


def round_trip(window: Window, lost: int) -> None:
    """Send all that the window holds and let it come back, the first `lost` of them turned away."""
    epochs = [window.sent() for _ in range(window.limit - window.in_flight)]
    for number, epoch in enumerate(epochs):
        window.came(epoch, lost=number < lost)


@pytest.mark.parametrize(("lost", "limit"), [(0, 64), (3, 64), (9, 64), (13, 51), (32, 32), (64, 32)])
def test_window_shrinks_by_the_share_that_is_lost_to_a_half_at_most(lost: int, limit: int) -> None:
    """Up to 15 in a hundred are the weather; beyond, the window shrinks by their share."""
    window = Window(64)
    round_trip(window, lost)
    assert window.limit == limit
    assert window.in_flight == 0


def test_window_grows_back_to_where_it_was_and_no_further() -> None:
    """After good rounds the recipe's limit holds again."""
    window = Window(64)
    round_trip(window, 64)
    limits = []
    while window.limit < 64:
        round_trip(window, 0)
        limits.append(window.limit)
    assert limits == sorted(limits)
    assert len(limits) < 12
    round_trip(window, 0)
    assert window.limit == 64


def test_requests_from_before_a_change_say_nothing_about_it() -> None:
    """One bad moment costs one step, however many requests of that moment are still to come."""
    window = Window(64)
    epochs = [window.sent() for _ in range(64)]
    for epoch in epochs:
        window.came(epoch, lost=True)
    stale = [window.sent() for _ in range(32)]
    assert window.limit == 32
    old = epochs[0]
    for _ in stale:
        window.came(old, lost=True)
    assert window.limit == 32


def test_window_never_closes() -> None:
    """Whatever is lost, one request may be in flight."""
    window = Window(64)
    for _ in range(400):
        round_trip(window, window.limit)
    assert window.limit == 1
    assert window.open


@pytest.mark.parametrize("capacity", [8, 40, 300])
def test_window_settles_near_what_the_endpoint_takes(capacity: int) -> None:
    """Where an endpoint turns away whatever is above its capacity, the window stays about there."""
    window, seen = Window(1024), []
    for number in range(300):
        round_trip(window, max(0, window.limit - capacity))
        if number >= 100:
            seen.append(window.limit)
    assert 0.5 * capacity <= sum(seen) / len(seen) <= 1.4 * capacity + 20


def test_a_few_lost_at_random_leave_the_window_open() -> None:
    """With 5 in a hundred lost at random the window of 64 is full nearly all the time."""
    window, rng, limits = Window(64), random.Random(1), []
    for _ in range(500):
        round_trip(window, sum(rng.random() < 0.05 for _ in range(window.limit)))
        limits.append(window.limit)
    assert sum(limits) / len(limits) > 62


def test_warm_up_goes_one_after_another() -> None:
    """The first requests go alone, so that the shared prefix is cached; then the window opens at once."""
    window = Window(64, warm_up=True)
    for _ in range(WARM_UP):
        epoch = window.sent()
        assert not window.open
        window.came(epoch, lost=False)
    assert window.limit == 64
