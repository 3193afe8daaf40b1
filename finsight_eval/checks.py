"""Checks: one bound of a policy against one figure, with a verdict that the interval decides.

{"task": "finsight_simulated", "metric": "sentiment_f1", "rule": "floor", "bound": 0.75, "value": 0.853, "low": 0.809,
 "high": 0.889, "n": 300, "verdict": "pass", "detectable": 0.057}

pass: the whole interval is on the right side of the bound; regressed: on the wrong side; inconclusive: it straddles it.
`detectable` is the smallest difference that a set of this size would show with 80 % power.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from finsight_eval import stats
from finsight_eval.figures import Difference, Figure, difference, figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.policy import Policy
    from finsight_eval.verdicts import Verdict


class Ruling(StrEnum):
    """What a check found, the gravest first."""

    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"  # noqa: S105 - a verdict, not a password


@dataclass(frozen=True, slots=True)
class Check:
    """One bound, the figure that it was held against and the ruling; `p` is McNemar's exact p of a difference."""

    task: str
    metric: str
    rule: str
    bound: float
    value: float | None
    low: float | None
    high: float | None
    n: int
    verdict: Ruling
    detectable: float | None
    p: float | None = None
    why: str = ""

    def row(self) -> dict[str, Any]:
        return asdict(self)


def ruling(low: float, high: float, bound: float, above: bool) -> Ruling:
    """Return the ruling on an interval: `above` asks for more than the bound, otherwise the bound itself will do."""
    if low > bound or (low == bound and not above):
        return Ruling.PASS
    return Ruling.REGRESSED if high < bound or (high == bound and above) else Ruling.INCONCLUSIVE


def overall(checks: Sequence[Check]) -> Ruling:
    """Return the gravest ruling."""
    found = {check.verdict for check in checks}
    return next(verdict for verdict in Ruling if verdict in found)


def checks_of(
    policy: Policy,
    candidate: Mapping[str, list[Verdict]],
    base: Mapping[str, list[Verdict]],
    baseline: Mapping[str, list[Verdict]] | None,
) -> list[Check]:
    """Return every check of `policy` on task -> verdicts; margins are left out where there is no baseline."""
    checks = []
    for key, floor in policy.floors.items():
        task, _, metric = key.partition("/")
        checks.append(_check(key, "floor", floor, figure(metric, candidate[task])))
    compared = [("gain over base", base, policy.gains)]
    if baseline:
        compared.append(("change from baseline", baseline, {key: -margin for key, margin in policy.margins.items()}))
    for rule, reference, bounds in compared:
        for key, bound in bounds.items():
            task, _, metric = key.partition("/")
            checks.append(_check(key, rule, bound, difference(metric, reference[task], candidate[task])))
    return checks


def _check(key: str, rule: str, bound: float, found: Figure | Difference) -> Check:
    task, _, metric = key.partition("/")
    verdict, detectable = Ruling.INCONCLUSIVE, None
    if found.low is not None and found.high is not None:
        verdict = ruling(found.low, found.high, bound, above=isinstance(found, Difference))
        detectable = stats.smallest_detectable(stats.Interval(found.low, found.high))
    p = found.p if isinstance(found, Difference) else None
    ends = (found.value, found.low, found.high, found.n)
    return Check(task, metric, rule, bound, *ends, verdict, detectable, p, found.why)
