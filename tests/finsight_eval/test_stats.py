"""Statistics in closed form: known values, and powers that are what they say."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import pytest

from finsight_eval import stats
from finsight_eval.clusters import Sums

if TYPE_CHECKING:
    from finsight_eval.clusters import Numbers


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(270, 300, 0.8608, 0.9291), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 2, 0.0945, 0.9055)],
)
def test_wilson_gives_the_textbook_values(hits: int, n: int, low: float, high: float) -> None:
    """Reference values of Wilson's score interval."""
    assert stats.wilson(hits, n) == pytest.approx((low, high), abs=5e-4)


def signs(lost: int, won: int, same: int = 0) -> Numbers:
    """Return the differences of items of which the first model alone, the second alone, or neither alone was right."""
    return np.repeat([-1, 1, 0], [lost, won, same])


def paired(lost: int, won: int, n: int) -> stats.Interval:
    """Return the paired interval of n items that stand for themselves."""
    sums = signs(lost, won, n - lost - won)
    return stats.paired_interval(sums.astype(float), np.ones(n, dtype=np.int64))


@pytest.mark.parametrize(
    ("lost", "won", "p"), [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (2, 10, 0.0386), (10, 2, 0.0386)]
)
def test_sign_flips_of_single_items_are_mcnemars_exact_test(lost: int, won: int, p: float) -> None:
    """2 * P(X <= fewer), X binomial with a half, and never above 1."""
    exact = min(1.0, 2 * sum(math.comb(lost + won, i) for i in range(min(lost, won) + 1)) / 2 ** (lost + won))
    assert stats.sign_flip(signs(lost, won, 7)) == pytest.approx(exact)
    assert stats.sign_flip(signs(lost, won)) == pytest.approx(p, abs=1e-4)


@pytest.mark.parametrize("sums", [[2, -1, 1, 2], [1, 1, 1], [3, -2, -2, 1, 1], [2, 2, -2, 1, -1, 2, 1]])
def test_sign_flips_of_clusters_are_counted_exactly(sums: list[int]) -> None:
    """The p is the share of all assignments of signs whose total is as far from nought."""
    totals = [abs(sum(s * v for s, v in zip(flips, sums, strict=True))) for flips in product((-1, 1), repeat=len(sums))]
    exact = sum(total >= abs(sum(sums)) for total in totals) / len(totals)
    assert stats.sign_flip(np.array(sums)) == pytest.approx(exact)


def test_sign_flips_bear_large_sets() -> None:
    """Tens of thousands of disagreements neither overflow nor vanish."""
    assert 0.9 < stats.sign_flip(signs(30_000, 30_000)) <= 1.0
    assert stats.sign_flip(signs(10_000, 30_000)) < 1e-9


@pytest.mark.parametrize(("lost", "won", "n"), [(0, 0, 10), (3, 9, 40), (30, 30, 500)])
def test_the_paired_interval_of_single_items_is_bonett_and_prices(lost: int, won: int, n: int) -> None:
    """Their formula, written out: one item more of each kind of disagreement, n + 2 in all."""
    one, two = (lost + 1) / (n + 2), (won + 1) / (n + 2)
    spread = 1.959964 * math.sqrt((one + two - (two - one) ** 2) / (n + 2))
    assert paired(lost, won, n) == pytest.approx((two - one - spread, two - one + spread), abs=1e-6)


def test_items_that_go_together_say_less() -> None:
    """Twenty pairs that are right or wrong together are twenty answers, not forty; half and half in each says more."""
    sizes = np.full(20, 2)
    together = stats.rate_interval(Sums(np.repeat([2.0, 0.0], 10), sizes))
    alone = stats.rate_interval(Sums(np.repeat([1.0, 0.0], 20), np.ones(40, dtype=np.int64)))
    mixed = stats.rate_interval(Sums(np.repeat([1.0, 2.0, 0.0], [16, 2, 2]), sizes))
    assert alone == stats.wilson(20, 40)
    assert together == pytest.approx(stats.wilson(10, 20), abs=0.02)
    assert mixed.high - mixed.low < alone.high - alone.low < together.high - together.low


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_values_without_variance_do_not_look_certain(value: float) -> None:
    """All right, all wrong, or the same half in every pair: an interval as wide as that of one answer a cluster."""
    found = stats.rate_interval(Sums(np.full(12, 2 * value), np.full(12, 2)))
    assert found == stats.wilson(12 * value, 12)


