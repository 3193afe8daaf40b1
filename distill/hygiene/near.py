"""Near-equal texts among hundreds of thousands, without comparing all pairs and with a few bytes each.

    finder = Near(); finder.add(gram_hashes(a)); finder.add(gram_hashes(b)); ...
    finder.candidates(rows) -> (1, [0]), (7, [2, 5])      row 7 resembles row 2 or row 5, perhaps

Each text leaves 32 numbers, one for every four slots of a MinHash signature (rensa's): two texts that share 70 % of
their grams agree in one of them in all but 2 of 10,000 cases, at 50 % in 87 of 100. What is found here is a candidate
only; the caller compares the texts themselves. Of many texts with one number each is paired with the first and with the
one before it, so that a wire's daily template costs no square of its length.
"""

from __future__ import annotations

from array import array
from itertools import groupby
from typing import TYPE_CHECKING, Final

import numpy as np
import rensa

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

BANDS: Final = 32
_SLOTS_PER_BAND: Final = 4
_SEED: Final = 7
_BATCH: Final = 512
_PRIME: Final = np.uint64(0x100000001B3)


class Near:
    """The bands of the texts added so far."""

    def __init__(self) -> None:
        """Begin with no text."""
        self._waiting: list[NDArray[np.uint64]] = []
        self._bands = array("I")  # one after the other: a list of arrays would need as much again to be joined

    def add(self, grams: NDArray[np.uint64]) -> None:
        """Add the next text by its gram hashes."""
        self._waiting.append(grams)
        if len(self._waiting) >= _BATCH:
            self._sign()

    def _sign(self) -> None:
        if self._waiting:
            self._bands.frombytes(bands(self._waiting).tobytes())
            self._waiting = []

    def candidates(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, list[int]]]:
        """Yield (row, earlier rows that it may resemble), among `rows` (ascending numbers of added texts)."""
        self._sign()
        if not self._bands:
            return
        table = np.frombuffer(self._bands, dtype=np.uint32).reshape(-1, BANDS)
        pairs = np.array([], dtype=np.int64)
        for band in range(BANDS):  # a pair is one number, and a band's pairs are merged before the next band's are made
            pairs = np.unique(np.concatenate([pairs, _paired(table[rows, band], rows, len(table))]))
        for later, group in groupby(pairs, lambda pair: int(pair) // len(table)):
            yield later, [int(pair) % len(table) for pair in group]


def bands(texts: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint32]:
    """Return one row of band numbers for each text."""
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.uint64)
    matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
        np.concatenate(texts), offsets, BANDS * _SLOTS_PER_BAND, _SEED
    )
    slots = np.array(matrix.to_rows(), dtype=np.uint64).reshape(len(texts), BANDS, _SLOTS_PER_BAND)
    folded = np.zeros((len(texts), BANDS), dtype=np.uint64)
    for slot in range(_SLOTS_PER_BAND):
        folded = (folded ^ slots[:, :, slot]) * _PRIME
    return (folded ^ (folded >> np.uint64(32))).astype(np.uint32)


def _paired(numbers: NDArray[np.uint32], rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return later row * `count` + earlier row where a number stands twice: the first such row, and the one before."""
    order = np.argsort(numbers, kind="stable")
    ranked = numbers[order]
    again = np.flatnonzero(ranked[1:] == ranked[:-1]) + 1
    starts = np.searchsorted(ranked, ranked[again])
    later = rows[order[again]] * count
    return np.concatenate([later + rows[order[starts]], later + rows[order[again - 1]]])
