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
    places = _ranks(numbers)
    sums = np.bincount(places, weights=np.asarray(values, dtype=np.float64))
    return Sums(sums.astype(np.float64), np.bincount(places))


def _ranks(numbers: Numbers) -> Numbers:
    """Return the rank of each number among the distinct ones; numbers that only rise need no sorting."""
    steps = np.diff(numbers, prepend=numbers[:1])
    ranks: Numbers = np.unique(numbers, return_inverse=True)[1] if (steps < 0).any() else np.cumsum(steps > 0)
    return ranks


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
        kinds = self.counts.reshape(len(self.times), -1)
        single = kinds.sum(axis=1) == 1  # one item each, no two in one cell: nothing to multiply
        resampled: Counts = np.tensordot(chosen[:, ~single], kinds[~single], axes=1)
        resampled[:, kinds[single].argmax(axis=1)] += chosen[:, single]
        return resampled.reshape(draws, *self.counts.shape[1:])


def patterns_of(cells: Numbers, numbers: Numbers, shape: tuple[int, ...]) -> Patterns:
    """Return the patterns of items that fall into the flat `cells` of an array of `shape`, by cluster numbers."""
    size = int(np.prod(shape))
    if (np.diff(numbers) < 0).any():
        order = np.argsort(numbers, kind="stable")
        cells, numbers = cells[order], numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    lengths = np.diff(starts, append=len(numbers))
    kinds, times = [], []
    for length in np.flatnonzero(np.bincount(lengths)):
        members = cells[starts[lengths == length][:, None] + np.arange(length)]
        distinct, found = _distinct(np.sort(members, axis=1), size)
        rows = np.zeros((len(distinct), size), dtype=np.int64)
        np.add.at(rows, (np.arange(len(distinct))[:, None], distinct), 1)
        kinds.append(rows)
        times.append(found)
    return Patterns(np.concatenate(kinds).reshape(-1, *shape), np.concatenate(times))


def _distinct(members: Numbers, size: int) -> tuple[Numbers, Numbers]:
    """Return the distinct rows of `members`, cells below `size`, in order, and how often each occurs."""
    if members.shape[1] > 1:
        return np.unique(members, axis=0, return_counts=True)
    found = np.bincount(members[:, 0], minlength=size)
    cells = np.flatnonzero(found)
    return cells[:, None], found[cells]
