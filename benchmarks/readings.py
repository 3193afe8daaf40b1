"""What two readers said of every item of a set, and how their disputes were settled.

    readings/first.jsonl     {"id": "news-en-001", "text": "3f0c9a51", "entity": "...", "sentiment": "...",
                              "risk_level": "...", "reader": "author-1", "date": "2026-11-22", "why": "rule 5; ..."}
    readings/second.jsonl    the same keys
    readings/third.jsonl     the same keys; a sample that a third reader took of the finished set (may be missing)
    readings/disputes.jsonl  {"id": "...", "settled": "first", "reason": "..."}   settled: first, second, or rewritten

`text` is the head of the text's sha256: a text that was rewritten after a reading no longer bears it. A rewritten item
has its later readings in the two files as well, and the last of each reader is the one that must agree with the gold.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from finsight_eval.records import Item

READINGS: Final = "readings"
KEYS: Final = ("id", "text", "entity", "sentiment", "risk_level", "reader", "date", "why")
SETTLED: Final = ("first", "second", "rewritten")
LABELS: Final = {"sentiment": SENTIMENTS, "risk_level": RISK_LEVELS}


@dataclass(frozen=True)
class Readings:
    """What the readers said; each maps an item's id to its readings, the earliest first."""

    first: Mapping[str, Sequence[jsonl.Row]]
    second: Mapping[str, Sequence[jsonl.Row]]
    disputes: Mapping[str, jsonl.Row]
    third: Mapping[str, Sequence[jsonl.Row]] = field(default_factory=dict)


def text_mark(text: str) -> str:
    """Return what a reading calls the text that it was made of: the head of its sha256."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def read(folder: Path) -> Readings:
    """Return the readings of the set in `folder`; raises InputError naming the line that is none."""
    first, second = (_read(folder / READINGS / f"{name}.jsonl") for name in ("first", "second"))
    path = folder / READINGS / "disputes.jsonl"
    disputes = {}
    for number, row in jsonl.read_lines(path):
        if tuple(row) != ("id", "settled", "reason") or row["settled"] not in SETTLED or not row["reason"]:
            raise InputError(
                f'{path}:{number}: {{"id", "settled", "reason"}} is expected, settled {" or ".join(SETTLED)}'
            )
        disputes[row["id"]] = row
    third = folder / READINGS / "third.jsonl"
    return Readings(first, second, disputes, _read(third) if third.is_file() else {})


def _read(path: Path) -> dict[str, list[jsonl.Row]]:
    rows: dict[str, list[jsonl.Row]] = {}
    for number, row in jsonl.read_lines(path):
        _check(row, f"{path}:{number}")
        rows.setdefault(row["id"], []).append(row)
    return rows


def _check(row: jsonl.Row, where: str) -> None:
    if tuple(row) != KEYS or not all(isinstance(value, str) for value in row.values()):
        raise InputError(f"{where}: found {', '.join(row)}; the keys are {', '.join(KEYS)}, all texts")
    for key, allowed in LABELS.items():
        if row[key] not in allowed:
            raise InputError(f"{where}: {key} {row[key]!r} is not one of {', '.join(allowed)}")


def labels(row: jsonl.Row) -> tuple[str, str]:
    return row["sentiment"], row["risk_level"]


def problems(items: Sequence[Item], readings: Readings) -> list[str]:
    """Return where the readings and the gold do not fit together: an empty list means that all is accounted for."""
    found = []
    for item in items:
        last = [rows[item.id][-1] if item.id in rows else None for rows in (readings.first, readings.second)]
        if None in last:
            found.append(f"{item.id}: read by {2 - last.count(None)} of two readers; let the other one read it")
            continue
        found += [f"{item.id}: {problem}" for problem in _item_problems(item, readings)]
    ids = {item.id for item in items}
    parts = (readings.first, readings.second, readings.disputes, readings.third)
    stray = [key for part in parts for key in part if key not in ids]
    marks = {item.id: text_mark(item.text) for item in items}
    found += [
        f"{key}: the third reader's reading is of another text; take a new sample"
        for key, rows in readings.third.items()
        if marks.get(key, rows[-1]["text"]) != rows[-1]["text"]
    ]
    return found + [f"{key}: stands in readings but is no item of the set; remove it" for key in stray]


def _item_problems(item: Item, readings: Readings) -> list[str]:
    first, second = readings.first[item.id], readings.second[item.id]
    gold, dispute = (item.sentiment, item.risk_level), readings.disputes.get(item.id)
    found = []
    for name, rows in (("first", first), ("second", second)):
        if rows[-1]["text"] != text_mark(item.text):
            found.append(f"the {name} reader's last reading is of another text; let the new text be read")
    agreed = labels(first[-1]) == labels(second[-1])
    settled = dispute["settled"] if dispute else None
    if agreed and labels(first[-1]) != gold:
        found.append(f"both readers say {'/'.join(labels(first[-1]))}, the gold is {'/'.join(gold)}")
    if not agreed and settled not in ("first", "second"):
        found.append("the readers differ and readings/disputes.jsonl does not settle it")
    if not agreed and settled in ("first", "second"):
        stands = labels((first if settled == "first" else second)[-1])
        if stands != gold:
            found.append(f"settled for the {settled} reader's {'/'.join(stands)}, the gold is {'/'.join(gold)}")
    if (len(first) > 1) != (settled == "rewritten") and agreed:
        found.append("an item is read again where, and only where, its dispute was settled as rewritten")
    return found
