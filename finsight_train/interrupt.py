"""Ctrl-C and SIGTERM, as a scheduler sends it: the step is finished and saved first; a second one acts at once."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def asked_to_stop() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM or Ctrl-C sets; a second one acts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, _frame: Any) -> None:
        asked.set()
        signal.signal(number, before[number])

    kinds = (signal.SIGINT, signal.SIGTERM)
    before: dict[int, Callable[..., Any] | int | None] = {kind: signal.getsignal(kind) for kind in kinds}
    for kind in kinds:
        signal.signal(kind, note)
    try:
        yield asked
    finally:
        for kind in kinds:
            signal.signal(kind, before[kind])
