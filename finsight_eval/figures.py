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
from finsight_eval.clusters import cluster_numbers, patterns_of, sums_of
from finsight_eval.errors import InputError
from finsight_eval.metrics import METRICS, Agreement, Mean, Paired, Rate, values
from finsight_eval.resampling import bootstrap, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.clusters import Numbers
    from finsight_eval.confusion import Figures
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
    """second - first over the same n items; `p` is the exact p of `stats.sign_flip`, for rates only."""

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
    metric, numbers = METRICS[name], cluster_numbers([v.item for v in verdicts])
    if isinstance(metric, Agreement):
        return _agreement(metric, verdicts, numbers, generator(name))
    return _mean(metric, verdicts, numbers)


def differences(names: Sequence[str], first: Sequence[Verdict], second: Sequence[Verdict]) -> dict[str, Difference]:
    """Return metric -> its value for `second` minus that for `first`, item by item.

    Both lists hold the same items in the same order; raises InputError where they do not.
    """
    if [v.item.id for v in first] != [v.item.id for v in second]:
        raise InputError("the two models did not answer the same items; score both on the same benchmark")
    numbers = cluster_numbers([v.item for v in first])
    found = {}
    for name in names:
        metric = METRICS[name]
        if isinstance(metric, Agreement):
            found[name] = _agreement_difference(metric, first, second, numbers, generator(name, "paired"))
        else:
            found[name] = _mean_difference(metric, first, second, numbers)
    return found


def difference(name: str, first: Sequence[Verdict], second: Sequence[Verdict]) -> Difference:
    """Return the difference of one metric, as `differences` does."""
    return differences((name,), first, second)[name]


def _mean(metric: Rate | Mean | Paired, verdicts: Sequence[Verdict], numbers: Numbers) -> Figure:
    found = np.array(values(metric, verdicts), dtype=np.float64)  # None becomes NaN
    known = ~np.isnan(found)
    if not known.any():
        return Figure(None, None, None, 0, "no item has a value")
    summed = sums_of(found[known], _own(metric, numbers, found)[known])
    return Figure(summed.mean, *stats.rate_interval(summed), summed.n)


def _own(metric: Rate | Mean | Paired, numbers: Numbers, found: Figures) -> Numbers:
    """Return the cluster of each value; a pair that is counted as one is no cluster of two."""
    return np.arange(found.size) if isinstance(metric, Paired) else numbers


def _agreement(metric: Agreement, verdicts: Sequence[Verdict], numbers: Numbers, rng: np.random.Generator) -> Figure:
    gold, (said,), places = _labels(metric, verdicts)
    if not gold:
        return Figure(None, None, None, 0, "no item has a value")
    cells = confusion.cells(metric.classes, gold, said)
    found = patterns_of(cells, numbers[places], confusion.shape(metric.classes, 1))
    value = float(metric.statistic(found.total()))
    if np.isnan(value):
        return Figure(None, None, None, len(gold), "undefined: one label throughout")
    low, high = bootstrap(found, metric.statistic, rng) or (None, None)
    return Figure(value, low, high, len(gold), "" if low is not None else "too few items for an interval")


def _labels(metric: Agreement, *models: Sequence[Verdict]) -> tuple[list[str], list[list[str | None]], list[int]]:
    """Return the reference labels, what each model said, and the places of the items that count."""
    gold = [metric.reference(v) for v in models[0]]
    said = [[metric.said(v) for v in verdicts] for verdicts in models]
    places = [
        place
        for place, label in enumerate(gold)
        if label is not None and not (metric.answered_only and any(labels[place] is None for labels in said))
    ]
    return [gold[place] or "" for place in places], [[labels[place] for place in places] for labels in said], places


def _agreement_difference(
    metric: Agreement,
    first: Sequence[Verdict],
    second: Sequence[Verdict],
    numbers: Numbers,
    rng: np.random.Generator,
) -> Difference:
    gold, (before, after), places = _labels(metric, first, second)
    if not gold:
        return Difference(None, None, None, 0, why="no item for which both models have a value")
    cells = confusion.cells(metric.classes, gold, before, after)
    found = patterns_of(cells, numbers[places], confusion.shape(metric.classes, 2))
    cube = found.total()
    value = float(metric.statistic(cube.sum(axis=-2)) - metric.statistic(cube.sum(axis=-1)))
    if np.isnan(value):
        return Difference(None, None, None, len(gold), why="undefined: one label throughout")
    low, high = paired_bootstrap(found, metric.statistic, rng) or (None, None)
    return Difference(value, low, high, len(gold))


def _mean_difference(
    metric: Rate | Mean | Paired, first: Sequence[Verdict], second: Sequence[Verdict], numbers: Numbers
) -> Difference:
    gaps = np.array(values(metric, second), dtype=np.float64) - np.array(values(metric, first), dtype=np.float64)
    known = ~np.isnan(gaps)
    if not known.any():
        return Difference(None, None, None, 0, why="no item for which both models have a value")
    summed = sums_of(gaps[known], _own(metric, numbers, gaps)[known])
    p = None if isinstance(metric, Mean) else stats.sign_flip(np.rint(summed.sums).astype(np.int64))
    return Difference(summed.mean, *stats.paired_interval(summed.sums, summed.sizes), summed.n, p)
