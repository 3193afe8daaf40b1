"""How many items does it take? The chance that the gate sees a change of a given size on a set of a given size.

    python -m finsight_eval.power --change 0.03 --disagreement 0.06

    |    n | chance to see a change of 0.03 | smallest change seen with 80% |
    |  400 |                          0.691 |                         0.034 |

`disagreement` is the share of items that just one of the two models gets right. The chance is no approximation: every
possible outcome on n items is put before the gate's own rule, for a margin of nought; a margin forgives the drops that
are shown to lie within it, and so lowers the chance.
"""

from __future__ import annotations

import argparse
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

import numpy as np

from finsight_eval.errors import InputError, command
from finsight_eval.escape import table
from finsight_eval.stats import POWER, Z

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from finsight_eval.confusion import Figures

_NORMAL: Final = NormalDist()
#: Outcomes further from the expected one than this many standard deviations have a chance below 1e-8.
_REACH: Final = 6.0
_SIZES: Final = (100, 200, 320, 400, 800, 1_600, 3_200, 6_400)
_LEAST: Final = 32
_MOST: Final = 1_000_000


def power(n: int, change: float, disagreement: float, checks: int = 1) -> float:
    """Return the chance that a true `change` of a rate, over `n` items, is shown to be one.

    Args:
        n: items that both models answer.
        change: rate(second) - rate(first).
        disagreement: the share of items that just one of the two gets right, at least abs(change).
        checks: of the gate; the chance is that of Holm's hardest step, which any one check may have to take.

    Raises:
        InputError: a disagreement below the change, or shares that no two models can have.
    """
    if not abs(change) <= disagreement <= 1:
        raise InputError(
            f"disagreement is {disagreement:g}, from {abs(change):g} (the change itself) to 1 is possible; give the "
            "share of items that just one of the two models gets right"
        )
    worse, better = (disagreement + abs(change)) / 2, (disagreement - abs(change)) / 2
    lost, won = _range(n, worse), _range(n, better)
    chances = _trinomial(n, lost[:, None], won[None, :], worse, better)
    return float(chances[_shown(n, lost[:, None], won[None, :], checks)].sum())


def _range(n: int, share: float) -> NDArray[np.int64]:
    spread = _REACH * np.sqrt(n * share * (1 - share)) + _REACH
    return np.arange(max(0, int(n * share - spread)), min(n, int(n * share + spread)) + 1)


def _trinomial(n: int, lost: NDArray[np.int64], won: NDArray[np.int64], worse: float, better: float) -> Figures:
    """Return the chance of each number of items lost and won; 0 where their sum exceeds n."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    same, rest = n - lost - won, 1 - worse - better
    counted = ((lost, worse), (won, better), (np.maximum(same, 0), max(rest, 0.0)))
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 * log 0 is 0
        terms = [np.where(count == 0, 0.0, count * np.log(share)) for count, share in counted]
    total: Figures = logs[n] - logs[lost] - logs[won] - logs[np.maximum(same, 0)] + sum(terms)
    return np.where(same < 0, 0.0, np.exp(total))


def _shown(n: int, lost: NDArray[np.int64], won: NDArray[np.int64], checks: int) -> NDArray[np.bool_]:
    """Return where the gate says "worse": stats.paired_interval and stats.p_below at Holm's hardest step, at once."""
    mean = (won - lost) / (n + 2)
    spread = Z * np.sqrt(((lost + won + 2) / (n + 2) - mean**2) / (n + 2))
    value = (won - lost) / n
    needed = _NORMAL.inv_cdf(1 - (1 - _NORMAL.cdf(Z)) / checks)
    shown: NDArray[np.bool_] = (value < 0) & (-value * Z >= needed * (mean + spread - value))
    return shown


def smallest_change(n: int, disagreement: float, checks: int = 1) -> float | None:
    """Return the least change that `n` items show with 80 % power, to .0001; None where even the largest is not."""
    if power(n, disagreement, disagreement, checks) < POWER:
        return None
    low, high = 0.0, disagreement
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if power(n, middle, disagreement, checks) >= POWER else (middle, high)
    return high


def n_needed(change: float, disagreement: float, checks: int = 1) -> int | None:
    """Return about how many items show `change` with 80 % power (to 1 %); None where a million do not."""
    high = _LEAST
    while power(high, change, disagreement, checks) < POWER:
        high *= 2
        if high > _MOST:
            return None
    low = high // 2 if high > _LEAST else 0
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle, change, disagreement, checks) >= POWER else (middle, high)
    return high


def plan(change: float, disagreement: float, checks: int, sizes: Sequence[int]) -> str:
    """Return the table of what sets of these sizes can show."""
    rows = []
    for n in sizes:
        least = smallest_change(n, disagreement, checks)
        seen = f"{power(n, change, disagreement, checks):.3f}"
        rows.append((f"{n:,}", seen, f"{least:.3f}" if least is not None else "none"))
    head = ("n", f"chance to see a change of {change:g}", f"smallest change seen with {POWER:.0%}")
    return table(head, rows, numbers=3)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Print what sets of several sizes can show; returns the exit code."""
    parser = argparse.ArgumentParser(description="Plan a benchmark's size: which changes can the gate see on n items?")
    parser.add_argument("--change", type=float, default=0.03, help="true change of a rate (default: 0.03)")
    parser.add_argument(
        "--disagreement", type=float, default=0.10, help="share of items that just one model gets right (default: 0.10)"
    )
    parser.add_argument("--checks", type=int, default=1, help="checks of the gate, for Holm's correction (default: 1)")
    parser.add_argument("--n", type=int, nargs="*", default=list(_SIZES), help="sizes (default: 100 to 6,400)")
    options = parser.parse_args(argv)
    if options.change == 0 or options.checks < 1 or min(options.n, default=0) < 1:
        raise InputError("--change is not 0, --checks and every --n are at least 1")
    print(plan(options.change, options.disagreement, options.checks, options.n))
    needed = n_needed(options.change, options.disagreement, options.checks)
    enough = f"about {needed:,} items" if needed else f"not even {_MOST:,} items"
    print(f"\nFor a chance of {POWER:.0%} to see {options.change:g}: {enough}.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
