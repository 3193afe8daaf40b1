"""Where answers stand: keys of 32 hexadecimal digits to places, in 24 bytes or so a key.

    places = Places(); places.add("9c1f...", 81_234); list(places.candidates("9c1f...")) -> [81234]

A dict of 200,000 keys takes 30 MB. This is an open table of 64-bit fingerprints: two keys may share one (a chance of
one in a thousand million at 200,000 keys), so it answers with candidates, which the caller compares with the key that
stands at the place.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SMALLEST: Final = 1 << 10


class Places:
    """A table that doubles whenever three quarters of it are taken; places are kept + 1, for 0 is a place, too."""

    def __init__(self) -> None:
        """Start empty."""
        self._count = 0
        self._prints = _zeros(_SMALLEST)
        self._places = _zeros(_SMALLEST)

    def __len__(self) -> int:
        return self._count

    def add(self, key: str, place: int) -> None:
        """Note that `key` stands at `place`."""
        if 4 * self._count >= 3 * len(self._prints):
            self._grow()
        self._put(int(key[:16], 16), place + 1)
        self._count += 1

    def candidates(self, key: str) -> Iterator[int]:
        """Yield the places whose fingerprint is that of `key`."""
        prints, places = self._prints, self._places
        wanted, last = int(key[:16], 16), len(prints) - 1
        slot = wanted & last
        while places[slot]:
            if prints[slot] == wanted:
                yield places[slot] - 1
            slot = (slot + 1) & last

    def __iter__(self) -> Iterator[int]:
        """Yield all places, in no order."""
        return (place - 1 for place in self._places if place)

    def _put(self, fingerprint: int, kept: int) -> None:
        places, last = self._places, len(self._places) - 1
        slot = fingerprint & last
        while places[slot]:
            slot = (slot + 1) & last
        self._prints[slot], places[slot] = fingerprint, kept

    def _grow(self) -> None:
        old = zip(self._prints, self._places, strict=True)
        size = 2 * len(self._prints)
        self._prints, self._places = _zeros(size), _zeros(size)
        for fingerprint, kept in old:
            if kept:
                self._put(fingerprint, kept)


def _zeros(count: int) -> array[int]:
    return array("Q", bytes(8 * count))
