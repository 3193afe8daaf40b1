"""How sure is a figure? Intervals, paired differences and what a set of this size can show at all.

    wilson(270, 300) -> Interval(0.8610, 0.9290)

All intervals are 95 %. Models are compared item by item, over the same items: the interval of a difference is not that
of two independent sets. Randomness is passed in.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.confusion import Counts, Figures

#: Draws of a bootstrap: the ends of an interval then vary by about a thirtieth of its width from seed to seed.
DRAWS: Final = 10_000
_Z: Final = NormalDist().inv_cdf(0.975)
_POWER: Final = NormalDist().inv_cdf(0.80)


class Interval(NamedTuple):
    """The two ends of a 95 % interval."""

    low: float
    high: float


def wilson(hits: float, n: int) -> Interval:
    """Return Wilson's score interval (1927) of a rate of `hits` in `n` > 0.

    For a mean of numbers from 0 to 1, given as their sum, it is conservative: no such variable varies more than a
    yes-or-no one of the same mean.
    """
    centre, spread = hits + _Z**2 / 2, _Z * math.sqrt(hits * (n - hits) / n + _Z**2 / 4)
    return Interval(max(0.0, (centre - spread) / (n + _Z**2)), min(1.0, (centre + spread) / (n + _Z**2)))


def resampled(counts: Counts, draws: int, rng: np.random.Generator) -> Counts:
    """Return `draws` resamples of a count array, shape (draws, *counts.shape).

    Resampling the items with replacement is a multinomial draw over the cells that they fall into (Efron 1979).
    """
    n = int(counts.sum())
    return rng.multinomial(n, counts.ravel() / n, size=draws).reshape(draws, *counts.shape)


def bootstrap(
    counts: Counts, statistic: Callable[[Counts], Figures], rng: np.random.Generator, draws: int = DRAWS
) -> Interval | None:
    """Return the percentile interval (Efron 1979) of `statistic` over (K, K + 1) counts; None where it is undefined.

    Where every draw gives the same value (all right, or all unanswered) resampling has nothing to say; Wilson's
    interval of that value over the same n stands in, so that 1.00 on ten items does not look certain.

    Simulated coverage: macro F1 .94-.96 at n = 68 and 300; quadratic kappa .91-.98 at n = 68, .93-.94 at 300.
    """
    values = statistic(resampled(counts, draws, rng))
    interval = _percentiles(values)
    if interval and interval.low == interval.high and 0 <= interval.low <= 1:
        n = int(counts.sum())
        return wilson(interval.low * n, n)
    return interval


def paired_bootstrap(
    cube: Counts, statistic: Callable[[Counts], Figures], rng: np.random.Generator, draws: int = DRAWS
) -> Interval | None:
    """Return the percentile interval of statistic(second) - statistic(first) over the same items, or None.

    `cube` holds the (K, K + 1, K + 1) counts of gold x first x second. Where every draw gives the same difference,
    Bonett and Price's interval for no further disagreement stands in.

    Simulated false alarms between two equal models, macro F1: 5.7 % of 24,700 sets of 300 items, 5.9 % of 8,700 sets of
    68. The stated level is 5 %: the percentile interval is a little too narrow.
    """
    drawn = resampled(cube, draws, rng)
    interval = _percentiles(statistic(drawn.sum(axis=-2)) - statistic(drawn.sum(axis=-1)))
    if interval and interval.low == interval.high:
        n = int(cube.sum())
        return paired_rate_interval(max(0.0, -interval.low) * n, max(0.0, interval.low) * n, n)
    return interval


def _percentiles(values: Figures) -> Interval | None:
    """Return the 2.5 and 97.5 % points of the defined values; None where more than a twentieth is undefined."""
    known = values[~np.isnan(values)]
    if known.size < 0.95 * values.size:
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return Interval(float(low), float(high))


def paired_rate_interval(only_first: float, only_second: float, n: int) -> Interval:
    """Return the interval of rate(second) - rate(first) over the same `n` items.

    Bonett and Price's adjusted Wald interval (J. Educ. Behav. Stat. 37, 2012): one item is added to each kind of
    disagreement, `only_first` and `only_second` being the items that just one of the two got right.
    """
    lost, won = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    spread = _Z * math.sqrt((lost + won - (won - lost) ** 2) / (n + 2))
    return Interval(max(-1.0, won - lost - spread), min(1.0, won - lost + spread))


def paired_mean_interval(differences: Figures) -> Interval:
    """Return the normal interval of the mean of paired differences from -1 to 1, at least as wide as chance demands."""
    n = differences.size
    spread = _Z * math.sqrt((float(differences.var()) + 1 / (n + 2)) / n)
    mean = float(differences.mean())
    return Interval(max(-1.0, mean - spread), min(1.0, mean + spread))


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test (1947): the binomial test of the disagreements against a half."""
    n, fewer = only_first + only_second, min(only_first, only_second)
    log_total = n * math.log(2)
    logs = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) - log_total for i in range(fewer + 1))
    return min(1.0, 2 * math.fsum(math.exp(log) for log in logs))


def p_below(value: float, interval: Interval, bound: float) -> float:
    """Return the one-sided p of "not below `bound`" that a 95 % interval implies: .025 where its upper end is `bound`.

    Each half of the interval is taken for a normal one of its own (Altman and Bland, BMJ 343, 2011, d2304), so that the
    p and the interval never contradict each other.
    """
    side = interval.high - value if value < bound else value - interval.low
    if side <= 0:
        return 0.5 if value == bound else float(value > bound)
    return 1 - NormalDist().cdf(_Z * (bound - value) / side)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted by Holm's step-down method (1979): those below a level are so all at once."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def n_to_decide(value: float, interval: Interval, bound: float, n: int) -> int | None:
    """Return the size of a set on which this difference from `bound` would show with 80 % power; None where it is nil.

    The standard error falls with the root of n (Cohen 1988); what is seen now stands in for the true difference.
    """
    gap = abs(value - bound)
    return math.ceil(n * (smallest_detectable(interval) / gap) ** 2) if gap > 0 else None


def smallest_detectable(interval: Interval) -> float:
    """Return the difference that a set of this size shows with 80 % power at the 5 % level (two-sided).

    (z_.975 + z_.80) standard errors, Cohen 1988; the standard error is read off the 95 % interval's width.
    """
    return (interval.high - interval.low) / 2 * (_Z + _POWER) / _Z
