"""Simulations: intervals cover as often as they say, the gate's false alarms and its power are what it states.

Each figure is an average over several settings; the bounds leave room for the simulation's own error (three standard
errors, .03 for a coverage of .95 over 480 sets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from finsight_eval import confusion, stats
from finsight_eval.clusters import Patterns, patterns_of, sums_of
from finsight_eval.power import n_needed, power, smallest_change
from finsight_eval.resampling import bootstrap, paired_bootstrap

if TYPE_CHECKING:
    from collections.abc import Callable

    from finsight_eval.confusion import Counts, Figures

    Statistic = Callable[[Counts], Figures]

DRAWS = 600
#: Accuracy among the answers, share answered, class shares.
SETTINGS = (
    (0.50, 0.90, (0.34, 0.33, 0.33)),
    (0.70, 1.00, (0.60, 0.28, 0.12)),
    (0.85, 0.95, (0.34, 0.33, 0.33)),
    (0.85, 1.00, (0.60, 0.28, 0.12)),
)


def chances(accuracy: float, answered: float, classes: tuple[float, ...]) -> Figures:
    """Return the (3, 4) chances of gold x said; a wrong answer is mostly one of the next class."""
    off = np.array([[0, 0.8, 0.2], [0.5, 0, 0.5], [0.2, 0.8, 0]])
    said = accuracy * np.eye(3) + (1 - accuracy) * off
    found: Figures = np.array(classes)[:, None] * np.hstack([answered * said, np.full((3, 1), 1 - answered)])
    return found


def joint(marginal: Figures, alike: float) -> Figures:
    """Return the (3, 4, 4) chances of two equally good models that give one and the same answer to a share of items."""
    classes = marginal.sum(axis=1, keepdims=True)
    said = marginal / classes
    both = alike * np.eye(4)[None] * said[:, :, None] + (1 - alike) * said[:, :, None] * said[:, None, :]
    found: Figures = classes[:, :, None] * both
    return found


def single(counts: Counts) -> Patterns:
    cells = np.repeat(np.arange(counts.size), counts.ravel())
    return patterns_of(cells, np.arange(cells.size), counts.shape)


def in_pairs(chance: Figures, n: int, together: float, rng: np.random.Generator) -> Patterns:
    """Return n items in pairs whose second member falls into the cell of the first in a share of `together`."""
    first, other = rng.choice(chance.size, size=(2, n // 2), p=chance.ravel())
    second = np.where(rng.random(n // 2) < together, first, other)
    return patterns_of(np.concatenate([first, second]), np.tile(np.arange(n // 2), 2), chance.shape)


@pytest.mark.parametrize("n", [68, 320])
@pytest.mark.parametrize("statistic", [confusion.macro_f1, confusion.weighted_f1, confusion.quadratic_kappa])
def test_bootstrap_intervals_cover_as_stated(statistic: Statistic, n: int) -> None:
    """95 % intervals of one figure cover the truth in 93 to 97 % of simulated sets, averaged over the settings."""
    rng, hits = np.random.default_rng(4), []
    for setting in SETTINGS:
        chance = chances(*setting)
        truth = float(statistic(np.round(chance * 10**9).astype(np.int64)))
        for _ in range(120):
            counts = rng.multinomial(n, chance.ravel()).reshape(chance.shape)
            found = bootstrap(single(counts), statistic, rng, draws=DRAWS)
            hits.append(found is not None and found.low <= truth <= found.high)
    assert 0.92 <= np.mean(hits) <= 0.98


@pytest.mark.parametrize("n", [68, 320])
@pytest.mark.parametrize("statistic", [confusion.macro_f1, confusion.quadratic_kappa])
def test_two_equal_models_seldom_seem_to_differ(statistic: Statistic, n: int) -> None:
    """Nought lies outside the paired interval in at most 5 % of the sets (7 % with the simulation's error)."""
    rng, alarms = np.random.default_rng(6), []
    for setting, alike in zip(SETTINGS, (0.3, 0.8, 0.5, 0.8), strict=True):
        chance = joint(chances(*setting), alike)
        if statistic is confusion.quadratic_kappa:  # counts answers only
            chance = chance * (np.arange(4) < 3)[:, None] * (np.arange(4) < 3)
        for _ in range(150):
            cube = rng.multinomial(n, (chance / chance.sum()).ravel()).reshape(chance.shape)
            found = paired_bootstrap(single(cube), statistic, rng, draws=DRAWS)
            alarms.append(found is not None and not found.low <= 0 <= found.high)
    assert np.mean(alarms) <= 0.07


@pytest.mark.parametrize("together", [0.0, 0.9])
def test_intervals_of_pairs_cover_whatever_goes_together(together: float) -> None:
    """F1 of 80 pairs: clusters drawn whole cover as stated however alike the members are."""
    rng, hits, naive = np.random.default_rng(5), [], []
    chance = chances(*SETTINGS[0])
    truth = float(confusion.macro_f1(np.round(chance * 10**9).astype(np.int64)))
    for _ in range(300):
        found = in_pairs(chance, 160, together, rng)
        pairs = bootstrap(found, confusion.macro_f1, rng, draws=DRAWS)
        items = bootstrap(single(found.total()), confusion.macro_f1, rng, draws=DRAWS)
        hits.append(pairs is not None and pairs.low <= truth <= pairs.high)
        naive.append(items is not None and items.low <= truth <= items.high)
    assert 0.91 <= np.mean(hits) <= 0.985
    assert together < 0.9 or np.mean(naive) < 0.9  # what counting items would have claimed


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.8])
@pytest.mark.parametrize("together", [-1.0, 0.0, 0.6])
def test_rates_of_pairs_cover_whatever_goes_together(rate: float, together: float) -> None:
    """Rates of 80 pairs, alike, independent, or as opposite as can be: the second right where the first is wrong."""
    rng = np.random.default_rng(9)
    first = rng.random((1_500, 80)) < rate
    other = rng.random((1_500, 80)) < rate
    if together < 0:
        other = np.where(
            first, rng.random(first.shape) < max(0, 2 - 1 / rate), rng.random(first.shape) < min(1, rate / (1 - rate))
        )
    second = np.where(rng.random(first.shape) < together, first, other)
    numbers = np.tile(np.arange(80), 2)
    found = [stats.rate_interval(sums_of([*a, *b], numbers)) for a, b in zip(first, second, strict=True)]
    assert 0.92 <= np.mean([one.low <= rate <= one.high for one in found]) <= 0.985


