"""The course of training, judged by what the adapter writes on dev items, not by its loss: best, converged, collapsed.

    judged([Point(75, .70, .46, .31, ...), Point(150, .97, .78, .52, ...), ...], losses, patience=3)
        -> Judgement(best_step=150, stop=False, reason=None, warning=None)

The score of a point is the mean of strict sentiment F1 and risk accuracy: a reply that cannot be read is wrong in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np

from finsight_eval import stats
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval import jsonl

#: A gain of no more than this is none.
LEAST_GAIN: Final = 0.005
#: The level of the two-sided test by which a point lies below the best: 5 % one way, and only a fall counts.
LEVEL: Final = 0.10
#: So many evaluations running must have fallen: a single bad one is often followed by a good one.
RUNNING: Final = 2
#: Until half of the replies can be read the form is still being learnt, in leaps: standing still means nothing then.
_FORM_LEARNT: Final = 0.5
#: The loss is all but gone below this share of its first value, or below this value.
_LOSS_SHARE: Final = 0.05
_LOSS_LEFT: Final = 0.02
#: One batch says little: the loss is the median of so many steps.
_STEPS: Final = 10


@dataclass(frozen=True)
class Point:
    """What one evaluation on the dev items gave.

    Attributes:
        parsed: how many replies can be read, by story (most stories are one item).
        right: how many labels are right, by story; each item has two.
    """

    step: int
    json_parse_rate: float
    sentiment_f1: float
    risk_accuracy: float
    parsed: tuple[int, ...]
    right: tuple[int, ...]

    @property
    def score(self) -> float:
        return (self.sentiment_f1 + self.risk_accuracy) / 2


@dataclass(frozen=True)
class Judgement:
    """What follows from the points so far.

    Attributes:
        best_step: the step of the best point.
        stop: whether training on is of no use; `reason` then says why.
        warning: what the user should know of the course, in a sentence.
    """

    best_step: int
    stop: bool
    reason: str | None
    warning: str | None


def judged(points: Sequence[Point], losses: Sequence[float], patience: int) -> Judgement:
    """Return the judgement on the points so far, at least one; `losses` are those of the steps so far.

    Raises:
        InputError: the points are of different dev items.
    """
    if len({len(point.right) for point in points}) > 1:
        raise InputError("the dev evaluations are of different dev items; train again from the beginning")
    top, reason, warning = best(points), None, None
    if fallen(points):
        fall = fall_in_words(top, points[-1])
        reason, warning = f"collapsed: {fall}", memorising(fall, losses)
    elif converged(points, patience):
        reason = f"converged: no gain above {LEAST_GAIN:g} in {patience} evaluations; best is step {top.step}"
    return Judgement(top.step, reason is not None, reason, warning)


def best(points: Sequence[Point]) -> Point:
    """Return the point of the highest score, the later one of equals."""
    return max(points, key=lambda point: (point.score, point.step))


def fallen(points: Sequence[Point]) -> bool:
    """Tell whether the last two points each lie significantly below the best, in what can be read or what is right.

    The best of many is in part the luckiest, so the level is shared among those that it was the best of (Bonferroni).
    600 simulated courses each of 6, 12 and 20 evaluations that had levelled off, on 40, 64 and 200 items: 0.3 to 3.3 %
    were stopped wrongly (150 each, the level .05 but not shared: up to 21 %). Of 150 that fell after four good
    evaluations, two more found a fall of .2 in both labels in 87 % with 40 items and in all with 64; one of .1 in 32,
    67 and 100 % with 40, 64 and 200.
    """
    top, last = best(points), points[-RUNNING:]
    return top not in last and all(_p_below(point, top) <= LEVEL / (len(points) - RUNNING) for point in last)


def _p_below(point: Point, top: Point) -> float:
    """Return the least p of the exact paired tests by which `point` is worse than `top`, 1 where it is not."""
    pairs = (point.parsed, top.parsed), (point.right, top.right)
    gaps = [np.subtract(now, before) for now, before in pairs]
    return min((stats.sign_flip(gap) for gap in gaps if gap.sum() < 0), default=1.0)


def converged(points: Sequence[Point], patience: int) -> bool:
    """Tell whether the last `patience` points gained nothing on one before them that had learnt the form.

    A gain may hide in the noise of few items. Of 200 simulated courses on 40 items that rose to the end, three in ten
    items wavering, 1 % were stopped early with a patience of 3 of 6 evaluations; of 10 evaluations 14 % with 3, 3 %
    with 4 and none with 5, each at a loss of some .04 of the score. So: patience for half of the evaluations.
    """
    before, last = points[:-patience], points[-patience:]
    if not before or best(before).json_parse_rate < _FORM_LEARNT:
        return False
    return best(last).score <= best(before).score + LEAST_GAIN


def fall_in_words(top: Point, now: Point) -> str:
    """Return what fell most between two points, with both values."""
    figures = {
        "dev F1": (top.sentiment_f1, now.sentiment_f1),
        "dev risk accuracy": (top.risk_accuracy, now.risk_accuracy),
        "share of dev replies that can be read": (top.json_parse_rate, now.json_parse_rate),
    }
    name, (before, after) = max(figures.items(), key=lambda found: found[1][0] - found[1][1])
    return f"the {name} fell from {before:.2f} at step {top.step} to {after:.2f} at step {now.step}"


def memorising(fall: str, losses: Sequence[float]) -> str | None:
    """Return what to say of a `fall` while the training loss is all but gone, None while it is not.

    A loss that is all but gone is no sign by itself: most of what a reply consists of is its form.
    """
    if not losses:
        return None
    loss = median(losses[-_STEPS:])
    if loss >= max(_LOSS_SHARE * losses[0], _LOSS_LEFT):
        return None
    return f"the loss fell to {loss:.2g}, and {fall}: it is memorising; more or more varied rows, fewer epochs"


def point_of(row: jsonl.Row) -> Point:
    """Return the point in a line of dev.jsonl, so that a training that is taken up again knows its course."""
    figures = (row["json_parse_rate"], row["sentiment_f1"], row["risk_accuracy"])
    return Point(row["step"], *figures, tuple(row["parsed"]), tuple(row["right"]))
