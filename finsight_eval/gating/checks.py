"""Checks: one bound of a policy against one figure, with a verdict that the interval decides.

{"task": "finsight_simulated", "metric": "sentiment_f1", "rule": "floor", "bound": 0.75, "value": 0.900, "low": 0.863,
 "high": 0.931, "n": 320, "verdict": "pass", "detectable": 0.062}

floor, gain: pass where the whole interval is on the right side of the bound, regressed where it is on the wrong side.
margin (change from the baseline): pass where the whole interval is above the margin; regressed where the change is
shown to be one for the worse and is not shown to be within the margin. Neither: inconclusive.

A gate passes only where every check does, which needs no correction; it regresses where any does, so a regression
has to bear Holm's correction for all checks of the gate. `detectable` is the smallest difference that a set of this
size would show with 80 % power under that correction, `n_to_decide` the size that would tell an inconclusive one.
Where repeated runs have measured how far a figure moves by itself, intervals are wider by that much.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.figures import Difference, Figure, differences, figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from finsight_eval.policy import Policy
    from finsight_eval.verdicts import Verdict

    Noise = Mapping[str, Mapping[str, stats.Spread]]

#: One-sided: the upper end of a 95 % interval.
LEVEL: Final = 0.025
#: The one rule that forgives something: how far a figure may fall below the accepted baseline.
MARGIN: Final = "change from baseline"


class Ruling(StrEnum):
    """What a check found, or the gate as a whole, the gravest first; EXPOSED is said of the whole only."""

    REGRESSED = "regressed"
    EXPOSED = "exposed"
    INCONCLUSIVE = "inconclusive"
    PASS = "pass"  # noqa: S105 - a verdict, not a password


@dataclass(frozen=True, slots=True)
class Check:
    """One bound, the figure that it was held against and the ruling.

    Attributes:
        p: the exact two-sided p of no difference, of a rate.
        p_below: the one-sided p of being no worse than what a regression is measured from (the bound, or the baseline
            itself), adjusted by Holm over all checks of the gate.
        noise: how far the figure moves from run to run, as the half-width of a 95 % interval; None: not measured.
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
    noise: float | None = None
    why: str = ""

    def row(self) -> dict[str, Any]:
        return asdict(self)


def ruling(low: float, high: float, bound: float, null: float, above: bool) -> Ruling:
    """Return the ruling on an interval: `above` asks for more than the bound, otherwise the bound itself will do.

    What lies wholly below `null` and not wholly above the bound has regressed; `null` is the bound, or above it.
    """
    if low > bound or (low == bound and not above):
        return Ruling.PASS
    return Ruling.REGRESSED if high < null or (high == null == bound and above) else Ruling.INCONCLUSIVE


def overall(checks: Sequence[Check], *, exposed: bool = False) -> Ruling:
    """Return the gravest ruling; `exposed`: the candidate is exposed by name, and the policy lets that block."""
    found = {check.verdict for check in checks} | ({Ruling.EXPOSED} if exposed else set())
    return next(verdict for verdict in Ruling if verdict in found)


def stops(verdict: str, policy: Policy) -> bool:
    """Tell whether a gate ends with another exit code than 0 on this verdict."""
    if verdict == Ruling.INCONCLUSIVE:
        return policy.inconclusive_blocks
    return verdict != Ruling.PASS


def checks_of(
    policy: Policy,
    candidate: Mapping[str, list[Verdict]],
    base: Mapping[str, list[Verdict]] | None,
    baseline: Mapping[str, list[Verdict]] | None,
    noise: Noise | None = None,
) -> list[Check]:
    """Return every check of `policy` on task -> verdicts; gains need a base, margins a baseline, or they are left out.

    `noise` is task -> metric -> how far a figure moves from run to run.
    """
    noise = noise or {}
    checks = []
    for key, floor in policy.floors.items():
        task, _, metric = key.partition("/")
        checks.append(_check(key, "floor", floor, figure(metric, candidate[task]), noise.get(task, {}).get(metric)))
    margins = {key: -margin for key, margin in policy.margins.items()}
    for rule, reference, bounds in (("gain over base", base, policy.gains), (MARGIN, baseline, margins)):
        if reference is None:
            continue
        found = _differences(bounds, reference, candidate)
        for key, bound in bounds.items():
            task, _, metric = key.partition("/")
            moves = noise.get(task, {}).get(metric)
            both = moves._replace(sd=moves.sd * math.sqrt(2)) if moves else None  # the reference is one run itself
            checks.append(_check(key, rule, bound, found[key], both))
    return corrected(checks)


