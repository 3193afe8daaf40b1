"""The store: every answer that a teacher gave, raw and whole, in a journal that is only ever appended to.

    {"key": "9c1f...", "id": "sim-train-en-000001", "at": "2026-11-22T18:20:05+00:00", "seconds": 0.412, "attempts": 1,
     "teacher": "api.deepseek.com/deepseek-flash", "prompt": "1f0c...", "response": {"choices": [...], "usage": {...}}}

The key is a hash of all that decides what the teacher is asked, so an answer is found again whatever the row is called
and wherever it stands. A row reaches the operating system the moment it arrives (a kill loses nothing) and the disk
with the next group (a power cut loses at most 64 rows or a fifth of a second).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL: Final = "journal.jsonl"
LOCK: Final = "lock"
GROUP_ROWS: Final = 64
GROUP_SECONDS: Final = 0.2


def key_of(**parts: Any) -> str:
    """Return the content address of a request: 32 hexadecimal digits over its parts, whatever their order."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Store:
    """The open journal; use `opened`, which holds its lock."""

    def __init__(self, path: Path) -> None:
        """Open the journal at `path`, cut off a torn last line and index the rest."""
        self._path = path
        self._file = path.open("a+b")
        self._places: dict[bytes, int] = {}
        self._unsynced = 0
        self._synced_at = time.monotonic()
        self._end = self._index()

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, key: str) -> jsonl.Row:
        """Return the whole row that stands under `key`."""
        self._file.seek(self._places[bytes.fromhex(key)])
        row = json.loads(self._file.readline())
        assert row["key"] == key  # noqa: S101
        return dict(row)

    def append(self, row: jsonl.Row) -> None:
        """Journal `row`, which has its "key"; raises OSError, leaving no half line behind, where the disk refuses."""
        line = _encoded(row)
        try:
            _write_all(self._file.fileno(), line)
        except OSError:
            os.ftruncate(self._file.fileno(), self._end)
            raise
        self._places[bytes.fromhex(row["key"])] = self._end
        self._end += len(line)
        self._unsynced += 1
        if self._unsynced >= GROUP_ROWS or time.monotonic() - self._synced_at >= GROUP_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Force what has been appended onto the disk."""
        if self._unsynced:
            self._unsynced = 0
            os.fsync(self._file.fileno())
        self._synced_at = time.monotonic()

    def close(self) -> None:
        self.sync()
        self._file.close()

    def _index(self) -> int:
        """Index all whole lines and return where they end; the torn one after them, if any, is cut off."""
        self._file.seek(0)
        end = 0
        for number, line in enumerate(self._file, start=1):
            if not line.endswith(b"\n"):
                print(f"{self._path}: cut off a half-written last line ({len(line)} bytes)", file=sys.stderr)
                os.ftruncate(self._file.fileno(), end)
                break
            self._places[self._key_in(line, number)] = end
            end += len(line)
        return end

    def _key_in(self, line: bytes, number: int) -> bytes:
        try:
            return bytes.fromhex(json.loads(line)["key"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(
                f"{self._path}:{number}: not a journalled answer; delete the line, its request will be made again"
            ) from None


def _encoded(row: jsonl.Row) -> bytes:
    line = jsonl.dumps(row)
    try:
        return line.encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate in a reply: JSON can carry it escaped, UTF-8 cannot
        return json.dumps(row).encode() + b"\n"


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """Open the store in `folder` for this process alone.

    Raises:
        InputError: another process holds it, or a line within it is no journalled answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise InputError(f"{folder}: in use by process {holder}; wait until it ends, or stop it") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        with contextlib.closing(Store(folder / JOURNAL)) as store:
            yield store
