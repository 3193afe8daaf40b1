"""CSV and TSV with a header: quoted line breaks, byte order marks and stray cells are met, one record at a time.

    headline,symbol                  Found("news.csv:2", {"headline": "Halden cuts, again", "symbol": "HLD"})
    "Halden cuts, again",HLD

A record that is no sound CSV (a quote that never closes, text after a closing quote) is a bad row, with the lines it
began and ended on: whoever sees `news.csv:12-3456` knows where a quote is missing.
"""

from __future__ import annotations

import csv
from typing import IO, TYPE_CHECKING, Final

from distill.inputs.found import LONGEST_LINE, Found, encoding_of
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DELIMITERS: Final = (",", "\t", ";", "|")
#: A quoted cell over so many lines is a quote that was never closed.
_MOST_LINES: Final = 2_000


def read_table(path: Path, encoding: str) -> Iterator[Found]:
    """Yield the records of `path` by the names in its header; raises InputError where there is no usable header."""
    found = encoding_of(path, encoding)
    previous = csv.field_size_limit(LONGEST_LINE)
    try:
        # A byte that the encoding does not know becomes a lone surrogate: its row alone is bad.
        with path.open(
            encoding="utf-8-sig" if found == "utf-8" else found, errors="surrogateescape", newline=""
        ) as stream:
            yield from _records(path, stream, found)
    finally:
        csv.field_size_limit(previous)


def _records(path: Path, stream: IO[str], encoding: str) -> Iterator[Found]:
    lines = _Lines(stream)
    head = next(lines, "")
    delimiter = max(_DELIMITERS, key=head.count)
    names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    _check_header(path, names)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.number + 1
        lines.record_began_at = start
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Found(_where(path, start, lines.number), None, f"no sound CSV: {error}")
            continue
        if cells:
            yield _found(_where(path, start, lines.number), names, cells, encoding)


class _Lines:
    """The lines of a file, counted; a record that runs on and on is brought to an end."""

    def __init__(self, stream: IO[str]) -> None:
        """Count from the first line of `stream`."""
        self._stream = stream
        self.number = 0
        self.record_began_at = 1

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.number - self.record_began_at > _MOST_LINES:
            self.record_began_at = self.number + 1
            raise csv.Error(f"a quote is still open after {_MOST_LINES:,} lines")
        line = self._stream.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) >= LONGEST_LINE and not line.endswith("\n"):
            while line and not line.endswith("\n"):
                line = self._stream.readline(LONGEST_LINE)
            raise csv.Error(f"a line longer than {LONGEST_LINE:,} characters")
        return line


def _check_header(path: Path, names: list[str]) -> None:
    if not any(names):
        raise InputError(f"{path}: no header; the first line of a CSV file names its columns")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path}:1: column {printable(twice, 40)!r} stands twice in the header; rename one")


def _where(path: Path, start: int, end: int) -> str:
    return f"{path}:{start}" if end <= start else f"{path}:{start}-{end}"


def _found(where: str, names: list[str], cells: list[str], encoding: str) -> Found:
    if len(cells) != len(names):
        return Found(where, None, f"{len(cells)} cells, the header has {len(names)}")
    if any("\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell):
        return Found(where, None, f"not {encoding} (another encoding is given by --encoding)")
    return Found(where, dict(zip(names, cells, strict=True)))
