"""Could it be chance? One-sided p values for what a model is accused of, each with the source of its formula.

    binomial_p(211, 213, 0.5) -> 1.7e-60      difference_p(60, 100, 30, 100, margin=0.1) -> 0.0021

A small p says that the accusation's contrary ("in half of the cases at most") does not bear out what was seen.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from finsight_eval.confusion import Counts, cohen_kappa
from finsight_eval.stats import Interval

_NORMAL = NormalDist()


class Kappa(NamedTuple):
    """Agreement beyond chance, with its standard error over `n` answered items."""

    value: float
    error: float
    n: int

    def interval(self) -> Interval:
        reach = _NORMAL.inv_cdf(0.975) * self.error
        return Interval(max(-1.0, self.value - reach), min(1.0, self.value + reach))

    def p_at_least(self, bound: float) -> float:
        """Return the p of "kappa is `bound` or more": small where the agreement is shown to be below it."""
        if self.error == 0:
            return float(self.value >= bound)
        return _NORMAL.cdf((self.value - bound) / self.error)


def binomial_p(hits: int, n: int, share: float) -> float:
    """Return the exact p of "the true share is `share` at most": P(X >= hits) for X binomial (Clopper-Pearson)."""
    if hits <= n * share:
        return 1.0
    top = math.lgamma(n + 1)
    logs = (
        top - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(share) + (n - i) * math.log1p(-share)
        for i in range(hits, n + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))


def difference_p(hits: int, n: int, other_hits: int, other_n: int, margin: float) -> float:
    """Return the p of "the rate of the first group is above the other's by `margin` at most"; 1 for an empty group.

    Farrington and Manning's score test (Statistics in Medicine 9, 1990). Its normal tail is too thin for a handful of
    items, so p is never below the exact one of either group against the other's rate, as if that were known.
    """
    if not n or not other_n or hits / n - other_hits / other_n <= margin:
        return 1.0
    rate, other_rate = hits / n, other_hits / other_n
    second = _rate_at_margin(hits, n, other_hits, other_n, margin)
    first = second + margin
    error = math.sqrt(first * (1 - first) / n + second * (1 - second) / other_n)
    return max(
        1 - _NORMAL.cdf((rate - other_rate - margin) / error),
        binomial_p(hits, n, other_rate + margin),
        binomial_p(other_n - other_hits, other_n, 1 - rate + margin),
    )


def _rate_at_margin(hits: int, n: int, other_hits: int, other_n: int, margin: float) -> float:
    """Return the likeliest rate of the second group if the first's lies above it by `margin`, by bisection."""
    low, high = 0.0, 1 - margin
    for _ in range(50):
        rate = (low + high) / 2
        first = rate + margin
        slope = hits / first - (n - hits) / (1 - first) + other_hits / rate - (other_n - other_hits) / (1 - rate)
        low, high = (rate, high) if slope > 0 else (low, rate)
    return (low + high) / 2


def excess_p(hits: int, chances: list[float]) -> float:
    """Return the p of `hits` or more among independent events of these chances (normal, corrected for continuity)."""
    spread = math.sqrt(math.fsum(chance * (1 - chance) for chance in chances))
    above = hits - 0.5 - math.fsum(chances)
    return 1 - _NORMAL.cdf(above / spread) if spread else float(above <= 0)


def kappa(counts: Counts) -> Kappa | None:
    """Return Cohen's kappa over (K, K + 1) counts of gold against answers, None where it is undefined.

    The standard error is that for large samples of Fleiss, Cohen and Everitt (Psychological Bulletin 72, 1969).
    """
    n = int(counts[:, :-1].sum())
    value = float(cohen_kappa(counts))
    if math.isnan(value):
        return None
    shares = counts[:, :-1] / n
    gold, said = shares.sum(axis=1), shares.sum(axis=0)
    chance, apart = float(gold @ said), 1 - value
    hits = np.diagonal(shares)
    agreed = float((hits * (1 - (gold + said) * apart) ** 2).sum())
    crossed = shares * (said[:, None] + gold[None, :]) ** 2
    missed = apart**2 * float(crossed.sum() - np.diagonal(crossed).sum())
    variance = agreed + missed - (value - chance * apart) ** 2
    return Kappa(value, math.sqrt(max(0.0, variance) / n) / (1 - chance), n)
