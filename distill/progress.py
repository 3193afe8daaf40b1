"""The line that says how far a run is.

    generate 412/1,200, 3 failed, 310.2/s, 64 of 64 in flight, 812k tokens, 0.0213 of 2.00 USD, 3 s left

On a terminal it rewrites itself a few times a second; in a log it is a new line every ten seconds and at the end.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from distill.pricing import usage_of

if TYPE_CHECKING:
    from distill.asking import Purse
    from distill.window import Window

_TERMINAL_SECONDS: Final = 0.2
_LOG_SECONDS: Final = 10.0


class Progress:
    """Counts what is answered and failed out of `total`, and shows it on stderr."""

    def __init__(self, label: str, total: int) -> None:
        """Start the clock; nothing is shown yet. `total` counts questions that may turn out to be stored already."""
        self.trouble = ""
        self._label, self._total = label, total
        self._answered = self._failed = self._tokens = 0
        self._terminal = sys.stderr.isatty()
        self._every = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        self._started = self._shown = time.monotonic()

    def answered(self, response: dict[str, Any]) -> None:
        """Count one more answer and its tokens."""
        self._answered += 1
        if used := usage_of(response):
            self._tokens += used.prompt + used.completion

    def failed(self) -> None:
        """Count one more row without an answer."""
        self._failed += 1

    def show(self, window: Window, purse: Purse) -> None:
        """Show the line where it is time."""
        now = time.monotonic()
        if now - self._shown >= self._every:
            self._write(window, purse, end="" if self._terminal else "\n")

    def close(self, window: Window, purse: Purse) -> None:
        """Show the last state and leave the line."""
        self._write(window, purse, end="\n")

    def _write(self, window: Window, purse: Purse, end: str) -> None:
        self._shown = time.monotonic()
        line = self.line(window, purse, max(self._shown - self._started, 1e-6))
        width = shutil.get_terminal_size().columns - 1
        print(f"\r\x1b[K{line[:width]}" if self._terminal else line, end=end, file=sys.stderr, flush=True)

    def line(self, window: Window, purse: Purse, seconds: float) -> str:
        """Return the line as of `seconds` after the start."""
        done = self._answered + self._failed
        rate = done / seconds
        flight = f"{window.in_flight:,} of {window.limit:,} in flight"
        if window.limit < window.most:
            flight += f" (of {window.most:,}: {self.trouble})"
        parts = [
            f"{self._label} {done:,}/{self._total:,}",
            f"{self._failed:,} failed",
            f"{rate:.1f}/s",
            flight,
            f"{_short(self._tokens)} tokens",
            purse.line(),
            f"{_time((self._total - done) / rate)} left" if rate else f"no answer yet {self.trouble}".rstrip(),
        ]
        return ", ".join(parts)


def _short(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1e3:.0f}k" if count < 10_000_000 else f"{count / 1e6:.1f}M"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )
