"""Statistics: known values, and intervals that cover as often as they say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from finsight_eval import confusion, stats

#: A confusable three-class task with some unanswered items, as shares of 100.
TASK = np.array([[30, 3, 2, 1], [4, 22, 4, 1], [1, 3, 28, 1]])


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(270, 300, 0.8608, 0.9291), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_wilson_gives_the_textbook_values(hits: int, n: int, low: float, high: float) -> None:
    """Reference values of Wilson's score interval."""
    assert stats.wilson(hits, n) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(
    ("lost", "won", "p"), [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (2, 10, 0.0386), (10, 2, 0.0386)]
)
def test_mcnemar_is_the_exact_binomial_test(lost: int, won: int, p: float) -> None:
    """2 * P(X <= fewer), X binomial with a half, and never above 1."""
    exact = min(1.0, 2 * sum(math.comb(lost + won, i) for i in range(min(lost, won) + 1)) / 2 ** (lost + won))
    assert stats.mcnemar(lost, won) == pytest.approx(exact)
    assert stats.mcnemar(lost, won) == pytest.approx(p, abs=1e-4)


def test_mcnemar_bears_large_sets() -> None:
    """Hundreds of thousands of disagreements neither overflow nor vanish."""
    assert 0.9 < stats.mcnemar(200_000, 200_000) <= 1.0
    assert stats.mcnemar(100_000, 300_000) == 0.0


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.01], [0.01]),
        ([0.5, 0.9], [1.0, 1.0]),
        ([0.02, 0.001, 0.02, 0.8], [0.06, 0.004, 0.06, 0.8]),
        ([], []),
    ],
)
def test_holm_steps_down(given: list[float], adjusted: list[float]) -> None:
    """The smallest p times all, the next times one fewer, and never below an earlier one (Holm 1979)."""
    assert stats.holm(given) == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("value", "bound", "p"),
    [(0.5, 0.6, 0.025), (0.5, 0.4, 0.975), (0.5, 0.5, 0.5), (0.5, 0.7, 4.4e-5), (0.5, 0.55, 0.1635)],
)
def test_p_and_interval_never_contradict(value: float, bound: float, p: float) -> None:
    """The end of the interval is where p is .025; a symmetric interval gives the normal's p."""
    assert stats.p_below(value, stats.Interval(0.4, 0.6), bound) == pytest.approx(p, rel=0.02)


def test_the_halves_of_an_interval_stand_for_themselves() -> None:
    """A long lower half says nothing about how far a bound above may lie, and a width of nought is certainty."""
    assert stats.p_below(0.9, stats.Interval(0.5, 0.95), 0.95) == pytest.approx(0.025)
    assert stats.p_below(0.9, stats.Interval(0.5, 0.95), 0.5) == pytest.approx(0.975)
    assert stats.p_below(1.0, stats.Interval(1.0, 1.0), 0.9) == 1.0
    assert stats.p_below(0.0, stats.Interval(0.0, 0.0), 0.9) == 0.0


def test_n_to_decide_grows_with_the_square() -> None:
    """Half the distance needs four times the items; no distance is never decided."""
    interval = stats.Interval(0.80, 0.90)
    near, far = (stats.n_to_decide(0.85, interval, bound, 200) for bound in (0.84, 0.83))
    assert near == pytest.approx(4 * far if far else 0, rel=0.01)
    assert stats.n_to_decide(0.85, interval, 0.85, 200) is None


def test_a_gate_of_many_checks_raises_few_false_alarms() -> None:
    """Seven gains over an equal model: uncorrected one gate in seven regresses, after Holm at most one in forty."""
    rng = np.random.default_rng(12)
    alarms, raw = 0, 0
    for _ in range(1500):
        won, lost = rng.binomial(30, 0.5, size=7), 30
        intervals = [stats.paired_rate_interval(lost - w, w, 300) for w in won]
        p = [stats.p_below((2 * w - lost) / 300, i, 0.0) for w, i in zip(won, intervals, strict=True)]
        raw += min(p) <= 0.025
        alarms += min(stats.holm(p)) <= 0.025
    assert raw / 1500 > 0.08
    assert alarms / 1500 <= 0.03


def covered(n: int, repeats: int = 300) -> float:
    """Return how often the bootstrap interval of macro F1 covers the truth, drawing `n` items `repeats` times."""
    rng = np.random.default_rng(4)
    truth = float(confusion.macro_f1(TASK))
    hits = 0
    for _ in range(repeats):
        counts = rng.multinomial(n, TASK.ravel() / TASK.sum()).reshape(TASK.shape)
        interval = stats.bootstrap(counts, confusion.macro_f1, rng, draws=400)
        hits += interval is not None and interval.low <= truth <= interval.high
    return hits / repeats


