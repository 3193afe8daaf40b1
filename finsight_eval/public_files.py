"""The formats in which public sets come, read into items, and the count that no swapped label map survives.

    read_jsonl     {"id": "tfns_valid-0", "text": "$ALLY - Ally Financial pulls outlook ...", "label": "negative"}
    read_entities  {"id": "...", "text": "...", "entities": [{"entity": "RWE", "label": "positive"}]}
    read_tfns_csv  text,label      with 0 bearish, 1 bullish, 2 neutral
    read_fpb_zip   Sentences_50Agree.txt in the archive: "According to Gran , the company ...@neutral"

Further columns are left aside.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_eval.labels import SENTIMENTS
from finsight_eval.records import PublicItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

Row = dict[str, Any]
CODES: Final = {label.lower(): label for label in SENTIMENTS}
_TFNS_CODES: Final = {"0": "negative", "1": "positive", "2": "neutral"}
_FPB_MEMBER: Final = "FinancialPhraseBank-v1.0/Sentences_50Agree.txt"
#: FinGPT's split: the quarter that `datasets` sets aside with this seed, of the 4,846 sentences in the archive's order.
_FPB_SEED: Final = 42


@dataclass(frozen=True)
class Source:
    """A file name and what reads such a file into rows {"id"?, "text", "label"} or {"id"?, "text", "entities"}."""

    name: str
    read: Callable[[Path], list[Row]]


def read_jsonl(path: Path) -> list[Row]:
    """Return rows of text and label; raises InputError naming the line."""
    return [_labelled(row, f"{path}:{number}") for number, row in jsonl.read_lines(path)]


def read_entities(path: Path) -> list[Row]:
    """Return rows of text and labelled entities; raises InputError naming the line."""
    rows = []
    for number, row in jsonl.read_lines(path):
        where = f"{path}:{number}"
        _columns(row, ("text", "entities"), where)
        if not isinstance(row["entities"], list) or not row["entities"]:
            raise InputError(f"{where}: entities is {printable(repr(row['entities']), 60)}, a list is expected")
        for entity in row["entities"]:
            if not isinstance(entity, dict):
                raise InputError(f"{where}: entities holds {printable(repr(entity), 60)}, objects are expected")
            _columns(entity, ("entity", "label"), f"{where}: entities")
            _code(entity["label"], where)
        rows.append(row)
    return rows


def read_tfns_csv(path: Path) -> list[Row]:
    """Return rows of text and label of the hub's CSV; raises InputError for other columns or codes."""
    try:
        reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")), strict=True)
        found = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error}); download it again") from None
    rows = []
    for number, row in enumerate(found, start=2):
        where = f"{path}: record {number}"
        _columns(row, ("text", "label"), where)
        if row["label"] not in _TFNS_CODES:
            allowed = ", ".join(f"{code} {label}" for code, label in _TFNS_CODES.items())
            raise InputError(f"{where}: label {printable(repr(row['label']), 40)} is not one of {allowed}")
        rows.append({"text": row["text"], "label": _TFNS_CODES[row["label"]]})
    return rows


def read_fpb_zip(path: Path) -> list[Row]:
    """Return the rows of FinGPT's test split out of the archive; raises InputError for another archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            text = archive.read(_FPB_MEMBER).decode("iso-8859-1")
    except (zipfile.BadZipFile, KeyError, OSError) as error:
        raise InputError(f"{path}: no archive with {_FPB_MEMBER} ({error}); download it again") from None
    lines = [line.strip().rpartition("@") for line in text.split("\n") if line.strip()]
    rows = [_labelled({"text": said, "label": label}, f"{path}: line {n}") for n, (said, _, label) in enumerate(lines)]
    from datasets import Dataset

    return list(Dataset.from_list(rows).train_test_split(seed=_FPB_SEED)["test"])


def _labelled(row: Row, where: str) -> Row:
    _columns(row, ("text", "label"), where)
    _code(row["label"], where)
    return row


def _columns(row: Row, wanted: Sequence[str], where: str) -> None:
    for name in wanted:
        if name not in row:
            raise InputError(
                f"{where}: no column {name!r}; found {', '.join(map(str, row))}; needed {', '.join(wanted)}"
            )
    for name in ("text", "entity"):
        if name in wanted and (not isinstance(row[name], str) or not row[name].strip()):
            raise InputError(f"{where}: {name} is {printable(repr(row[name]), 40)}, a text is expected")


def _code(label: Any, where: str) -> None:
    if not isinstance(label, str) or label not in CODES:
        raise InputError(f"{where}: label {printable(repr(label), 40)} is not one of {', '.join(CODES)}")


def items(name: str, lang: str, rows: Sequence[Row]) -> list[PublicItem]:
    """Return the items in `rows`; an entity that one text labels in two ways is left out, for it has no gold."""
    found = []
    for number, row in enumerate(rows):
        identity = str(row.get("id") or f"{name}-{number}")
        if "entities" not in row:
            found.append(PublicItem(identity, lang, row["text"], None, CODES[row["label"]]))
        for place, (entity, label) in enumerate(_agreed(row.get("entities", []))):
            found.append(PublicItem(f"{identity}#{place}", lang, row["text"], entity, CODES[label]))
    return found


def _agreed(entities: Sequence[Row]) -> Iterator[tuple[str, str]]:
    labels: dict[str, set[str]] = {}
    for one in entities:
        labels.setdefault(one["entity"], set()).add(one["label"])
    return ((entity, *said) for entity, said in labels.items() if len(said) == 1)  # type: ignore[misc]


def check_counts(
    path: Path, rows: int, found: Sequence[PublicItem], wanted_rows: int, wanted: Mapping[str, int]
) -> None:
    """Raise InputError where a set holds other rows or labels than the catalogue says, with both figures."""
    if rows != wanted_rows:
        raise InputError(f"{path}: {rows:,} rows, {wanted_rows:,} are expected; this is another set or a part of it")
    identity, times = Counter(item.id for item in found).most_common(1)[0] if found else ("", 0)
    if times > 1:
        raise InputError(f"{path}: id {printable(identity, 40)!r} stands twice; ids are unique")
    counts = Counter(item.sentiment for item in found)
    if dict(counts) == dict(wanted):
        return
    swapped = sorted(counts.values()) == sorted(wanted.values())
    hint = "; the labels are swapped, as in a copy that is in circulation" if swapped else ""
    raise InputError(f"{path}: labels are {_said(counts)}; {_said(wanted)} are expected{hint}; download the set again")


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{label} {counts.get(label, 0):,}" for label in SENTIMENTS)
