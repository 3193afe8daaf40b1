"""How many requests may be in flight: as many as the recipe allows, fewer while the endpoint turns them away.

    window = Window(1024); epoch = window.sent(); ...; window.came(epoch, lost=True)     window.limit -> 512

Loss is what the endpoint says when it is asked too much: 429, 503, `insufficient_system_resource`. A few in a hundred
are the weather and change nothing. Where more than 15 in a hundred of a window's requests are lost it shrinks by their
share, to a half at most, and grows again by an eighth with every window that comes back well. Requests that left before
a change say nothing about it and are not counted. Nobody else waits: only the lost ones pause.
"""

from __future__ import annotations

from typing import Final

_BEARABLE: Final = 0.15
_LEAST_SEEN: Final = 20
#: A provider caches a shared prefix from about the third request on.
WARM_UP: Final = 3


class Window:
    """The limit, and how many are in flight under it."""

    def __init__(self, most: int, *, warm_up: bool = False) -> None:
        """Start wide open; with `warm_up` the first three requests go one after another."""
        self.most = most
        self.limit = 1 if warm_up else most
        self.in_flight = 0
        self.losses = 0
        self._warming = WARM_UP if warm_up else 0
        self._epoch = 0
        self._seen = self._lost = 0

    @property
    def open(self) -> bool:
        return self.in_flight < self.limit

    def sent(self) -> int:
        """Count one more in flight and return the epoch that `came` wants back."""
        self.in_flight += 1
        return self._epoch

    def came(self, epoch: int, *, lost: bool) -> None:
        """Count one that is no longer in flight, and move the limit where a window has come round."""
        self.in_flight -= 1
        self.losses += lost
        if self._warming:
            self._warming -= 1
            self.limit = 1 if self._warming else self.most
            return
        if epoch != self._epoch:
            return
        self._seen += 1
        self._lost += lost
        if self._seen >= max(self.limit, _LEAST_SEEN):
            self._move(self._lost / self._seen)

    def _move(self, share: float) -> None:
        self._seen = self._lost = 0
        if share > _BEARABLE:
            self.limit = max(1, int(self.limit * max(0.5, 1 - share)))
            self._epoch += 1
        elif self.limit < self.most:
            self.limit = min(self.most, self.limit + max(1, self.limit // 8))
            self._epoch += 1