def test_bootstrap_intervals_of_f1_cover_as_stated() -> None:
    """95 % intervals cover the true F1 in 92-98 % of 300 simulated sets (the simulation itself varies by 1.3 %)."""
    assert 0.92 <= covered(300) <= 0.98


def test_wilson_intervals_cover_as_stated() -> None:
    """Averaged over rates from .05 to .95, 95 % intervals of 68 items cover 94-97 %."""
    rng = np.random.default_rng(8)
    hits = []
    for rate in np.linspace(0.05, 0.95, 19):
        intervals = [stats.wilson(int(k), 68) for k in rng.binomial(68, rate, 400)]
        hits.append(np.mean([one.low <= rate <= one.high for one in intervals]))
    assert 0.94 <= float(np.mean(hits)) <= 0.97


def test_paired_intervals_raise_a_false_alarm_in_one_of_twenty() -> None:
    """Two equally good models: nought lies outside the interval in at most 6.5 % of 1,000 simulated sets."""
    rng = np.random.default_rng(2)
    cells = rng.multinomial(300, [0.8, 0.06, 0.06, 0.08], size=1_000)
    outside = 0
    for _, lost, won, _ in cells:
        interval = stats.paired_rate_interval(int(lost), int(won), 300)
        outside += interval.low > 0 or interval.high < 0
    assert outside / 1_000 <= 0.065


def test_paired_bootstraps_raise_hardly_more_false_alarms_than_stated() -> None:
    """Two models with the same chances on every item: F1 seems to differ in at most 8 % of 1,000 sets of 300.

    The stated level is 5 %, the measured one 5.7 % (24,700 other sets); the bound lies three standard errors of this
    simulation (0.73 %) above it.
    """
    rng = np.random.default_rng(6)
    chances = TASK / TASK.sum(axis=1, keepdims=True)
    joint = (TASK.sum(axis=1)[:, None, None] * chances[:, :, None] * chances[:, None, :]).ravel()
    outside = 0
    for _ in range(1_000):
        cube = rng.multinomial(300, joint / joint.sum()).reshape(3, 4, 4)
        interval = stats.paired_bootstrap(cube, confusion.macro_f1, rng, draws=400)
        outside += interval is not None and (interval.low > 0 or interval.high < 0)
    assert outside / 1_000 <= 0.08


def test_paired_intervals_are_narrower_than_independent_ones() -> None:
    """Models that agree on most items are told apart better in pairs: that is why the comparison is paired."""
    same = np.zeros((3, 4, 4), dtype=np.int64)
    for gold, said in np.ndindex(3, 4):
        same[gold, said, said] = TASK[gold, said] * 3
    same[0, 0, 1] = 5
    rng = np.random.default_rng(0)
    paired = stats.paired_bootstrap(same, confusion.macro_f1, rng)
    alone = stats.bootstrap(same.sum(axis=-1), confusion.macro_f1, rng)
    assert paired is not None
    assert alone is not None
    assert paired.high - paired.low < (alone.high - alone.low) / 2


@pytest.mark.parametrize(("hits", "end"), [(10, 1.0), (0, 0.0)])
def test_a_saturated_figure_does_not_look_certain(hits: int, end: float) -> None:
    """All right or all unanswered: the bootstrap has no width, Wilson's interval stands in."""
    counts = np.zeros((3, 4), dtype=np.int64)
    counts[0, 0 if hits else 3] = counts[1, 1 if hits else 3] = counts[2, 2 if hits else 3] = 10
    interval = stats.bootstrap(counts, confusion.macro_f1, np.random.default_rng(0))
    assert interval is not None
    assert interval.high - interval.low > 0.1
    assert end in interval


def test_a_difference_of_two_saturated_figures_has_width() -> None:
    """All wrong against all right over 30 items is a certain gain, of uncertain size."""
    cube = np.zeros((3, 4, 4), dtype=np.int64)
    for label in range(3):
        cube[label, 3, label] = 10
    interval = stats.paired_bootstrap(cube, confusion.macro_f1, np.random.default_rng(0))
    assert interval is not None
    assert 0.8 < interval.low < 1.0
    assert interval.high == 1.0


def test_the_smallest_detectable_difference_is_found_with_the_stated_power() -> None:
    """At that difference, the paired interval excludes nought in about 80 % of simulated sets."""
    rng = np.random.default_rng(3)
    least = stats.smallest_detectable(stats.paired_rate_interval(30, 30, 500))
    shares = [0.06 - least / 2, 0.06 + least / 2]
    cells = rng.multinomial(500, [*shares, 1 - sum(shares)], size=2_000)
    found = np.mean([stats.paired_rate_interval(int(a), int(b), 500).low > 0 for a, b, _ in cells])
    assert 0.76 <= float(found) <= 0.84