def _differences(
    keys: Iterable[str], reference: Mapping[str, list[Verdict]], candidate: Mapping[str, list[Verdict]]
) -> dict[str, Difference]:
    by_task: dict[str, list[str]] = {}
    for key in keys:
        task, _, metric = key.partition("/")
        by_task.setdefault(task, []).append(metric)
    return {
        f"{task}/{metric}": found
        for task, names in by_task.items()
        for metric, found in differences(names, reference[task], candidate[task]).items()
    }


def corrected(checks: Sequence[Check]) -> list[Check]:
    """Return the checks with Holm's adjusted p; a regression that does not bear the correction is inconclusive."""
    places = [place for place, check in enumerate(checks) if check.p_below is not None]
    adjusted = dict(zip(places, stats.holm([checks[place].p_below or 0.0 for place in places]), strict=True))
    return [_corrected(check, adjusted.get(place), len(places)) for place, check in enumerate(checks)]


def _corrected(check: Check, p: float | None, checks: int) -> Check:
    value, low, high = check.value, check.low, check.high
    if value is None or low is None or high is None:
        return check
    interval = stats.Interval(low, high)
    check = replace(check, p_below=p, detectable=stats.smallest_detectable(interval, checks))
    if check.verdict is Ruling.REGRESSED and p is not None and p > LEVEL:
        why = f"below by itself, not after Holm's correction for {checks} checks"
        check = replace(check, verdict=Ruling.INCONCLUSIVE, why=why)
    if check.verdict is not Ruling.INCONCLUSIVE:
        return check
    return replace(check, n_to_decide=_n_to_decide(check, value, interval, checks))


def _n_to_decide(check: Check, value: float, interval: stats.Interval, checks: int) -> int | None:
    """Return the smaller of the sizes on which the check would pass, or be shown to have regressed."""
    null = _null(check.rule, check.bound)
    sizes = []
    if value > check.bound:
        sizes.append(stats.n_to_decide(value - check.bound, interval, check.n, 1, check.noise or 0.0))
    if value < null:
        sizes.append(stats.n_to_decide(null - value, interval, check.n, checks, check.noise or 0.0))
    return min((size for size in sizes if size is not None), default=None)


def _null(rule: str, bound: float) -> float:
    """Return what a regression is measured from: the baseline itself, not the margin that forgives some of it."""
    return 0.0 if rule == MARGIN else bound


def _check(key: str, rule: str, bound: float, found: Figure | Difference, noise: stats.Spread | None) -> Check:
    task, _, metric = key.partition("/")
    p = found.p if isinstance(found, Difference) else None
    if found.value is None or found.low is None or found.high is None:
        ends = (found.value, found.low, found.high, found.n)
        return Check(task, metric, rule, bound, *ends, Ruling.INCONCLUSIVE, None, p, why=found.why)
    wide = stats.half_width(noise) if noise else 0.0
    low = found.value - math.hypot(found.value - found.low, wide)
    high = found.value + math.hypot(found.high - found.value, wide)
    null, above = _null(rule, bound), isinstance(found, Difference) and rule != MARGIN
    verdict = ruling(low, high, bound, null, above)
    below = stats.p_below(found.value, stats.Interval(low, high), null, noise)
    ends = (found.value, low, high, found.n)
    return Check(task, metric, rule, bound, *ends, verdict, None, p, below, None, wide if noise else None, found.why)
