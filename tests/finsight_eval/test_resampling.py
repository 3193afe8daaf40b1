"""Clusters and bootstraps: what is resampled, and what the ends of the scale look like."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest

from finsight_eval import confusion
from finsight_eval.clusters import Patterns, cluster_numbers, patterns_of, sums_of
from finsight_eval.records import Item, PublicItem
from finsight_eval.resampling import bootstrap, paired_bootstrap

if TYPE_CHECKING:
    from finsight_eval.confusion import Counts

#: A confusable three-class task with some unanswered items, as shares of 100.
TASK = np.array([[30, 3, 2, 1], [4, 22, 4, 1], [1, 3, 28, 1]])


def alone(counts: Counts) -> Patterns:
    """Return the patterns of counts whose every item stands for itself."""
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    return patterns_of(cells, np.arange(cells.size), counts.shape)


def item(identity: str) -> Item:
    text = f"text of {identity}"
    return Item(identity, "en", text, "Halden", (), "Neutral", "Low", "cars", "none", 1, ())


@pytest.mark.parametrize(
    ("items", "numbers"),
    [
        ([item("cf-en-001-a"), item("cf-en-001-b"), item("cf-en-002-a")], [0, 0, 1]),
        ([item("news-en-001"), item("news-en-002")], [0, 1]),
        (
            [PublicItem("s-1", "en", "A buys B", "A", "Neutral"), PublicItem("s-2", "en", "A buys B", "B", "Neutral")],
            [0, 0],
        ),
        (
            [PublicItem("s-1", "en", "A buys B", "A", "Neutral"), PublicItem("s-2", "en", "A buys C", "A", "Neutral")],
            [0, 1],
        ),
    ],
)
def test_what_belongs_together_is_one_cluster(items: list[Item | PublicItem], numbers: list[int]) -> None:
    """The two of a pair, and the entities of one text; everything else is by itself."""
    assert cluster_numbers(items).tolist() == numbers


def test_patterns_keep_every_item_and_every_cluster() -> None:
    """Clusters that fall into the same cells, in whatever order, are one pattern counted twice."""
    cells, numbers = np.array([0, 3, 3, 0, 1, 2]), np.array([7, 7, 4, 4, 5, 9])
    found = patterns_of(cells, numbers, (2, 2))
    assert found.total().tolist() == [[2, 1], [1, 2]]
    assert sorted(zip(found.times.tolist(), found.counts.sum(axis=(1, 2)).tolist(), strict=True)) == [
        (1, 1),
        (1, 1),
        (2, 2),
    ]
    assert sums_of([1.0, 0.0, 1.0, 1.0, 0.0, 1.0], numbers).sums.tolist() == [2.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize("spread", [1, 3, 40])
def test_patterns_and_sums_are_those_of_a_plain_count(spread: int) -> None:
    """Alone, paired or in heaps, in order or not: counts by cluster and by pattern are those of counting one by one."""
    rng = np.random.default_rng(spread)
    for numbers in (np.arange(60), np.arange(60) // spread, rng.permutation(np.arange(60) // spread)):
        cells, values = rng.integers(0, 12, 60), rng.random(60)
        heaps = {number: np.bincount(cells[numbers == number], minlength=12) for number in np.unique(numbers).tolist()}
        found = patterns_of(cells, numbers, (3, 4))
        kinds = Counter(tuple(heap.tolist()) for heap in heaps.values())
        said = {tuple(kind.ravel().tolist()): int(n) for kind, n in zip(found.counts, found.times, strict=True)}
        assert said == kinds
        expected = np.tensordot(
            np.random.default_rng(0).multinomial(len(heaps), found.times / len(heaps), size=9), found.counts, axes=1
        )
        assert (found.drawn(9, np.random.default_rng(0)) == expected).all()
        summed = sums_of(values, numbers)
        assert summed.sizes.tolist() == [int((numbers == number).sum()) for number in heaps]
        assert summed.sums.tolist() == [sum(values[numbers == number].tolist()) for number in heaps]


def test_resampling_draws_clusters_whole() -> None:
    """Pairs that fall into one cell twice do so in every draw: an odd count never comes up."""
    cells, numbers = np.array([0, 0, 1, 1, 0, 0]), np.array([0, 0, 1, 1, 2, 2])
    drawn = patterns_of(cells, numbers, (2,)).drawn(50, np.random.default_rng(1))
    assert (drawn % 2 == 0).all()
    assert (drawn.sum(axis=1) == 6).all()


def test_paired_intervals_are_narrower_than_independent_ones() -> None:
    """Models that agree on most items are told apart better in pairs: that is why the comparison is paired."""
    same = np.zeros((3, 4, 4), dtype=np.int64)
    for gold, said in np.ndindex(3, 4):
        same[gold, said, said] = TASK[gold, said] * 3
    same[0, 0, 1] = 5
    rng = np.random.default_rng(0)
    paired = paired_bootstrap(alone(same), confusion.macro_f1, rng)
    single = bootstrap(alone(same.sum(axis=-1)), confusion.macro_f1, rng)
    assert paired is not None
    assert single is not None
    assert paired.high - paired.low < (single.high - single.low) / 2


@pytest.mark.parametrize(("hits", "end"), [(10, 1.0), (0, 0.0)])
def test_a_saturated_figure_does_not_look_certain(hits: int, end: float) -> None:
    """All right or all unanswered: the bootstrap has no width, Wilson's interval stands in."""
    counts = np.zeros((3, 4), dtype=np.int64)
    counts[0, 0 if hits else 3] = counts[1, 1 if hits else 3] = counts[2, 2 if hits else 3] = 10
    interval = bootstrap(alone(counts), confusion.macro_f1, np.random.default_rng(0))
    assert interval is not None
    assert interval.high - interval.low > 0.1
    assert end in interval


def test_a_difference_of_two_saturated_figures_has_width() -> None:
    """All wrong against all right over 30 items is a certain gain, of uncertain size."""
    cube = np.zeros((3, 4, 4), dtype=np.int64)
    for label in range(3):
        cube[label, 3, label] = 10
    interval = paired_bootstrap(alone(cube), confusion.macro_f1, np.random.default_rng(0))
    assert interval is not None
    assert 0.8 < interval.low < 1.0
    assert interval.high == 1.0


def test_too_many_undefined_draws_give_no_interval() -> None:
    """Two items of one class each: kappa is undefined in half of the draws, and no interval is made of the rest."""
    counts = np.zeros((3, 4), dtype=np.int64)
    counts[0, 0] = counts[1, 1] = 1
    assert bootstrap(alone(counts), confusion.cohen_kappa, np.random.default_rng(0)) is None


def test_the_same_generator_gives_the_same_interval() -> None:
    """Randomness is passed in: a seed is an interval."""
    one, other = (bootstrap(alone(TASK), confusion.macro_f1, np.random.default_rng(3)) for _ in range(2))
    assert one == other
