"""What agreement with the teacher is worth: who is right where adapter and teacher agree, and where they differ.

    Reliability(agree=Share(58, 74, 0.68, 0.86), adapter=Share(178, 246, ...), teacher=Share(21, 246, ...), ahead=...)

Teacher agreement is what one can measure without gold labels. Here the gold labels say what it stands for. Right means
every label that the set has; an unreadable reply differs from every teacher.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from finsight_eval import stats
from finsight_eval.clusters import cluster_numbers, sums_of
from finsight_eval.metrics import agrees_with_teacher, labels_right, reads_risk
from finsight_eval.parse import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.verdicts import Verdict


@dataclass(frozen=True)
class Share:
    """`hits` of `n` items, with the ends of the 95 % interval; None where n is 0."""

    hits: int
    n: int
    low: float | None
    high: float | None

    def words(self) -> str:
        """Return "58 of 74 (78%, 95 % interval 68% to 86%)"."""
        if self.low is None or self.high is None:
            return "n/a (there are none)"
        return f"{self.hits} of {self.n} ({self.hits / self.n:.0%}, 95 % interval {self.low:.0%} to {self.high:.0%})"


@dataclass(frozen=True)
class Reliability:
    """How often both are right where they agree, and each where they differ.

    `gain` is the share right where they agree minus the adapter's where they differ, `ahead` the adapter's share minus
    the teacher's where they differ; None where one of the two has no items.
    """

    agree: Share
    adapter: Share
    teacher: Share
    gain: stats.Interval | None
    ahead: stats.Interval | None


def reliability(verdicts: Sequence[Verdict]) -> Reliability | None:
    """Return who is right how often over the items that the teacher answered; None where there is none."""
    known = [v for v in verdicts if v.teacher is not None]
    if not known:
        return None
    agree = [v for v in known if agrees_with_teacher(v)]
    differ = [v for v in known if not agrees_with_teacher(v)]
    adapter, teacher = [labels_right(v) for v in differ], [_teacher_right(v) for v in differ]
    shares = _share(agree, [labels_right(v) for v in agree]), _share(differ, adapter)
    return Reliability(*shares, _share(differ, teacher), _apart(*shares), _ahead(differ, adapter, teacher))


def _teacher_right(verdict: Verdict) -> bool:
    assert verdict.teacher is not None  # noqa: S101 - the caller chose these
    said = Answer("", "", *verdict.teacher)
    return said.sentiment == verdict.item.sentiment and reads_risk(said, verdict.item) is not False


def _share(verdicts: Sequence[Verdict], right: Sequence[bool]) -> Share:
    if not verdicts:
        return Share(0, 0, None, None)
    summed = sums_of([float(yes) for yes in right], cluster_numbers([v.item for v in verdicts]))
    return Share(sum(right), len(right), *stats.rate_interval(summed))


def _apart(first: Share, second: Share) -> stats.Interval | None:
    """Return the interval of first - second over different items, from those of the two (Newcombe 1998, method 10)."""
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return None
    a, b = first.hits / first.n, second.hits / second.n
    below, above = math.hypot(a - first.low, second.high - b), math.hypot(first.high - a, b - second.low)
    return stats.Interval(a - b - below, a - b + above)


def _ahead(differ: Sequence[Verdict], adapter: Sequence[bool], teacher: Sequence[bool]) -> stats.Interval | None:
    """Return the interval of the adapter's share minus the teacher's over the same items."""
    if not differ:
        return None
    gaps = [float(a) - float(b) for a, b in zip(adapter, teacher, strict=True)]
    summed = sums_of(gaps, cluster_numbers([v.item for v in differ]))
    return stats.paired_interval(np.asarray(summed.sums), summed.sizes)


def reliability_sentence(found: Reliability) -> str:
    """Return what was found, and what it makes of teacher agreement as a stand-in for being right."""
    return (
        f"where the adapter agrees with its teacher it is right in {found.agree.words()}; where they differ, the "
        f"adapter in {found.adapter.words()}, the teacher in {found.teacher.words()}. {worth(found)}"
    )


def worth(found: Reliability) -> str:
    """Return what agreement is worth: a claim only where a whole interval bears it."""
    if found.gain is None or found.ahead is None:
        return "What it is worth cannot be said: they always agree, or always differ."
    if found.ahead.low > 0:
        return "**Agreeing more would make it worse here:** where they differ, the adapter is right more often."
    if found.gain.low > 0:
        return "Agreement is a sign of being right here."
    return "Agreement is not shown to be a sign of being right here."
