"""A corpus, one row at a time: memory does not grow with the file.

for news in read(Path("corpus.jsonl")): ...        News("n-1", "en", "Halden cuts its outlook for the year.")
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from distill.places import Places
from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_eval.records import News, row_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read(path: Path) -> Iterator[News]:
    """Yield the rows of `path`.

    Raises:
        InputError: no rows, or a row that is no news or repeats an id; names file, line and value.
    """
    seen = Places()
    for number, row in _rows(path):
        if problem := row_problem(row, News):
            raise InputError(f"{path}:{number}: {problem}; correct the row")
        name = hashlib.sha256(row["id"].encode("utf-8", "surrogatepass")).hexdigest()
        if (before := next(seen.candidates(name), None)) is not None:
            raise InputError(
                f"{path}:{number}: id {printable(row['id'], 60)!r} already stands on line {before}; ids are unique"
            )
        seen.add(name, number)
        yield News(row["id"], row["lang"], row["text"])
    if not len(seen):
        raise InputError(f"{path}: holds no rows; an empty set cannot be scored or learnt from")


def _rows(path: Path) -> Iterator[tuple[int, jsonl.Row]]:
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path, or run the stage that writes it") from None
    with stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                row = jsonl.loads(line.decode())
            except UnicodeDecodeError:
                raise InputError(f"{path}:{number}: not UTF-8; save the file as UTF-8") from None
            except ValueError as error:
                shown = printable(line.decode(errors="replace").strip(), 60)
                raise InputError(
                    f"{path}:{number}: not valid JSON ({error}): {shown!r}; repair or delete the line"
                ) from None
            if not isinstance(row, dict):
                raise InputError(f"{path}:{number}: a JSON object is expected, found {printable(str(row), 60)!r}")
            yield number, row
