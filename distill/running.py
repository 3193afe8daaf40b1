"""What happens between a question and its row in the journal.

    run.pump(client)     starts requests for as long as the window is open, lost ones first

A slow row holds up nobody, and a row that pauses (jittered and doubling, or for as long as Retry-After says) leaves its
place to others. Questions are drawn one by one, when there is room for them, so memory does not grow with the corpus.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from distill.client import Client, Endpoint, Later
from distill.window import Window
from finsight_eval import prompt
from finsight_eval.parse import Failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distill.asking import Ask, Purse
    from distill.progress import Progress
    from distill.store import Store

#: The first retries follow at once, the last ones leave an overloaded endpoint half a minute.
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 30.0
_LONGEST_RETRY_AFTER: Final = 300.0


@dataclass(slots=True)
class _Row:
    """One question on its way."""

    ask: Ask
    began: float = field(default_factory=time.monotonic)
    attempts: int = 0


class Run:
    """What all requests of one run share."""

    def __init__(self, store: Store, asks: Iterator[Ask], endpoint: Endpoint, progress: Progress, purse: Purse) -> None:
        """Draw from `asks`; nothing is asked before `pump`."""
        self._store, self._asks, self._endpoint = store, asks, endpoint
        self._rng = random.Random(endpoint.seed)  # of pauses
        self._progress, self._purse = progress, purse
        self._prompt = prompt.fingerprint()
        self.window = Window(endpoint.concurrency, warm_up=purse.warms_up)
        self._under_way: dict[str, _Row] = {}
        self._due: deque[_Row] = deque()
        self._pausing = 0
        self._exhausted = False
        self._held: Ask | None = None
        self.failed: dict[str, str] = {}
        self.error: BaseException | None = None
        self.stopping = False
        self.done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def pump(self, client: Client) -> None:
        """Start requests while the window is open, and note when all is done."""
        try:
            while not self.stopping and self.window.open and (row := self._next()):
                task = asyncio.create_task(self._once(client, row, self.window.sent()))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except Exception as error:  # noqa: BLE001 - raised again once what is in flight has arrived
            self.stop(error)
        if not self.window.in_flight and not self._pausing and not self.stopping:
            while self._due:  # nothing comes back that could pay for another attempt
                self._gave_up(self._due.popleft(), Failed("lost, and the budget holds no other attempt"))
        waiting = not self.stopping and (self._due or self._pausing)
        if not self.window.in_flight and not waiting:
            self.done.set()

    def _next(self) -> _Row | None:
        """Return the row to ask now: a lost one, else a new one unless more than the window holds are pausing."""
        if self._due:
            return self._due.popleft() if self._purse.may_ask(self._due[0].ask) else None
        if self._exhausted or self._pausing > self.window.most:
            return None
        while ask := self._held or next(self._asks, None):
            self._held = None
            if ask.key in self._under_way or ask.key in self.failed or ask.key in self._store:
                continue  # an equal question: one answer serves both
            if not self._purse.may_ask(ask):
                self._held = ask  # until what is in flight has cost less than was set aside for it
                return None
            row = self._under_way[ask.key] = _Row(ask)
            return row
        self._exhausted = True
        return None

    async def _once(self, client: Client, row: _Row, epoch: int) -> None:
        row.attempts += 1
        started, lost = time.monotonic(), False
        try:
            outcome = await client.attempt(row.ask)
            if isinstance(outcome, Later):
                lost = outcome.lost
                self._again(client, row, outcome)
            elif isinstance(outcome, Failed):
                self._gave_up(row, outcome)
            else:
                self._answered(row, outcome, time.monotonic() - started)
        except Exception as error:  # noqa: BLE001 - raised again once what is in flight has arrived
            self.stop(error)
        finally:
            self.window.came(epoch, lost=lost)
        self._progress.show(self.window, self._purse)
        self.pump(client)

    def _answered(self, row: _Row, response: dict[str, Any], seconds: float) -> None:
        ask, at = row.ask, datetime.now(UTC).isoformat(timespec="seconds")
        stored = {
            "key": ask.key,
            "prompt": self._prompt,
            "id": ask.id,
            "kind": ask.kind,
            "sample": ask.sample,
            "at": at,
            "seconds": round(seconds, 3),
            "attempts": row.attempts,
            "usd": self._purse.usd(response, at),
            "teacher": self._endpoint.name,
            "response": response,
        }
        self._store.append(stored)
        del self._under_way[ask.key]
        self._purse.settle(ask, stored)
        self._progress.answered(response)

    def _gave_up(self, row: _Row, outcome: Failed) -> None:
        self.failed[row.ask.key] = sys.intern(outcome.error)
        del self._under_way[row.ask.key]
        self._purse.settle(row.ask, None)
        self._progress.failed()

    def _again(self, client: Client, row: _Row, trouble: Later) -> None:
        if outcome := client.given_up(trouble, row.attempts, row.began):
            self._gave_up(row, outcome)
            return
        self._progress.trouble = trouble.error
        if trouble.charged:
            self._purse.lost(row.ask)
        backoff = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(row.attempts - 1, 10)) * self._rng.uniform(0.5, 1.0)
        asked = min(trouble.after, _LONGEST_RETRY_AFTER) * self._rng.uniform(1.0, 1.1)
        self._pausing += 1
        asyncio.get_running_loop().call_later(max(asked, 0 if asked else backoff), self._rested, client, row)

    def _rested(self, client: Client, row: _Row) -> None:
        self._pausing -= 1
        self._due.append(row)
        self.pump(client)

    def stop(self, error: BaseException) -> None:
        """Take no more rows; the first error is the one that is raised in the end."""
        self.error = self.error or error
        self.stopping = True

    def interrupt(self, client: Client) -> None:
        """Answer a Ctrl-C: the first one stops taking rows, the second one ends the run where it is."""
        if isinstance(self.error, KeyboardInterrupt):
            self.done.set()
            return
        print(
            f"\nstopping: {self.window.in_flight} requests in flight; Ctrl-C again gives them up",
            file=sys.stderr,
            flush=True,
        )
        self.error, self.stopping = KeyboardInterrupt(), True
        self.pump(client)

    async def gone(self) -> None:
        """Give up whatever is still in flight."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
