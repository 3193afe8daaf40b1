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
#: Steps of a bisection, and how far out a tail is followed.
_STEPS: Final = 40
_FAR: Final = 1e12
#: Means that differ by less are equal, apart from rounding.
_EQUAL: Final = 1e-9
#: The chance with which a difference worth its name is to be seen.
POWER: Final = 0.80


class Spread(NamedTuple):
    """How far a figure moves from run to run: a standard deviation, and its degrees of freedom."""

    sd: float
    freedom: int


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
    24, 1998, with Student's t over clusters). As in `paired_interval` one item of each kind, 0 and 1, is added to both
    variances, so that the few values that differ do not have to turn up to be reckoned with. For independent answers it
    is Wilson's interval itself. Clusters that all show the same mean count as one answer each.
    """
    clusters, n, mean = len(found.sizes), found.n, found.mean
    if found.alone and bool(np.isin(found.sums, (0.0, 1.0)).all()):
        return wilson(float(found.sums.sum()), n)
    if clusters < 2 or (not found.alone and float(np.ptp(found.sums / found.sizes)) < _EQUAL):
        return wilson(mean * clusters, clusters)
    centre = (n * mean + 1) / (n + 2)
    seen = float(np.square(found.sums - centre * found.sizes).sum()) + centre**2 + (1 - centre) ** 2
    effect = seen / ((n + 2) * centre * (1 - centre)) * clusters / (clusters - 1) * (student(clusters - 1) / Z) ** 2
    return wilson(mean * n / effect, n / effect)


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


def p_below(value: float, interval: Interval, bound: float, noise: Spread | None = None) -> float:
    """Return the one-sided p of "not below `bound`" that a 95 % interval implies: .025 where its upper end is `bound`.

    Each half of the interval is taken for a normal one of its own (Altman and Bland, BMJ 343, 2011, d2304), so that the
    p and the interval never contradict each other. What `noise` has added to it is Student's on its own few degrees of
    freedom, whose tails are far heavier: p is where both parts together reach the bound.
    """
    side = interval.high - value if value < bound else value - interval.low
    if side <= 0:
        return 0.5 if value == bound else float(value > bound)
    if noise is None or not noise.sd:
        return 1 - _NORMAL.cdf(Z * (bound - value) / side)
    items = math.sqrt(max(0.0, side**2 - half_width(noise) ** 2)) / Z
    low, high = 0.0, 0.5
    for _ in range(_STEPS):
        p = (low + high) / 2
        reach = math.hypot(-_NORMAL.inv_cdf(p) * items, _student_point(p, noise.freedom) * noise.sd)
        low, high = (low, p) if reach < abs(bound - value) else (p, high)
    return high if value < bound else 1 - high


def half_width(noise: Spread) -> float:
    """Return half of the 95 % interval that run-to-run noise alone gives."""
    return student(noise.freedom) * noise.sd


def _student_point(p: float, freedom: int) -> float:
    """Return the point that Student's t exceeds with chance `p` below a half, by bisection."""
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > p and high < _FAR:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > p else (low, middle)
    return high


def student_tail(t: float, freedom: int) -> float:
    """Return the chance that Student's t with `freedom` >= 1 exceeds `t` (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for step in range(odd + 2, freedom + 1, 2):
        total += term
        term *= cosine**2 * (step - 1) / step
    within = (angle + sine * total) * 2 / math.pi if odd else sine * total
    return min(1.0, max(0.0, (1 - within) / 2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p values adjusted by Holm's step-down method (1979): those below a level are so all at once."""
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def n_to_decide(gap: float, interval: Interval, n: int, checks: int = 1, noise: float = 0.0) -> int | None:
    """Return the size of a set on which this `gap` from a bound would show with 80 % power; None where none would.

    The standard error falls with the root of n (Cohen 1988), but for the part that is `noise`, the half-width from run
    to run: more items do not help against that. What is seen now stands in for the true difference.
    """
    needed, whole = Z * gap / _quantiles(checks), (interval.high - interval.low) / 2
    if needed <= noise:
        return None
    return math.ceil(n * max(0.0, whole**2 - noise**2) / (needed**2 - noise**2))


def smallest_detectable(interval: Interval, checks: int = 1) -> float:
    """Return the difference that a set of this size shows with 80 % power at the 5 % level (two-sided).

    (z + z_.80) standard errors, Cohen 1988; the standard error is read off the 95 % interval's width. With several
    `checks` z is that of the hardest step of Holm's correction, .025 / checks.
    """
    return (interval.high - interval.low) / 2 * _quantiles(checks) / Z


def _quantiles(checks: int) -> float:
    return _NORMAL.inv_cdf(1 - (1 - _NORMAL.cdf(Z)) / checks) + _NORMAL.inv_cdf(POWER)
