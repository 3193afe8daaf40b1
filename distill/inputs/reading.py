"""From a user's corpus, whatever its format, to rows {"id", "lang", "text"}: which column is which, what is missing.

    rows(Corpus("news.csv", text="headline"))  ->  Row("news.csv:2", News("t-5f0c...", "", "Halden cuts its outlook"))
                                                   Row("news.csv:3", None, "headline is empty")

Without a column of ids a text is named by its own hash, so that a row keeps its name wherever it stands. Without a
column of languages the text decides, later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from distill.inputs import columnar, filings, lines, tables
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.records import News

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from distill.inputs.found import Found

_LINES: Final = frozenset({".jsonl", ".ndjson", ".json"})
_TABLES: Final = frozenset({".csv", ".tsv"})
_LONGEST_ID: Final = 200
_SHOWN_COLUMNS: Final = 30
_LANGUAGES: Final = {
    **dict.fromkeys(("en", "eng", "english", "英文", "英语"), "en"),
    **dict.fromkeys(("zh", "zho", "chi", "cmn", "cn", "chinese", "中文", "汉语"), "zh"),
}


@dataclass(frozen=True)
class Corpus:
    """Where a user's news are and what their columns are called; `id` and `lang` may be missing unless they are given.

    `source` is a file, a folder, or "hf:NAME" with a split behind another colon.
    """

    source: str
    text: str = "text"
    id: str | None = None
    lang: str | None = None
    encoding: str = "utf-8"

    def columns(self) -> dict[str, str]:
        """Return what it is -> the column that holds it."""
        return {"text": self.text, "id": self.id or "id", "lang": self.lang or "lang"}


class Row(NamedTuple):
    """One row: where it stands, and the news in it (lang "" where none is stated), or what is wrong with it."""

    where: str
    news: News | None
    problem: str = ""


def rows(corpus: Corpus) -> Iterator[Row]:
    """Yield the rows of `corpus`, bad ones included.

    Raises:
        InputError: nothing readable there, or no such column as was named.
    """
    found = _found(corpus)
    first = next(found, None)
    if first is None:
        raise InputError(f"{corpus.source}: holds no rows")
    names: dict[str, None] = {}
    readable = 0
    for one in chain([first], found):
        if one.cells is None:
            yield Row(one.where, None, one.problem)
            continue
        if not readable:
            names.update(dict.fromkeys(map(str, one.cells)))
            _check_columns(corpus, one.cells)
        row = _row(one, corpus)
        readable += row.news is not None
        yield row
    if not readable and names and corpus.text not in names:
        raise _no_column(corpus, corpus.text, names)


def _found(corpus: Corpus) -> Iterator[Found]:
    """Return the reader for the format of `corpus`."""
    path = Path(corpus.source)
    suffix = path.suffix.lower()
    if corpus.source.startswith(columnar.HUB) or columnar.is_saved(path):
        return columnar.read_hub(corpus.source)
    if suffix == ".parquet":
        names = columnar.parquet_columns(path)
        if names and (missing := next((name for name in _named(corpus) if name not in names), None)):
            raise _no_column(corpus, missing, names)
        return columnar.read_parquet(path, list(corpus.columns().values()))
    if suffix in _TABLES:
        return tables.read_table(path, corpus.encoding)
    if suffix in filings.SUFFIXES or path.is_dir():
        return filings.read_filings(path, corpus.encoding)
    if suffix in _LINES or not suffix:
        return lines.read_lines(path, corpus.encoding)
    raise InputError(
        f"{path}: ends in {suffix!r}; .jsonl, .csv, .tsv, .parquet, .txt or .htm, a folder of filings or "
        "hf:NAME is expected"
    )


def _named(corpus: Corpus) -> list[str]:
    """Return the columns that must be there."""
    return [name for name in (corpus.text, corpus.id, corpus.lang) if name]


def _check_columns(corpus: Corpus, cells: Mapping[str, Any]) -> None:
    """Raise InputError where a table's first row lacks a named column; in JSON Lines the next row may have it."""
    if Path(corpus.source).suffix.lower() in _LINES | {""}:
        return
    if missing := next((name for name in _named(corpus) if name not in cells), None):
        raise _no_column(corpus, missing, cells)


def _no_column(corpus: Corpus, missing: str, there: Iterable[str]) -> InputError:
    names = [printable(str(name), 40) for name in there]
    shown = ", ".join(names[:_SHOWN_COLUMNS]) + (", ..." if len(names) > _SHOWN_COLUMNS else "")
    flag = next(flag for flag, name in corpus.columns().items() if name == missing)
    return InputError(
        f"{corpus.source}: no column {printable(missing, 40)!r}{nearest(missing, names)}; there are: "
        f"{shown or 'none'}; name one with --{flag}"
    )


def _row(found: Found, corpus: Corpus) -> Row:
    """Return the news in the cells of a row, or what is wrong with them."""
    cells: Mapping[str, Any] = found.cells or {}
    for name in _named(corpus):
        if name not in cells:
            return Row(
                found.where, None, f"no column {name!r}; there are: {printable(', '.join(map(str, cells)), 200)}"
            )
    text = cells[corpus.text]
    if text is None or (isinstance(text, str) and not text.strip()):
        return Row(found.where, None, f"{corpus.text} is empty")
    if not isinstance(text, str):
        return Row(found.where, None, f"{corpus.text} is {printable(repr(text), 60)}, a string is expected")
    text = text.replace("\r\n", "\n").strip()
    columns = corpus.columns()
    identity, problem = _identity(cells.get(columns["id"]), text)
    if problem:
        return Row(found.where, None, problem)
    return Row(found.where, News(identity, _language(cells.get(columns["lang"])), text))


def _identity(value: Any, text: str) -> tuple[str, str]:
    """Return (the id of a row, "") or ("", what is wrong with the one it has)."""
    if value is None or value == "":
        return f"t-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}", ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return "", f"id is {printable(repr(value), 60)}, a string or a whole number is expected"
    said = str(value).strip()
    return (
        (said, "")
        if 0 < len(said) <= _LONGEST_ID
        else ("", f"id has {len(said)} characters, 1 to {_LONGEST_ID} are allowed")
    )


def _language(value: Any) -> str:
    """Return "en", "zh", another language's name as it stands, or "" where none is stated."""
    said = str(value).strip().casefold() if value is not None else ""
    return _LANGUAGES.get(said) or _LANGUAGES.get(said.replace("_", "-").partition("-")[0], said)
