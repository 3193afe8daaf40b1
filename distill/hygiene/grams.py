"""The distinct character 5-grams of a text as numbers: one array operation instead of a string for each.

    gram_hashes("halden cuts") -> array([ 583..., 911..., ...], dtype=uint64), sorted, each once

Texts are first reduced to letters and digits (`finsight_eval.exposing.similar.normal`). A number stands for one gram:
two different grams share one in fewer than one of 10^10 comparisons, and whatever is removed is compared as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from finsight_eval.exposing.similar import GRAM

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Odd constants of the 64-bit mixing function splitmix64; sums and products wrap around.
_BASE: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def gram_hashes(flat: str) -> NDArray[np.uint64]:
    """Return the hashes of the distinct 5-grams of a normal text, sorted; a shorter text is one gram."""
    points = np.frombuffer(flat.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    width = max(1, min(GRAM, len(points)))
    count = max(1, len(points) - width + 1)
    rolled = np.zeros(count, dtype=np.uint64)
    for place in range(min(width, len(points))):
        rolled = rolled * _BASE + points[place : place + count] + np.uint64(1)
    return np.unique(_mixed(rolled))


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return `values` spread over all 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def jaccard(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """Return the grams that two texts share, as a share of all grams of both."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)
