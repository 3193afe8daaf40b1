"""JSON Lines, one row at a time: memory does not grow with the file.

{"id": "n1", "lang": "en", "text": "Halden cuts its outlook"}  ->  Found("news.jsonl:1", {"id": "n1", ...})
{"id": "n2", "lang":                                           ->  Found("news.jsonl:2", None, "not valid JSON ...")
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, AnyStr

from distill.inputs.found import LONGEST_LINE, Found, encoding_of
from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


def read_lines(path: Path, encoding: str) -> Iterator[Found]:
    """Yield the rows of `path`, blank lines apart; raises InputError for a file that is no JSON Lines at all."""
    found = encoding_of(path, encoding)
    if found == "utf-16":  # its line breaks are two bytes
        with path.open(encoding=found, errors="surrogateescape", newline="\n") as text:
            yield from _found(path, (line.encode("utf-8", "surrogateescape") for line in _lines(text)), "utf-8")
        return
    with path.open("rb") as stream:
        yield from _found(path, _lines(stream), found)


def _lines(stream: IO[AnyStr]) -> Iterator[AnyStr]:
    """Yield the lines; of one over the limit only the beginning, and no memory for the rest."""
    while line := stream.readline(LONGEST_LINE + 1):
        yield line
        while line and len(line) > LONGEST_LINE and not _ends(line):
            line = stream.readline(LONGEST_LINE + 1)


def _ends(line: str | bytes) -> bool:
    return line.endswith("\n") if isinstance(line, str) else line.endswith(b"\n")


def _found(path: Path, lines: Iterable[bytes], encoding: str) -> Iterator[Found]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells, problem = _row(line, encoding)
        if number == 1 and line.lstrip(b"\xef\xbb\xbf \t").startswith(b"["):
            raise InputError(
                f"{path}: one JSON array; one object on each line is expected: jq -c '.[]' FILE > NEW.jsonl"
            )
        yield Found(f"{path}:{number}", cells, problem)


def _row(line: bytes, encoding: str) -> tuple[jsonl.Row | None, str]:
    """Return (the object, "") or (None, what is wrong with the line)."""
    if len(line) > LONGEST_LINE:
        return None, f"longer than {LONGEST_LINE:,} bytes"
    try:
        text = line.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        return None, f"not {encoding} at byte {error.start + 1} of the line (another encoding is given by --encoding)"
    try:
        value = jsonl.loads(text)
    except ValueError as error:
        return None, f"not valid JSON ({error}): {printable(text.strip(), 60)!r}"
    if not isinstance(value, dict):
        return None, f"a JSON object is expected, found {printable(text.strip(), 60)!r}"
    return value, ""
