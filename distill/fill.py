"""Fill the store: ask whatever is not stored yet, and keep every answer that comes, however the run ends.

    fill(store, asks, endpoint, Progress("generate", 1200), purse) -> {"9c1f...": "HTTP 400: too long"}

Ctrl-C, or an error that concerns every row, takes no more rows and lets those in flight arrive, for they are paid for;
a second Ctrl-C ends at once. Whatever was journalled stays, and the same command goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import signal
from typing import TYPE_CHECKING, Final

from distill.client import Client
from distill.running import Run
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distill.asking import Ask, Purse
    from distill.client import Endpoint
    from distill.progress import Progress
    from distill.store import Store

_FULL: Final = {errno.ENOSPC, errno.EDQUOT}
#: How often answers that have reached the operating system are forced onto the disk.
_GROUP_SECONDS: Final = 0.2
_OTHER_FILES: Final = 256


@contextlib.contextmanager
def _interruptible(run: Run, client: Client) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, run.interrupt, client)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _synced(run: Run, store: Store) -> None:
    """Bring what came to the disk, group by group; a slow disk holds up no request."""
    while True:
        await asyncio.sleep(_GROUP_SECONDS)
        try:
            await asyncio.to_thread(store.sync)
        except OSError as error:
            run.stop(error)


async def _filled(run: Run, store: Store, endpoint: Endpoint) -> None:
    async with Client(endpoint) as client:
        syncing = asyncio.create_task(_synced(run, store))
        with _interruptible(run, client):
            run.pump(client)
            await run.done.wait()
        syncing.cancel()
        await run.gone()


def _allow_connections(count: int) -> None:
    """Raise this process's limit of open files, often 1,024, to what `count` connections need, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + _OTHER_FILES
    if soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def fill(store: Store, asks: Iterator[Ask], endpoint: Endpoint, progress: Progress, purse: Purse) -> dict[str, str]:
    """Ask what is not stored yet, equal questions once, and return key -> error of those that failed.

    Raises:
        InputError: nothing further can be asked, or stored; what had arrived is kept.
        KeyboardInterrupt: after Ctrl-C, likewise.
    """
    _allow_connections(endpoint.concurrency)
    run = Run(store, asks, endpoint, progress, purse)
    try:
        asyncio.run(_filled(run, store, endpoint))
    finally:
        progress.close(run.window, purse)
    if isinstance(run.error, OSError):
        reason = "the disk is full" if run.error.errno in _FULL else run.error.strerror or type(run.error).__name__
        raise InputError(
            f"{store.path}: {reason}; the {len(store):,} answers in it are kept: make room and run the command again"
        )
    if run.error is not None:
        raise run.error
    return run.failed
