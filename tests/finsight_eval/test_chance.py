"""The p values hold what they promise: exact ones equal the exact sums, approximate ones keep their level in draws."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from finsight_eval.exposing.chance import binomial_p, difference_p, excess_p, kappa


@pytest.mark.parametrize(
    ("hits", "n", "share"), [(3, 10, (1, 5)), (10, 10, (1, 2)), (60, 320, (1, 10)), (320, 320, (4, 5))]
)
def test_the_binomial_p_is_exact(hits: int, n: int, share: tuple[int, int]) -> None:
    """The sum of the upper tail, in fractions."""
    p = Fraction(*share)
    exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(hits, n + 1))
    assert binomial_p(hits, n, float(p)) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (0, 10), (5, 10)])
def test_no_more_than_expected_is_no_finding(hits: int, n: int) -> None:
    """A share of a half or less, and an empty set, say nothing."""
    assert binomial_p(hits, n, 0.5) == 1.0


def test_an_empty_group_has_no_difference() -> None:
    """Neither group may be empty."""
    assert difference_p(3, 3, 0, 0, 0.1) == difference_p(0, 0, 3, 3, 0.1) == 1.0


@pytest.mark.parametrize(
    ("n", "other", "rate"), [(213, 109, 0.2), (40, 280, 0.3), (10, 310, 0.5), (10, 310, 0.2), (300, 12, 0.7)]
)
def test_the_difference_keeps_its_level(n: int, other: int, rate: float) -> None:
    """Where the true difference is the margin itself, p falls below .05 and .001 no more often than that, roughly."""
    rng = np.random.default_rng(7)
    draws = [
        difference_p(int(rng.binomial(n, rate + 0.1)), n, int(rng.binomial(other, rate)), other, 0.1)
        for _ in range(4_000)
    ]
    assert np.mean(np.array(draws) < 0.05) <= 0.06
    assert np.mean(np.array(draws) < 0.001) <= 0.002


def test_the_excess_keeps_its_level() -> None:
    """Events of different chances: p falls below .05 in at most one draw of twenty."""
    rng = np.random.default_rng(7)
    chances = np.linspace(0.05, 0.6, 120)
    draws = [excess_p(int((rng.random(120) < chances).sum()), chances.tolist()) for _ in range(4_000)]
    assert np.mean(np.array(draws) < 0.05) <= 0.055
    assert (excess_p(0, []), excess_p(2, [1.0, 1.0]), excess_p(3, [1.0, 1.0])) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize("agreed", [0.0, 0.2, 0.6])
def test_kappas_interval_covers(agreed: float) -> None:
    """Over draws of 320 answers the 95 % interval holds the true kappa in 93 to 97 %."""
    rng = np.random.default_rng(11)
    cells = np.full((3, 3), (1 - agreed) / 9) + np.eye(3) * agreed / 3
    held = 0
    for counts in rng.multinomial(320, cells.ravel(), size=2_000).reshape(-1, 3, 3):
        found = kappa(np.hstack([counts, np.zeros((3, 1), dtype=np.int64)]))
        assert found is not None
        held += found.interval().low <= agreed <= found.interval().high
    assert 0.93 <= held / 2_000 <= 0.97


def test_one_label_for_all_has_a_kappa_of_nought_without_doubt() -> None:
    """The answers do not vary, so neither does kappa; where gold does not either, there is none."""
    found = kappa(np.array([[0, 50, 0, 2], [0, 60, 0, 0], [0, 40, 0, 0]]))
    assert found is not None
    assert (found.value, found.error, found.n) == (0.0, 0.0, 150)
    assert (found.p_at_least(0.2), found.p_at_least(0.0)) == (0.0, 1.0)
    assert kappa(np.array([[0, 0, 0, 0], [0, 60, 0, 0], [0, 0, 0, 0]])) is None
