"""The course of training is judged by what is written on dev items: healthy noise goes on, a real fall is stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from finsight_eval.errors import InputError
from finsight_eval.labels import SENTIMENTS
from finsight_eval.metrics import macro_f1
from finsight_train.course import Point, best, converged, fallen, judged, memorising, point_of

if TYPE_CHECKING:
    from collections.abc import Sequence

#: A loss that is far from gone, and one that is.
HIGH, GONE = [2.0, 1.2, 0.9], [2.0] + [0.011] * 20


def point(step: int, right: int, parsed: int | None = None, n: int = 40) -> Point:
    """Return a point of which `right` of n items have both labels right; figures are as with accuracy."""
    readable = right if parsed is None else parsed
    marks = tuple([2] * right + [0] * (n - right)), tuple([1] * readable + [0] * (n - readable))
    return Point(step, readable / n, right / n, right / n, marks[1], marks[0])


def points(*rights: int, parsed: int = 40) -> list[Point]:
    return [point(10 * place, right, parsed) for place, right in enumerate(rights, start=1)]


@pytest.mark.parametrize(
    ("course", "step"),
    [(points(5), 10), (points(5, 30, 20), 20), (points(5, 30, 30), 30), (points(0, 0, 0, parsed=0), 30)],
)
def test_the_best_is_the_highest_and_of_equals_the_latest(course: list[Point], step: int) -> None:
    """Also where nothing can be read at all."""
    assert best(course).step == judged(course, HIGH, 9).best_step == step


def test_f1_and_risk_count_alike() -> None:
    """A gain in one does not hide a greater loss in the other."""
    first = Point(10, 1.0, 0.80, 0.60, (1,), (2,))
    assert best([first, Point(20, 1.0, 0.90, 0.49, (1,), (2,))]).step == 10
    assert best([first, Point(20, 1.0, 0.70, 0.71, (1,), (2,))]).step == 20


@pytest.mark.parametrize(
    ("course", "patience", "stops"),
    [
        (points(20, 30, 30, 30), 2, True),
        (points(20, 30, 30), 2, False),  # one of the two is better than what went before
        (points(30, 29, 29), 2, True),
        (points(30, 29), 2, False),  # not patient enough yet
        (points(20, 24, 28, 32, 36), 2, False),
        (points(30, 29, 31, 29), 2, False),  # one item of 40 more is .025
        (points(0, 0, 0, 0, 0, 0, parsed=0), 2, False),  # the form is not learnt yet
        (points(8, 8, 8, 8, 8, parsed=19), 2, False),
        (points(8, 8, 8, 8, 8, parsed=20), 2, True),  # it writes the form and learns nothing more
    ],
)
def test_a_course_without_gain_has_converged(course: list[Point], patience: int, stops: bool) -> None:
    """Only once it writes the form, and only after `patience` evaluations without a gain above .005."""
    assert converged(course, patience) is stops


@pytest.mark.parametrize(("gain", "stops"), [(0.004, True), (0.005, True), (0.006, False)])
def test_a_gain_of_half_a_point_is_none(gain: float, stops: bool) -> None:
    """At .005 the search ends, above it goes on."""
    course = [Point(step, 1.0, 0.5 + gain * (step > 1), 0.5 + gain * (step > 1), (1,), (1,)) for step in (1, 2, 3)]
    assert converged(course, 2) is stops


@pytest.mark.parametrize(
    ("course", "stops"),
    [
        (points(32, 20, 20), True),
        (points(32, 20), False),  # one bad evaluation is often followed by a good one
        (points(32, 20, 31), False),
        (points(32, 20, 31, 20), False),
        (points(32, 31, 28), False),  # within chance
        (points(10, 20, 32), False),
        (points(0, 0, 0, 0, parsed=0), False),  # nothing to fall from
        (points(40, 40, 40), False),
        ([point(10, 30, 40), point(20, 30, 25), point(30, 29, 25)], False),  # step 20 is best, though less is readable
        ([point(10, 30, 40), point(20, 29, 30), point(30, 29, 30)], True),  # the form is lost
        ([point(10, 2, n=3), point(20, 0, n=3), point(30, 0, n=3)], False),  # three items show nothing
    ],
)
def test_a_fall_must_be_beyond_chance_twice_running(course: list[Point], stops: bool) -> None:
    """Labels or form, story by story against the best so far; the latest best cannot have fallen."""
    assert fallen(course) is stops


def test_a_collapse_is_told_in_words() -> None:
    """What fell most, from where to where, and where the better adapter is."""
    found = judged(points(32, 20, 18), HIGH, 5)
    assert found.best_step == 10
    assert found.stop
    assert found.reason == "collapsed: the dev F1 fell from 0.80 at step 10 to 0.45 at step 30"
    assert found.warning is None


def test_a_converged_course_is_told_in_words() -> None:
    """With the step whose adapter is kept."""
    found = judged(points(20, 32, 30, 32), HIGH, 2)
    assert found.reason == "converged: no gain above 0.005 in 2 evaluations; best is step 40"
    assert found.stop


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (GONE, True),
        ([5.4] + [0.2] * 20, True),  # below a twentieth of the first
        ([5.4] + [0.3] * 20, False),
        ([0.3] + [0.019] * 20, True),  # below .02, though not below a twentieth
        ([0.3] + [0.021] * 20, False),
        ([2.0] + [0.5] * 20 + [0.001], False),  # one easy batch
        ([2.0] + [0.011] * 20 + [1.5], True),  # one hard batch
        ([], False),
    ],
)
def test_memorising_needs_a_loss_that_is_all_but_gone(losses: list[float], said: bool) -> None:
    """A fall with a loss that is still there is a collapse of another kind."""
    assert (memorising("the dev F1 fell", losses) is not None) is said


def test_memorising_is_told_in_words() -> None:
    """Loss, figure and remedy."""
    assert judged(points(32, 20, 18), GONE, 5).warning == (
        "the loss fell to 0.011, and the dev F1 fell from 0.80 at step 10 to 0.45 at step 30: it is memorising; "
        "more or more varied rows, fewer epochs"
    )


@pytest.mark.parametrize("course", [points(20, 30, 32), points(32, 31, 30, 32), points(32, 31, 31, 31, 31)])
def test_a_loss_near_zero_alone_is_no_memorising(course: list[Point]) -> None:
    """Most of what a reply consists of is its form: its loss goes while the answers on dev stay good."""
    assert judged(course, GONE, 9).warning is None


def test_points_of_different_items_are_refused() -> None:
    """A course that was begun with another number of dev items cannot be gone on with."""
    with pytest.raises(InputError, match="of different dev items"):
        judged([point(10, 5), point(20, 5, n=24)], HIGH, 2)


def test_a_point_is_read_back_from_its_line() -> None:
    """A training that is taken up again judges as one that was never stopped; further keys are let be."""
    row = {"step": 10, "n": 2, "json_parse_rate": 1.0, "sentiment_f1": 0.5, "risk_accuracy": 0.25, "seconds": 3.1}
    read = point_of({**row, "reply_tokens": 90, "parsed": [1, 1], "right": [2, 0]})
    assert read == Point(10, 1.0, 0.5, 0.25, (1, 1), (2, 0))


def drawn(labels: Sequence[float], form: Sequence[float], n: int, rng: np.random.Generator) -> list[Point]:
    """Return a course whose true share of right labels and of readable replies at each evaluation is given.

    Three in ten items waver: they are drawn anew at each evaluation. The others are easier or harder for good.
    """
    fixed, wavers = rng.random((3, n)), rng.random((3, n)) < 0.3
    gold = rng.integers(3, size=n)
    found = []
    for place, (right, readable) in enumerate(zip(labels, form, strict=True), start=1):
        now = np.where(wavers, rng.random((3, n)), fixed)
        parsed = now[0] < readable
        good, risk = (now[1] < right) & parsed, (now[2] < right) & parsed
        answers = np.where(good, gold, (gold + 1) % 3)
        said = [SENTIMENTS[answer] if read else None for answer, read in zip(answers, parsed, strict=True)]
        f1 = macro_f1([SENTIMENTS[label] for label in gold], said)
        marks = tuple(parsed.astype(int).tolist()), tuple((good.astype(int) + risk).tolist())
        found.append(Point(place, float(parsed.mean()), f1, float(risk.mean()), *marks))
    return found


def stopped_at(course: list[Point]) -> int:
    """Return the evaluation at which a fall is found, 99 where none is."""
    return next((seen for seen in range(2, len(course) + 1) if fallen(course[:seen])), 99)


@pytest.mark.parametrize("n", [40, 64, 200])
def test_healthy_noise_is_hardly_ever_taken_for_a_fall(n: int) -> None:
    """Of 100 courses of 12 evaluations that have levelled off at most 7 are stopped (of 600: 3 %)."""
    rng = np.random.default_rng(n)
    wrong = sum(stopped_at(drawn([0.75] * 12, [0.97] * 12, n, rng)) < 99 for _ in range(100))
    assert wrong <= 7


@pytest.mark.parametrize(
    ("labels", "form", "n", "least"),
    [(0.55, 0.97, 40, 35), (0.55, 0.97, 64, 46), (0.75, 0.67, 40, 40), (0.65, 0.97, 200, 46)],
)
def test_a_true_fall_is_found_soon(labels: float, form: float, n: int, least: int) -> None:
    """In 50 courses that fall after four good evaluations, within four more: labels by .2 or .1, or the form by .3."""
    rng = np.random.default_rng(n)
    courses = [drawn([0.75] * 4 + [labels] * 4, [0.97] * 4 + [form] * 4, n, rng) for _ in range(50)]
    assert sum(4 < stopped_at(course) <= 8 for course in courses) >= least


def test_a_rising_course_is_hardly_ever_stopped_with_patience_for_half() -> None:
    """Of 100 courses of six evaluations on 40 items that rise to the end at most 5 are stopped before it."""
    rng = np.random.default_rng(1)
    rise = [0.75 * (1 - np.exp(-turn / 6 / 0.22)) for turn in range(1, 7)]
    wrong = 0
    for _ in range(100):
        course = drawn(rise, [0.97] * 6, 40, rng)
        wrong += any(converged(course[:seen], 3) for seen in range(4, 6))
    assert wrong <= 5
