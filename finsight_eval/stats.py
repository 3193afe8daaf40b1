"""How sure is a figure? Intervals and tests in closed form, and what a set of this size can show at all.

    wilson(270, 300) -> Interval(0.8610, 0.9290)

All intervals are 95 %. Models are compared item by item, over the same items: the interval of a difference is not that
of two independent sets. Items that belong together are given as sums by cluster (finsight_eval.clusters).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.clusters import Numbers, Sums
    from finsight_eval.confusion import Figures

_NORMAL: Final = NormalDist()
Z: Final = _NORMAL.inv_cdf(0.975)
#: The chance with which a difference worth its name is to be seen.
POWER: Final = 0.80


class Interval(NamedTuple):
    """The two ends of a 95 % interval."""

    low: float
    high: float


def student(freedom: int) -> float:
    """Return the 97.5 % point of Student's t with `freedom` >= 1 degrees of freedom.

    Exact for 1 and 2, else by the expansion of Abramowitz and Stegun 26.7.5, to 0.2 %.
    """
    if freedom <= 2:
        return 12.7062 if freedom <= 1 else 4.3027
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
        (79 * Z**9 + 776 * Z**7 + 1482 * Z**5 - 1920 * Z**3 - 945 * Z) / 92_160,
    )
    return Z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))


def wilson(hits: float, n: float) -> Interval:
    """Return Wilson's score interval (1927) of a rate of `hits` in `n` > 0."""
    centre, spread = hits + Z**2 / 2, Z * math.sqrt(max(0.0, hits * (n - hits) / n) + Z**2 / 4)
    return Interval(max(0.0, (centre - spread) / (n + Z**2)), min(1.0, (centre + spread) / (n + Z**2)))


def rate_interval(found: Sums) -> Interval:
    """Return the interval of the mean of values from 0 to 1, such as a rate.

    Wilson's, on the effective number of items: n divided by the design effect, the ratio of the variance that clusters
    and values show to that of as many independent yes-or-no answers (Kish 1965; Korn and Graubard, Survey Methodology
    24, 1998, with Student's t over clusters). For independent answers it is Wilson's interval itself. Where the values
    show no variance at all, each cluster counts as one answer.
    """
    clusters, mean, variance = len(found.sizes), found.mean, found.variance()
    if found.alone and bool(np.isin(found.sums, (0.0, 1.0)).all()):
        return wilson(float(found.sums.sum()), found.n)
    if variance <= 0 or clusters < 2 or not 0 < mean < 1:
        return wilson(mean * clusters, clusters)
    effective = mean * (1 - mean) / (variance * clusters / (clusters - 1)) * (Z / student(clusters - 1)) ** 2
    return wilson(mean * effective, effective)


def paired_interval(sums: Figures, sizes: Numbers) -> Interval:
    """Return the interval of the mean of paired differences from -1 to 1, given as sums and sizes of clusters.

    Bonett and Price's adjusted Wald interval (J. Educ. Behav. Stat. 37, 2012), which adds one item of each kind of
    disagreement, here carried over to clusters: the two items added are clusters of their own.
    """
    n = int(sizes.sum()) + 2
    mean = float(sums.sum()) / n
    apart = np.square(sums - mean * sizes).sum() + (1 - mean) ** 2 + (-1 - mean) ** 2
    quantile = Z if len(sizes) == n - 2 else student(len(sizes) - 1)
    spread = quantile * math.sqrt(float(apart)) / n
    return Interval(max(-1.0, mean - spread), min(1.0, mean + spread))


def sign_flip(sums: Numbers) -> float:
    """Return the exact two-sided p of no difference between two models, from their differences summed by cluster.

    If the models are exchangeable, the sign of each sum is a fair coin's (Fisher 1935): p is the share of all signs
    that give a total as far from 0. Where every item stands for itself this is McNemar's exact test (1947).
    """
    sizes, counts = np.unique(np.abs(sums[sums != 0]), return_counts=True)
    chances, reach = np.ones(1), 0
    for size, times in zip(sizes.tolist(), counts.tolist(), strict=True):
        steps = np.zeros(2 * size * times + 1)
        steps[:: 2 * size] = _coins(times)
        chances, reach = np.convolve(chances, steps), reach + size * times
    totals = np.abs(np.arange(-reach, reach + 1))
    return min(1.0, float(chances[totals >= abs(int(sums.sum()))].sum()))


def _coins(n: int) -> Figures:
    """Return the chance of 0, 1, ... n heads in `n` throws of a fair coin."""
    whole, log_two = math.lgamma(n + 1), n * math.log(2)
    return np.exp([whole - math.lgamma(i + 1) - math.lgamma(n - i + 1) - log_two for i in range(n + 1)])


def p_below(value: float, interval: Interval, bound: float) -> float:
    """Return the one-sided p of "not below `bound`" that a 95 % interval implies: .025 where its upper end is `bound`.

    Each half of the interval is taken for a normal one of its own (Altman and Bland, BMJ 343, 2011, d2304), so that the
    p and the interval never contradict each other.
    """
    side = interval.high - value if value < bound else value - interval.low
    if side <= 0:
        return 0.5 if value == bound else float(value > bound)
    return 1 - NormalDist().cdf(Z * (bound - value) / side)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted by Holm's step-down method (1979): those below a level are so all at once."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def n_to_decide(value: float, interval: Interval, bound: float, n: int, checks: int = 1) -> int | None:
    """Return the size of a set on which this difference from `bound` would show with 80 % power; None where it is nil.

    The standard error falls with the root of n (Cohen 1988); what is seen now stands in for the true difference.
    """
    gap = abs(value - bound)
    return math.ceil(n * (smallest_detectable(interval, checks) / gap) ** 2) if gap > 0 else None


def smallest_detectable(interval: Interval, checks: int = 1) -> float:
    """Return the difference that a set of this size shows with 80 % power at the 5 % level (two-sided).

    (z + z_.80) standard errors, Cohen 1988; the standard error is read off the 95 % interval's width. With several
    `checks` z is that of the hardest step of Holm's correction, .025 / checks.
    """
    quantiles = _NORMAL.inv_cdf(1 - (1 - _NORMAL.cdf(Z)) / checks) + _NORMAL.inv_cdf(POWER)
    return (interval.high - interval.low) / 2 * quantiles / Z