def test_means_cover_as_stated() -> None:
    """Shares per item, such as grounding, most of them 1: neither as wide as a rate's interval nor too narrow."""
    rng = np.random.default_rng(10)
    values = np.where(rng.random((1_500, 160)) < 0.7, 1.0, rng.random((1_500, 160)))
    found = [stats.rate_interval(sums_of(row, np.arange(160))) for row in values]
    assert 0.93 <= np.mean([one.low <= 0.85 <= one.high for one in found]) <= 0.97
    width = np.mean([one.high - one.low for one in found])
    assert width < 0.85 * np.diff(stats.wilson(0.85 * 160, 160))[0]


@pytest.mark.parametrize("together", [0.0, 0.7])
def test_paired_rates_of_clusters_raise_few_false_alarms(together: float) -> None:
    """Two equal models on 80 pairs: interval and exact p call a difference in at most 5 % of the sets."""
    rng = np.random.default_rng(11)
    first, other = rng.choice([-1, 0, 1], size=(2, 2_000, 80), p=[0.1, 0.8, 0.1])
    second = np.where(rng.random(first.shape) < together, first, other)
    sums = first + second
    found = [stats.paired_interval(row.astype(float), np.full(80, 2)) for row in sums]
    assert np.mean([not one.low <= 0 <= one.high for one in found]) <= 0.055
    assert np.mean([stats.sign_flip(row) <= 0.05 for row in sums]) <= 0.055


@pytest.mark.parametrize(
    ("n", "change", "disagreement", "checks"), [(400, 0.03, 0.06, 1), (320, 0.05, 0.12, 4), (100, 0.1, 0.2, 1)]
)
def test_power_is_what_it_states(n: int, change: float, disagreement: float, checks: int) -> None:
    """The share of simulated sets whose p_below bears Holm's hardest step is the stated chance, to 3 points."""
    rng = np.random.default_rng(12)
    worse, better = (disagreement + change) / 2, (disagreement - change) / 2
    seen = []
    for lost, won, same in rng.multinomial(n, [worse, better, 1 - disagreement], size=2_500):
        gaps = np.repeat([-1.0, 1.0, 0.0], [lost, won, same])
        interval = stats.paired_interval(gaps, np.ones(n, dtype=np.int64))
        seen.append(stats.p_below(float(gaps.mean()), interval, 0.0) * checks <= 0.025)
    assert np.mean(seen) == pytest.approx(power(n, change, disagreement, checks), abs=0.03)


def test_planning_answers_agree_with_each_other() -> None:
    """The smallest change of a size, and the size for that change, are two readings of one curve."""
    least = smallest_change(500, 0.1)
    assert least is not None
    assert n_needed(least, 0.1) == pytest.approx(500, rel=0.03)
    assert power(500, least, 0.1) == pytest.approx(0.8, abs=0.01)
    assert smallest_change(20, 0.1) is None
