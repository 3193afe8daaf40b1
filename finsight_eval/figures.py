"""Figures: a metric's value over verdicts, with n and a 95 % interval, and the paired difference of two models.

    {"value": 0.853, "low": 0.809, "high": 0.889, "n": 300}

A figure that cannot be had keeps `value` None and says in `why` what is missing; it is never 0.
"""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from finsight_eval import confusion, stats
from finsight_eval.errors import InputError
from finsight_eval.metrics import METRICS, Agreement, Mean, Paired, Rate, rate, values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.verdicts import Verdict

SEED: Final = 20_261_122


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with its 95 % interval over n items; `value` None means missing, and `why` says why."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    why: str = ""

    def row(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "why" or value}


@dataclass(frozen=True, slots=True)
class Difference:
    """second - first over the same n items; `p` is McNemar's exact p, for rates only."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    p: float | None = None
    why: str = ""


def generator(*names: str) -> np.random.Generator:
    """Return the generator that belongs to `names`: a further metric or slice does not move the draws of another."""
    return np.random.default_rng([SEED, zlib.crc32("\0".join(names).encode())])


def figure(name: str, verdicts: Sequence[Verdict]) -> Figure:
    """Return metric `name` over verdicts without failures; raises InputError for an empty set."""
    if not verdicts:
        raise InputError("no items to score: an empty set has no figures")
    metric = METRICS[name]
    return _agreement(metric, verdicts, generator(name)) if isinstance(metric, Agreement) else _mean(metric, verdicts)


def difference(name: str, first: Sequence[Verdict], second: Sequence[Verdict]) -> Difference:
    """Return metric `name` of `second` minus that of `first`, item by item; both lists hold the same items in order."""
    if [v.item.id for v in first] != [v.item.id for v in second]:
        raise InputError("the two models did not answer the same items; score both on the same benchmark")
    metric = METRICS[name]
    if isinstance(metric, Agreement):
        return _agreement_difference(metric, first, second, generator(name, "paired"))
    pairs = zip(values(metric, first), values(metric, second), strict=True)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not both:
        return Difference(None, None, None, 0, why="no item for which both models have a value")
    return _mean_difference(both) if isinstance(metric, Mean) else _rate_difference(both)


def _mean(metric: Rate | Mean | Paired, verdicts: Sequence[Verdict]) -> Figure:
    known = [value for value in values(metric, verdicts) if value is not None]
    if not known:
        return Figure(None, None, None, 0, "no item has a value")
    return Figure(rate(known), *stats.wilson(sum(known), len(known)), len(known))


def _agreement(metric: Agreement, verdicts: Sequence[Verdict], rng: np.random.Generator) -> Figure:
    pairs = [(gold, metric.said(v)) for v in verdicts if (gold := metric.reference(v)) is not None]
    if metric.answered_only:
        pairs = [pair for pair in pairs if pair[1] is not None]
    if not pairs:
        return Figure(None, None, None, 0, "no item has a value")
    counts = confusion.confusion([g for g, _ in pairs], [s for _, s in pairs], metric.classes)
    value = float(metric.statistic(counts))
    if np.isnan(value):
        return Figure(None, None, None, len(pairs), "undefined: one label throughout")
    low, high = stats.bootstrap(counts, metric.statistic, rng) or (None, None)
    return Figure(value, low, high, len(pairs), "" if low is not None else "too few items for an interval")


def _agreement_difference(
    metric: Agreement, first: Sequence[Verdict], second: Sequence[Verdict], rng: np.random.Generator
) -> Difference:
    rows = [
        (gold, metric.said(v), metric.said(w))
        for v, w in zip(first, second, strict=True)
        if (gold := metric.reference(v)) is not None
    ]
    if metric.answered_only:
        rows = [row for row in rows if None not in row]
    if not rows:
        return Difference(None, None, None, 0, why="no item for which both models have a value")
    cube = confusion.paired_confusion([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], metric.classes)
    value = float(metric.statistic(cube.sum(axis=-2)) - metric.statistic(cube.sum(axis=-1)))
    if np.isnan(value):
        return Difference(None, None, None, len(rows), why="undefined: one label throughout")
    low, high = stats.paired_bootstrap(cube, metric.statistic, rng) or (None, None)
    return Difference(value, low, high, len(rows))


def _rate_difference(both: Sequence[tuple[Any, Any]]) -> Difference:
    lost, won = sum(a > b for a, b in both), sum(b > a for a, b in both)
    interval = stats.paired_rate_interval(lost, won, len(both))
    return Difference((won - lost) / len(both), *interval, len(both), stats.mcnemar(lost, won))


def _mean_difference(both: Sequence[tuple[Any, Any]]) -> Difference:
    gaps = np.array([b - a for a, b in both])
    return Difference(float(gaps.mean()), *stats.paired_mean_interval(gaps), len(both))
