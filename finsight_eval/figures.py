"""Figures: a metric's value over verdicts, with n and a 95 % interval, and the paired difference of two models.

    {"value": 0.900, "low": 0.863, "high": 0.931, "n": 320}

A figure that cannot be had keeps `value` None and says in `why` what is missing; it is never 0.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from finsight_eval import confusion, stats
from finsight_eval.clusters import patterns_of, sums_of
from finsight_eval.columns import Columns
from finsight_eval.errors import InputError
from finsight_eval.metrics import METRICS, Agreement, Mean, Paired
from finsight_eval.resampling import DRAWS, bootstrap, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from finsight_eval.clusters import Numbers, Patterns
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
        found: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "n": self.n}
        return found | {"why": self.why} if self.why else found


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
    return figure_of(name, Columns(verdicts), np.arange(len(verdicts)))


def figure_of(name: str, columns: Columns, places: Numbers, draws: int = DRAWS) -> Figure:
    """Return metric `name` over the verdicts at `places`, a slice of the columns; raises InputError for an empty one.

    A metric on pairs speaks of whole pairs: it is given for all verdicts only.
    """
    if not places.size:
        raise InputError("no items to score: an empty set has no figures")
    metric = METRICS[name]
    if isinstance(metric, Agreement):
        gold, said = (column[places] for column in columns.labels(name))
        return _agreement(metric, (gold, said), columns.numbers[places], generator(name), draws)
    found = columns.values(name)
    numbers = np.arange(found.size) if isinstance(metric, Paired) else columns.numbers
    chosen = np.arange(found.size) if isinstance(metric, Paired) else places
    return _mean(found[chosen], numbers[chosen])


def differences(names: Sequence[str], first: Sequence[Verdict], second: Sequence[Verdict]) -> dict[str, Difference]:
    """Return metric -> its value for `second` minus that for `first`, item by item.

    Both lists hold the same items in the same order; raises InputError where they do not.
    """
    one, other = Columns(first), Columns(second)
    return {name: difference_of(name, one, other) for name in names}


def difference(name: str, first: Sequence[Verdict], second: Sequence[Verdict]) -> Difference:
    """Return the difference of one metric, as `differences` does."""
    return differences((name,), first, second)[name]


def difference_of(name: str, one: Columns, other: Columns) -> Difference:
    """Return the difference of one metric between columns that are kept: a model is held against many."""
    if [v.item.id for v in one.verdicts] != [v.item.id for v in other.verdicts]:
        raise InputError("the two models did not answer the same items; score both on the same benchmark")
    metric = METRICS[name]
    if isinstance(metric, Agreement):
        (gold, before), (_, after) = one.labels(name), other.labels(name)
        return _agreement_difference(metric, gold, (before, after), one.numbers, generator(name, "paired"))
    gaps = other.values(name) - one.values(name)
    numbers = np.arange(gaps.size) if isinstance(metric, Paired) else one.numbers
    return _mean_difference(gaps, numbers, tested=not isinstance(metric, Mean))


def _mean(found: Figures, numbers: Numbers) -> Figure:
    known = ~np.isnan(found)
    if not known.any():
        return Figure(None, None, None, 0, "no item has a value")
    summed = sums_of(found[known], numbers[known])
    return Figure(summed.mean, *stats.rate_interval(summed), summed.n)


def _agreement(
    metric: Agreement, labels: tuple[Numbers, Numbers], numbers: Numbers, rng: np.random.Generator, draws: int
) -> Figure:
    known = _known(metric, *labels)
    if not known.any():
        return Figure(None, None, None, 0, "no item has a value")
    found = _patterns(metric, labels, numbers, known)
    value, n = float(metric.statistic(found.total())), int(known.sum())
    if np.isnan(value):
        return Figure(None, None, None, n, "undefined: one label throughout")
    low, high = bootstrap(found, metric.statistic, rng, draws) or (None, None)
    return Figure(value, low, high, n, "" if low is not None else "too few items for an interval")


def _known(metric: Agreement, gold: Numbers, *said: Numbers) -> NDArray[np.bool_]:
    """Return where an item counts: it has a reference label and, where only answers count, an answer of each model."""
    known = gold >= 0
    for column in said if metric.answered_only else ():
        known &= column < len(metric.classes)
    return known


def _patterns(metric: Agreement, columns: Sequence[Numbers], numbers: Numbers, known: NDArray[np.bool_]) -> Patterns:
    shape = confusion.shape(metric.classes, len(columns) - 1)
    cells = np.ravel_multi_index(tuple(column[known] for column in columns), shape)
    return patterns_of(cells, numbers[known], shape)


def _agreement_difference(
    metric: Agreement, gold: Numbers, said: tuple[Numbers, Numbers], numbers: Numbers, rng: np.random.Generator
) -> Difference:
    known = _known(metric, gold, *said)
    if not known.any():
        return Difference(None, None, None, 0, why="no item for which both models have a value")
    found, n = _patterns(metric, (gold, *said), numbers, known), int(known.sum())
    cube = found.total()
    value = float(metric.statistic(cube.sum(axis=-2)) - metric.statistic(cube.sum(axis=-1)))
    if np.isnan(value):
        return Difference(None, None, None, n, why="undefined: one label throughout")
    low, high = paired_bootstrap(found, metric.statistic, rng) or (None, None)
    return Difference(value, low, high, n)


def _mean_difference(gaps: Figures, numbers: Numbers, *, tested: bool) -> Difference:
    known = ~np.isnan(gaps)
    if not known.any():
        return Difference(None, None, None, 0, why="no item for which both models have a value")
    summed = sums_of(gaps[known], numbers[known])
    p = stats.sign_flip(np.rint(summed.sums).astype(np.int64)) if tested else None
    return Difference(summed.mean, *stats.paired_interval(summed.sums, summed.sizes), summed.n, p)
