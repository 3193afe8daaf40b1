"""What a reader of any format yields: a row's cells, or what is wrong with the row; and opening files for reading.

    Found("news.csv:12", {"headline": "Halden cuts its outlook", "symbol": "HLD"})
    Found("news.csv:13", None, "3 cells, the header has 2")

A bad row is the row's own trouble and the rest goes on. What concerns the file as a whole (not there, binary, packed)
is an `InputError`.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: One row of news is never longer; a longer line is a binary file, or one whose line breaks were lost.
LONGEST_LINE: Final = 4 * 2**20
_PEEK: Final = 8192
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_PACKED: Final = {
    b"\x1f\x8b": "gunzip it",
    b"PK\x03\x04": "unpack it (a workbook: save it as CSV)",
    b"\x28\xb5\x2f\xfd": "unpack it with unzstd",
}


class Found(NamedTuple):
    """One row: where it stands, and its cells by column, or the problem with it."""

    where: str
    cells: Mapping[str, Any] | None
    problem: str = ""


def encoding_of(path: Path, wanted: str) -> str:
    """Return the encoding to read `path` with: the one that its byte order mark names, otherwise `wanted`.

    Raises:
        InputError: no such file, packed, or binary.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(_PEEK)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    for mark, advice in _PACKED.items():
        if head.startswith(mark):
            raise InputError(f"{path}: a packed file; {advice} first")
    if b"\0" in head:
        raise InputError(
            f"{path}: a binary file; JSON Lines (.jsonl), CSV (.csv, .tsv), Parquet (.parquet), a Hugging Face data "
            "set (hf:NAME) or a folder of filings (.txt, .htm) is expected"
        )
    return wanted


def known_encoding(name: str) -> str:
    """Return `name` if Python knows such an encoding; raises InputError naming some that it knows."""
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise InputError(f"--encoding is {name!r}, which is none; utf-8, gb18030 (Chinese), cp1252 ...") from None