@pytest.mark.parametrize(("freedom", "point"), [(1, 12.706), (2, 4.303), (3, 3.182), (9, 2.262), (79, 1.990)])
def test_student_gives_the_textbook_values(freedom: int, point: float) -> None:
    """Reference values of the 97.5 % point."""
    assert stats.student(freedom) == pytest.approx(point, rel=0.002)


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
    near, far = (stats.n_to_decide(gap, interval, 200) for gap in (0.01, 0.02))
    assert near == pytest.approx(4 * far if far else 0, rel=0.01)
    assert stats.n_to_decide(0.0, interval, 200) is None


def test_a_gate_of_many_checks_raises_few_false_alarms() -> None:
    """Seven gains over an equal model: uncorrected one gate in seven regresses, after Holm at most one in forty."""
    rng = np.random.default_rng(12)
    alarms, raw = 0, 0
    for _ in range(1500):
        won, lost = rng.binomial(30, 0.5, size=7), 30
        intervals = [paired(lost - w, w, 300) for w in won]
        p = [stats.p_below((2 * w - lost) / 300, i, 0.0) for w, i in zip(won, intervals, strict=True)]
        raw += min(p) <= 0.025
        alarms += min(stats.holm(p)) <= 0.025
    assert raw / 1500 > 0.08
    assert alarms / 1500 <= 0.03


def test_wilson_intervals_cover_as_stated() -> None:
    """Averaged over rates from .05 to .95, 95 % intervals of 68 items cover 94-97 %."""
    rng = np.random.default_rng(8)
    hits = []
    for rate in np.linspace(0.05, 0.95, 19):
        intervals = [stats.wilson(int(k), 68) for k in rng.binomial(68, rate, 400)]
        hits.append(np.mean([one.low <= rate <= one.high for one in intervals]))
    assert 0.94 <= float(np.mean(hits)) <= 0.97


def test_the_smallest_detectable_difference_is_found_with_the_stated_power() -> None:
    """At that difference, the paired interval excludes nought in about 80 % of simulated sets."""
    rng = np.random.default_rng(3)
    least = stats.smallest_detectable(paired(30, 30, 500))
    shares = [0.06 - least / 2, 0.06 + least / 2]
    cells = rng.multinomial(500, [*shares, 1 - sum(shares)], size=2_000)
    found = np.mean([paired(int(a), int(b), 500).low > 0 for a, b, _ in cells])
    assert 0.76 <= float(found) <= 0.84


@pytest.mark.parametrize(
    ("t", "freedom", "p"),
    [(0.0, 1, 0.5), (12.706, 1, 0.025), (4.303, 2, 0.025), (3.182, 3, 0.025), (2.262, 9, 0.025), (1.984, 100, 0.025)],
)
def test_the_tail_of_student_has_the_textbook_values(t: float, freedom: int, p: float) -> None:
    """Reference values; the other tail is the rest."""
    assert stats.student_tail(t, freedom) == pytest.approx(p, rel=0.002)
    assert stats.student_tail(-t, freedom) == pytest.approx(1 - p, rel=0.002)


@pytest.mark.parametrize(("sd", "runs"), [(0.1, 2), (0.02, 3)])
def test_noise_of_few_runs_keeps_holms_level(sd: float, runs: int) -> None:
    """Seven checks, no change, noise measured by few runs: the gate regresses in at most 5 % of 250 simulations."""
    rng, alarms = np.random.default_rng(13), 0
    for _ in range(250):
        p = []
        for lost, won, _same in rng.multinomial(320, [0.05, 0.05, 0.9], size=7):
            value = (won - lost) / 320 + rng.normal(0, sd) - rng.normal(0, sd)
            item = paired(lost, won, 320)
            noise = stats.Spread(float(np.std(rng.normal(0, sd, runs), ddof=1)) * 2**0.5, runs - 1)
            half = math.hypot((item.high - item.low) / 2, stats.half_width(noise))
            p.append(stats.p_below(value, stats.Interval(value - half, value + half), 0.0, noise))
        alarms += min(stats.holm(p)) <= 0.025
    assert alarms / 250 <= 0.05


def test_more_items_do_not_help_against_noise() -> None:
    """Only the items' part of the variance shrinks: what noise alone covers is decided by no number of items."""
    interval = stats.Interval(-0.1, 0.1)
    few = stats.n_to_decide(0.08, interval, 300)
    more = stats.n_to_decide(0.08, interval, 300, 1, 0.03)
    assert few is not None
    assert more is not None
    assert few < more
    assert stats.n_to_decide(0.05, interval, 300, 1, 0.04) is None
