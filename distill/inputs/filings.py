"""The text of SEC 8-K filings: one row for each item that says something, out of .txt and .htm files.

    Item 2.02 Results of Operations and Financial Condition.  ->  Found("halden-8k.txt: Item 2.02",
    On May 3, Halden Motors Inc. said ...                       {"id": "halden-8k-item-2.02", "text": "On May 3, ..."})

A complete submission (`<SEC-DOCUMENT>` with several `<DOCUMENT>` parts) gives the items of its 8-K part only; exhibits,
Item 9.01 (which lists them) and the signatures are left out. A text without any item heading is one row.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from distill.inputs.found import Found, encoding_of
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIXES: Final = frozenset({".txt", ".htm", ".html"})
#: The largest filings with their exhibits have some 30 MB.
_LARGEST: Final = 64 * 2**20
_PART: Final = re.compile(r"<DOCUMENT>\s*<TYPE>\s*8-K[^\n]*\n(.*?)</DOCUMENT>", re.DOTALL | re.IGNORECASE)
_HIDDEN: Final = re.compile(r"<(script|style|head|ix:header)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BLOCK: Final = re.compile(r"<(?:/?(?:p|div|tr|table|h\d|li|ul|ol)|br|hr|page)\b[^>]*>", re.IGNORECASE)
_CELL: Final = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[a-zA-Z/!?][^<>]*>")
_ITEM: Final = re.compile(r"(?im)^[ \t]*item[ \t\u00a0]+(\d\.\d\d)\b[ \t.:\u2013\u2014-]*([^\n]*)$")
_SIGNATURES: Final = re.compile(r"(?im)^[ \t]*signatures?[ \t]*:?[ \t]*$")
_LISTS_EXHIBITS: Final = "9.01"
_LONGEST_TITLE: Final = 200


def read_filings(path: Path, encoding: str) -> Iterator[Found]:
    """Yield the items of a filing, or of all filings below a folder, in the order of their names.

    Raises:
        InputError: a folder without any .txt or .htm file.
    """
    files = sorted(one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: holds no filing; files ending in {', '.join(sorted(SUFFIXES))} are expected")
    for file in files:
        try:
            found = encoding_of(file, encoding)
            if file.stat().st_size > _LARGEST:
                yield Found(str(file), None, f"larger than {_LARGEST:,} bytes")
                continue
            text = file.read_text(encoding=found)
        except UnicodeDecodeError as error:
            yield Found(str(file), None, f"not {encoding} at byte {error.start + 1} (another one: --encoding)")
        except InputError as error:
            if not path.is_dir():
                raise
            yield Found(str(file), None, str(error).removeprefix(f"{file}: "))
        else:
            name = file.relative_to(path).with_suffix("").as_posix() if path.is_dir() else file.stem
            yield from _items(file, name, text)


def _items(file: Path, name: str, source: str) -> Iterator[Found]:
    """Yield the items of one filing, numbered where one number stands twice."""
    times: dict[str, int] = {}
    for number, text in items_in(plain(source)):
        times[number] = times.get(number, 0) + 1
        label = number if times[number] == 1 else f"{number}-{times[number]}"
        where, identity = (f"{file}: Item {label}", f"{name}-item-{label}") if number else (str(file), name)
        yield Found(where, {"id": identity, "text": text})


def plain(source: str) -> str:
    """Return the 8-K part of a submission as text: tags gone, entities read, one paragraph on each line."""
    parts = _PART.findall(source)
    text = "\n".join(parts) if parts else source
    if _TAG.search(text):
        text = _BLOCK.sub("\n", _CELL.sub(" ", _HIDDEN.sub(" ", text)))
        text = html.unescape(_TAG.sub("", text))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip()


def items_in(text: str) -> list[tuple[str, str]]:
    """Return (item number, its text) for the items of a plain filing; [("", all of it)] where there is no heading."""
    end = signatures.start() if (signatures := _SIGNATURES.search(text)) else len(text)
    heads = list(_ITEM.finditer(text[:end]))
    if not heads:
        return [("", text[:end].strip())]
    found = []
    for head, following in zip(heads, [*[head.start() for head in heads[1:]], end], strict=True):
        title, body = head[2].strip(), text[head.end() : following].strip()
        if head[1] != _LISTS_EXHIBITS and (
            said := body if len(title) <= _LONGEST_TITLE else f"{title}\n{body}".strip()
        ):
            found.append((head[1], said))
    return found
