"""The line that says how far a run is.

    generate 412/1200, 0 failed, 310/s, 3 s left

On a terminal it rewrites itself a few times a second; in a log it is a new line every ten seconds and at the end.
"""

from __future__ import annotations

import sys
import time
from typing import Final

_TERMINAL_SECONDS: Final = 0.2
_LOG_SECONDS: Final = 10.0


class Progress:
    """Counts what is done and failed out of `total`, and shows it on stderr."""

    def __init__(self, label: str, total: int) -> None:
        """Start the clock; nothing is shown yet."""
        self._label = label
        self._total = total
        self._done = 0
        self._failed = 0
        self._terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    def step(self, *, failed: bool) -> None:
        """Count one more row, and show the line where it is time."""
        self._done += 1
        self._failed += failed
        if time.monotonic() - self._shown >= (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            self._show(end="" if self._terminal else "\n")

    def close(self) -> None:
        """Show the last state and leave the line."""
        self._show(end="\n")

    def _show(self, end: str) -> None:
        self._shown = time.monotonic()
        seconds = max(self._shown - self._started, 1e-6)
        rate = self._done / seconds
        left = f"{(self._total - self._done) / rate:.0f} s left" if rate else "no answer yet"
        line = f"{self._label} {self._done}/{self._total}, {self._failed} failed, {rate:.1f}/s, {left}"
        print(f"\r\x1b[K{line}" if self._terminal else line, end=end, file=sys.stderr, flush=True)
