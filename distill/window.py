"""The sliding window: so many requests in flight, each answer journalled the moment it arrives.

    fill(store, [Request(key="9c1f...", id="sim-train-en-000001", text="NVIDIA's ...")], endpoint, rng, progress)
        -> {"9c1f...": "HTTP 400: too long"}        the requests that failed; the others are in the store

A slot that comes free takes the next row at once: no batches, so no slow row holds up others. Ctrl-C, or an error that
concerns every row, takes no more rows and lets those in flight arrive, for they are paid for; a second Ctrl-C ends at
once. Whatever was journalled stays.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from distill.client import Answered, Client
from distill.store import GROUP_SECONDS
from finsight_eval import prompt

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from distill.client import Endpoint
    from distill.progress import Progress
    from distill.store import Store


_OTHER_FILES: Final = 256


class Request(NamedTuple):
    """One row to ask: its content address, its name and its news text."""

    key: str
    id: str
    text: str


class _Run:
    """The state that the slots of one window share."""

    def __init__(self, store: Store, wanted: Sequence[Request], teacher: str, progress: Progress) -> None:
        self.store = store
        self.waiting = iter(wanted)
        self.teacher = teacher
        self.prompt = prompt.fingerprint()
        self.progress = progress
        self.failed: dict[str, str] = {}
        self.error: BaseException | None = None
        self.stopping = asyncio.Event()
        self.in_flight = 0

    async def slot(self, client: Client) -> None:
        """Ask row after row until there are none or the run stops; the first error that concerns all stops it."""
        try:
            while not self.stopping.is_set() and (request := next(self.waiting, None)):
                self.in_flight += 1
                await self._one(client, request)
                self.in_flight -= 1
        except Exception as error:  # noqa: BLE001 - raised again once the other slots have kept what they paid for
            self.error = self.error or error
            self.stopping.set()

    async def _one(self, client: Client, request: Request) -> None:
        outcome = await client.ask(prompt.teacher_prompt(request.text))
        if isinstance(outcome, Answered):
            self.store.append(
                {
                    "key": request.key,
                    "id": request.id,
                    "at": datetime.now(UTC).isoformat(timespec="seconds"),
                    "seconds": outcome.seconds,
                    "attempts": outcome.attempts,
                    "teacher": self.teacher,
                    "prompt": self.prompt,
                    "response": outcome.response,
                }
            )
        else:
            self.failed[request.key] = outcome.error
        self.progress.step(failed=not isinstance(outcome, Answered))

    def interrupt(self) -> None:
        """Answer a Ctrl-C: the first one stops taking rows, the second one ends the run where it is."""
        if isinstance(self.error, KeyboardInterrupt):
            for task in asyncio.all_tasks():
                task.cancel()
            return
        print(
            f"\nstopping: {self.in_flight} requests in flight; Ctrl-C again gives them up", file=sys.stderr, flush=True
        )
        self.error = KeyboardInterrupt()
        self.stopping.set()


@contextlib.contextmanager
def _interruptible(run: _Run) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, run.interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _synced(store: Store) -> None:
    """Bring the last rows of a lull to the disk, too."""
    while True:
        await asyncio.sleep(GROUP_SECONDS)
        store.sync()


async def _filled(run: _Run, endpoint: Endpoint, slots: int, rng: random.Random) -> None:
    async with Client(endpoint, rng, run.stopping) as client:
        syncing = asyncio.create_task(_synced(run.store))
        with _interruptible(run):
            await asyncio.gather(*(run.slot(client) for _ in range(slots)))
        syncing.cancel()


def _allow_connections(count: int) -> None:
    """Raise this process's limit of open files, often 1,024, to what `count` connections need, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHER_FILES
    if soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def fill(
    store: Store, wanted: Sequence[Request], endpoint: Endpoint, rng: random.Random, progress: Progress
) -> dict[str, str]:
    """Ask for every request of `wanted` (keys distinct, none stored yet) and return key -> error of those that failed.

    Raises:
        InputError: nothing further can be asked; what had arrived is stored.
        KeyboardInterrupt: after Ctrl-C, likewise.
    """
    _allow_connections(endpoint.concurrency)
    run = _Run(store, wanted, endpoint.name, progress)
    try:
        asyncio.run(_filled(run, endpoint, min(endpoint.concurrency, len(wanted)), rng))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        progress.close()
    if run.error is not None:
        raise run.error
    return run.failed
