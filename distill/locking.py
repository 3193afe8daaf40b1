"""Who may write to a store: one process, or several shards with a journal each, and never both.

    runs/NAME/store/lock           held by the one process, or shared by all shards
    runs/NAME/store/lock-00003     held by shard 00003

    error: runs/NAME/store: in use by process 4711; wait until it ends, or stop it

The system frees a lock when its holder ends, however it ends: there is nothing to clean up after a kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING, Final

from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = "lock"


@contextlib.contextmanager
def held(folder: Path, shard: str | None = None) -> Iterator[None]:
    """Hold the store in `folder`, or its `shard`; raises InputError naming the process that holds it already."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(_locked(folder, LOCK, fcntl.LOCK_SH if shard else fcntl.LOCK_EX))
        if shard:
            stack.enter_context(_locked(folder, f"{LOCK}-{shard}", fcntl.LOCK_EX))
        yield


@contextlib.contextmanager
def _locked(folder: Path, name: str, kind: int) -> Iterator[None]:
    with (folder / name).open("a+") as lock:
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = printable(lock.read(), 20).strip() or "unknown"
            raise InputError(f"{folder}: in use by process {holder}; wait until it ends, or stop it") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
