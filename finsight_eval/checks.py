"""Checks: one bound of a policy against one figure, with a verdict that the interval decides.

{"task": "finsight_simulated", "metric": "sentiment_f1", "rule": "floor", "bound": 0.75, "value": 0.853, "low": 0.809,
 "high": 0.889, "n": 300, "verdict": "pass", "detectable": 0.057}

pass: the whole interval is on the right side of the bound; regressed: on the wrong side, also after Holm's correction
for all checks of the gate; inconclusive: neither. A gate passes only where every check does, which needs no correction;
it regresses where any check does, which does. `detectable` is the smallest difference that a set of this size would
show with 80 % power, `n_to_decide` the size on which an inconclusive difference would be told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.figures import Difference, Figure, difference, figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.policy import Policy
    from finsight_eval.verdicts import Verdict


#: One-sided: the upper end of a 95 % interval.
LEVEL: Final = 0.025


class Ruling(StrEnum):
    """What a check found, the gravest first."""

    REGRESSED = "regressed"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"  # noqa: S105 - a verdict, not a password


@dataclass(frozen=True, slots=True)
class Check:
    """One bound, the figure that it was held against and the ruling.

    Attributes:
        p: McNemar's exact two-sided p, of the difference of a rate.
        p_below: the one-sided p of being below the bound, adjusted by Holm over all checks of the gate.
    """

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
    p_below: float | None = None
    n_to_decide: int | None = None
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
    return corrected(checks)


def corrected(checks: Sequence[Check]) -> list[Check]:
    """Return the checks with Holm's adjusted p; a regression that does not bear the correction is inconclusive."""
    places = [place for place, check in enumerate(checks) if check.p_below is not None]
    adjusted = dict(zip(places, stats.holm([checks[place].p_below or 0.0 for place in places]), strict=True))
    return [_corrected(check, adjusted.get(place), len(places)) for place, check in enumerate(checks)]


def _corrected(check: Check, p: float | None, checks: int) -> Check:
    if check.verdict is not Ruling.REGRESSED or p is None or p <= LEVEL:
        return replace(check, p_below=p)
    why = f"below its bound by itself, not after Holm's correction for {checks} checks"
    return replace(check, p_below=p, verdict=Ruling.INCONCLUSIVE, why=why)


def _check(key: str, rule: str, bound: float, found: Figure | Difference) -> Check:
    task, _, metric = key.partition("/")
    p = found.p if isinstance(found, Difference) else None
    ends = (found.value, found.low, found.high, found.n)
    if found.value is None or found.low is None or found.high is None:
        return Check(task, metric, rule, bound, *ends, Ruling.INCONCLUSIVE, None, p, why=found.why)
    interval = stats.Interval(found.low, found.high)
    verdict = ruling(*interval, bound, above=isinstance(found, Difference))
    needed = stats.n_to_decide(found.value, interval, bound, found.n) if verdict is Ruling.INCONCLUSIVE else None
    below, detectable = stats.p_below(found.value, interval, bound), stats.smallest_detectable(interval)
    return Check(task, metric, rule, bound, *ends, verdict, detectable, p, below, needed, found.why)
