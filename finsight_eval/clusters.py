"""Which items belong together, and what resampling and averaging make of that.

    cluster_of(item) -> "cf-en-001" for "cf-en-001-a" and "cf-en-001-b"; the text for entities asked about in one text

Items of one story are right or wrong together more often than chance: whoever counts them one by one believes to know
more than he does. Clusters are resampled and averaged whole (Cameron and Miller, J. Human Resources 50, 2015). Where
every item stands for itself, all of this is the same as counting items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finsight_eval.records import pair_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from finsight_eval.confusion import Counts, Figures
    from finsight_eval.records import AnyItem

Numbers = NDArray[np.int64]


def cluster_of(item: AnyItem) -> str:
    """Return the name of the cluster that an item is part of; most items are one of their own."""
    return pair_of(item.id) or item.text


def cluster_numbers(items: Iterable[AnyItem]) -> Numbers:
    """Return a number from 0 on for each item, the same for those that belong together, shape (n,)."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(cluster_of(item), len(numbers)) for item in items], dtype=np.int64)


@dataclass(frozen=True)
class Sums:
    """The values of n items summed by cluster: `sums` and `sizes` have shape (clusters,)."""

    sums: Figures
    sizes: Numbers

    @property
    def n(self) -> int:
        return int(self.sizes.sum())

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.n)

    @property
    def alone(self) -> bool:
        """Whether every item stands for itself."""
        return len(self.sizes) == self.n


def sums_of(values: Sequence[float] | Figures, numbers: Numbers) -> Sums:
    """Return the sums of `values`, one per item, by the cluster numbers of the items."""
    _, places = np.unique(numbers, return_inverse=True)
    sums = np.bincount(places, weights=np.asarray(values, dtype=np.float64))
    return Sums(sums.astype(np.float64), np.bincount(places))


@dataclass(frozen=True)
class Patterns:
    """The distinct clusters of a count array, and how often each occurs.

    Attributes:
        counts: what one cluster of each kind adds to the array, shape (patterns, *shape of the array).
        times: how many clusters are of that kind, shape (patterns,).
    """

    counts: Counts
    times: Numbers

    def total(self) -> Counts:
        """Return the count array itself."""
        whole: Counts = np.tensordot(self.times, self.counts, axes=1)
        return whole

    def drawn(self, draws: int, rng: np.random.Generator) -> Counts:
        """Return `draws` resamples of the count array, shape (draws, *shape).

        Resampling clusters with replacement is a multinomial draw over their kinds (Efron 1979; Davison and Hinkley
        1997, 3.8). Its cost does not grow with the number of items.
        """
        clusters = int(self.times.sum())
        chosen = rng.multinomial(clusters, self.times / clusters, size=draws)
        resampled: Counts = np.tensordot(chosen, self.counts, axes=1)
        return resampled


def patterns_of(cells: Numbers, numbers: Numbers, shape: tuple[int, ...]) -> Patterns:
    """Return the patterns of items that fall into the flat `cells` of an array of `shape`, by cluster numbers."""
    size = int(np.prod(shape))
    order = np.lexsort((cells, numbers))
    cells, numbers = cells[order], numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    lengths = np.diff(starts, append=len(numbers))
    kinds, times = [], []
    for length in np.unique(lengths):
        members = cells[starts[lengths == length][:, None] + np.arange(length)]
        distinct, found = np.unique(members, axis=0, return_counts=True)
        rows = np.zeros((len(distinct), size), dtype=np.int64)
        np.add.at(rows, (np.arange(len(distinct))[:, None], distinct), 1)
        kinds.append(rows)
        times.append(found)
    return Patterns(np.concatenate(kinds).reshape(-1, *shape), np.concatenate(times))
