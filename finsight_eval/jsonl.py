"""JSON and JSON Lines, read strictly and written so that no reader ever meets half a file.

    {"id": "news-en-001", "lang": "en", "text": "...", "sentiment": "Positive"}

Reading names file and line of whatever is wrong. Writing goes to a neighbour file that is renamed into place. The
same value always gives the same bytes.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Row = dict[str, Any]


def _closed_pairs(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} stands twice")
    return row


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def loads(text: str) -> Any:
    """Parse strict JSON.

    Raises:
        ValueError: not JSON, a key that stands twice, NaN or Infinity, or nesting too deep to read.
    """
    try:
        return json.loads(text, object_pairs_hook=_closed_pairs, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


_FOREIGN: Final = json.JSONDecoder()


def loads_foreign(text: str) -> Any:
    """Parse JSON as lm-eval writes it: NaN, its word for a missing value, passes, and the last of two keys counts.

    Raises:
        ValueError: not JSON, or nesting too deep to read.
    """
    try:
        return _FOREIGN.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: Any) -> str:
    """Return `value` as one line of JSON; key order is kept, NaN is refused, so equal values give equal bytes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path, or run the stage that writes it") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, a file is expected") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8") from None


def read(path: Path) -> Row:
    """Return the JSON object in `path`; raises InputError where there is none."""
    try:
        value = loads(_text_of(path))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}; repair or delete the file") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds a {type(value).__name__}, a JSON object is expected")
    return value


def read_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield (line number, object) for every line of `path`, blank lines apart.

    Raises:
        InputError: no such file, not UTF-8, or a line that is not one JSON object; names file and line.
    """
    for number, line in enumerate(_text_of(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = loads(line)
        except ValueError as error:
            raise InputError(
                f"{path}:{number}: not valid JSON ({error}): {printable(line, 60)!r}; repair or delete the line"
            ) from None
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: a JSON object is expected, found {printable(line, 60)!r}")
        yield number, row


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` in one step: a reader sees the old file or the new one, never a part."""
    _write(path, (data,))


def _write(path: Path, parts: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write(path: Path, value: Row) -> None:
    """Write one JSON object, indented for readers."""
    write_text(path, json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_lines(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object per line, one at a time: `rows` may be more than memory holds."""
    _write(path, (f"{dumps(row)}\n".encode() for row in rows))
