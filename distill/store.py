"""The store: every answer that a teacher gave, raw and whole, in journals that are only ever appended to.

    {"key": "9c1f...", "prompt": "1f0c...", "id": "sim-train-en-000001", "kind": "reasoned", "sample": 0,
     "at": "2026-11-22T18:20:05+00:00", "seconds": 0.412, "attempts": 1, "usd": 0.000213,
     "teacher": "api.deepseek.com/deepseek-flash", "response": {"model": "...", "choices": [...], "usage": {...}}}

The key (`distill.asking`) is a hash of all that decides what the teacher is asked, so an answer is found again whatever
the row is called and wherever it stands. A row reaches the operating system the moment it arrives (a kill loses
nothing) and the disk with the next `sync`, five times a second (which a power cut can lose).

A store is a folder. A run appends to `journal.jsonl`; a run that is split into shards appends to `journal-SHARD.jsonl`
each. Whoever opens the folder finds the answers of all of them: nothing has to be merged.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

from distill.locking import held
from distill.places import Places
from finsight_eval import jsonl
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOURNAL: Final = "journal.jsonl"
#: A place is a byte in a journal: the number of the journal stands above the lowest 48 bits.
_OFFSET_BITS: Final = 48
_OFFSET: Final = (1 << _OFFSET_BITS) - 1
_START: Final = re.compile(rb'\{"key": "([0-9a-f]{32})", (?:"prompt": "([^"\\]*)", )?"')


class Store:
    """The open journals of a folder; use `opened`, which holds the lock."""

    def __init__(self, folder: Path, shard: str | None = None) -> None:
        """Index all journals; the one to append to is first freed of a torn last line."""
        self.path = folder / (f"journal-{shard}.jsonl" if shard else JOURNAL)
        self.prompts: Counter[str] = Counter()
        self._places = Places()
        self._unsynced = False
        # Reading and appending through one descriptor would share its position: a row read meanwhile would be torn.
        self._out = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        others = sorted(path for path in folder.glob("journal*.jsonl") if path != self.path)
        self._files = [path.open("rb") for path in (self.path, *others)]
        self._end = self._index(0, self.path)
        for number, path in enumerate(others, start=1):
            self._index(number, path)

    def __contains__(self, key: str) -> bool:
        return self._place(key) is not None

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, key: str) -> jsonl.Row:
        """Return the whole row that stands under `key`."""
        place = self._place(key)
        if place is None:
            raise KeyError(key)
        return self._row(place)

    def rows(self) -> Iterator[jsonl.Row]:
        """Yield every row, one at a time, journal after journal."""
        return (self._row(place) for place in sorted(self._places))

    def append(self, row: jsonl.Row) -> None:
        """Journal `row`, which has its "key"; raises OSError, leaving no half line behind, where the disk refuses."""
        line = _encoded(row)
        try:
            _write_all(self._out, line)
        except OSError:
            os.ftruncate(self._out, self._end)
            raise
        self._places.add(row["key"], self._end)
        self._end += len(line)
        self._unsynced = True

    def sync(self) -> None:
        """Force what has been appended onto the disk."""
        if self._unsynced:
            self._unsynced = False
            os.fsync(self._out)

    def close(self) -> None:
        self.sync()
        os.close(self._out)
        for file in self._files:
            file.close()

    def _place(self, key: str) -> int | None:
        start = b'{"key": "%s"' % key.encode()
        for place in self._places.candidates(key):
            if os.pread(self._files[place >> _OFFSET_BITS].fileno(), len(start), place & _OFFSET) == start:
                return place
        return None

    def _row(self, place: int) -> jsonl.Row:
        file = self._files[place >> _OFFSET_BITS]
        file.seek(place & _OFFSET)
        return dict(json.loads(file.readline()))

    def _index(self, number: int, path: Path) -> int:
        """Index all whole lines of a journal and return where they end; a torn one after them does not count."""
        end = 0
        self._files[number].seek(0)
        for line_number, line in enumerate(self._files[number], start=1):
            if not line.endswith(b"\n"):
                if number == 0:
                    print(f"{path}: cut off a half-written last line ({len(line)} bytes)", file=sys.stderr)
                    os.ftruncate(self._out, end)
                break
            key, prompt = _key_in(line, path, line_number)
            self._places.add(key, number << _OFFSET_BITS | end)
            self.prompts[prompt] += 1
            end += len(line)
        return end


def _key_in(line: bytes, path: Path, number: int) -> tuple[str, str]:
    """Return key and prompt version of a journal line; only one that we did not write ourselves is read as a whole."""
    if (start := _START.match(line)) and line.endswith(b"}\n"):
        return start[1].decode(), (start[2] or b"").decode()
    raise InputError(f"{path}:{number}: not a journalled answer; delete the line, its request will be made again")


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
def opened(folder: Path, shard: str | None = None) -> Iterator[Store]:
    """Open the store in `folder` for this process alone, or one `shard` of it beside the other shards.

    Raises:
        InputError: another process holds it, or a line within it is no journalled answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, shard), contextlib.closing(Store(folder, shard)) as store:
        yield store
