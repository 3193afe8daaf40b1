"""JSON and JSON Lines, read strictly and written so that no reader ever meets half a file.

    {"id": "news-en-001", "lang": "en", "text": "...", "sentiment": "Positive"}

Reading names file and line of whatever is wrong. Writing goes to a neighbour file that is renamed into place. The
same value always gives the same bytes.
"""

from __future__ import annotations

import json
import math
import os
import re
from json.decoder import scanstring  # type: ignore[attr-defined]  # the type stubs leave it out
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


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{printable(digits, 40)} is more than a number holds")
    return number


def _small(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"{printable(digits, 40)} has {len(digits)} digits")
    return int(digits)


#: Integers of more digits may not become a floating-point number.
_LONGEST_INTEGER: Final = 300
_HALF_PAIR: Final = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str) -> Any:
    """Parse strict JSON, which can be written again.

    Raises:
        ValueError: not JSON, a key that stands twice, NaN, Infinity or a number as large, half a surrogate pair, or
            nesting too deep to read.
    """
    try:
        value = _STRICT.decode(text)
        if _HALF_PAIR.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair, which no file in UTF-8 holds") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=_closed_pairs, parse_constant=_no_constant, parse_float=_finite, parse_int=_small
)
_FOREIGN: Final = json.JSONDecoder(parse_int=_small)


def loads_foreign(text: str) -> Any:
    """Parse JSON as lm-eval writes it: NaN, its word for a missing value, passes, and the last of two keys counts.

    What came in this way is refused by `write` and `write_lines` where it cannot be written again.

    Raises:
        ValueError: not JSON, or nesting too deep to read.
    """
    try:
        return _FOREIGN.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def string_at(text: str, start: int) -> tuple[str, int]:
    """Return the JSON string whose opening quote stands before `start`, and its end; raises ValueError for none."""
    found: tuple[str, int] = scanstring(text, start)
    return found


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
    """Write one JSON object, indented for readers; raises InputError for what is no JSON, such as a foreign NaN."""
    try:
        data = (json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode()
    except (ValueError, RecursionError):
        raise _unwritable(path, value) from None
    write_bytes(path, data)


def write_lines(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object per line, one at a time: `rows` may be more than memory holds."""
    _write(path, (_encoded(path, row) for row in rows))


def _encoded(path: Path, row: Row) -> bytes:
    try:
        return f"{dumps(row)}\n".encode()
    except (ValueError, RecursionError):
        raise _unwritable(path, row) from None


def _unwritable(path: Path, value: Any) -> InputError:
    """Return the error for a `value` that is no JSON: it came from a file that somebody else wrote."""
    try:
        place, found = next(_odd(value, ""), ("", "nested too deeply"))
    except RecursionError:
        place, found = "", "nested too deeply"
    return InputError(
        f"{path}: not written: {printable(place, 80) or 'a value'} is {found}, which is no JSON; the file that it was "
        "read from holds it: repair that one"
    )


def _odd(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield (place, value found) of all that UTF-8 JSON does not hold."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _odd(key, f"{place} (key)")
            yield from _odd(inner, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _odd(inner, f"{place}[{number}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield place, str(value)
    elif isinstance(value, str) and value != value.encode("utf-8", "replace").decode():
        yield place, f"{printable(value, 60)!r} with half a surrogate pair"
