"""The rows that travel between stages, each with its check.

{"id": "news-en-001", "lang": "en", "text": "...", "entity": "NVIDIA", "aliases": ["NVDA"], "sentiment": "Positive",
 "risk_level": "Low", "sector": "semiconductors", "event": "contract_win", "order": 1, "features": ["numbers"]}
{"id": "tfns-17", "lang": "en", "text": "...", "entity": null, "sentiment": "Neutral"}    (of a public set)
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, get_type_hints

from finsight_eval import jsonl
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES: Final = ("en", "zh")
ORDERS: Final = (1, 2, 3)
_PAIR: Final = re.compile(r"(cf-[a-z]+-\d+)-[ab]")


@dataclass(frozen=True, slots=True)
class Item:
    """One benchmark row: a news text and what a careful reader says of it."""

    id: str
    lang: str
    text: str
    entity: str
    aliases: tuple[str, ...]
    sentiment: str
    risk_level: str
    sector: str
    event: str
    order: int
    features: tuple[str, ...]

    def row(self) -> dict[str, Any]:
        """Return the JSON row, keys in the order of the file format."""
        return {key: list(v) if isinstance(v := getattr(self, key), tuple) else v for key in _hints(Item)}


@dataclass(frozen=True, slots=True)
class PublicItem:
    """One row of a public set, which labels sentiment only; what it does not label is None and counts in no figure.

    `entity` is the company whose sentiment the set labels, given to the model with the text; None: the text as a whole.
    """

    id: str
    lang: str
    text: str
    entity: str | None
    sentiment: str

    aliases: ClassVar[tuple[str, ...]] = ()
    features: ClassVar[tuple[str, ...]] = ()
    risk_level: ClassVar[None] = None
    sector: ClassVar[None] = None
    event: ClassVar[None] = None
    order: ClassVar[None] = None

    def row(self) -> dict[str, Any]:
        """Return the JSON row."""
        return asdict(self)


AnyItem = Item | PublicItem


def pair_of(identity: str) -> str | None:
    """Return the pair of a counterfactual item ("cf-en-001" for "cf-en-001-a"), None for any other item."""
    found = _PAIR.fullmatch(identity) if identity.startswith("cf-") else None
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class News:
    """One corpus row: a raw text, without any label that a teacher could see."""

    id: str
    lang: str
    text: str


_ALLOWED: Final[dict[str, tuple[Any, ...]]] = {
    "lang": LANGUAGES,
    "sentiment": SENTIMENTS,
    "risk_level": RISK_LEVELS,
    "order": ORDERS,
}
_SHAPES: Final = {
    str: "a string",
    int: "an integer",
    tuple[str, ...]: "a list of strings",
    str | None: "a string or null",
}


def _fits(value: Any, kind: Any) -> bool:
    if kind == tuple[str, ...]:
        return isinstance(value, list) and all(isinstance(element, str) for element in value)
    return isinstance(value, kind) and not isinstance(value, bool)


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return name -> type of the fields of `kind`, in their order."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def row_problem(row: dict[str, Any], kind: type) -> str | None:
    """Return what is wrong with `row` as a `kind` (Item, PublicItem or News), or None: the first problem, in words."""
    return None if _is_sound(row, kind) else _problem(row, _hints(kind))


@cache
def _checks(kind: type) -> tuple[tuple[str, type, frozenset[Any] | None], ...]:
    """Return (key, type in JSON, allowed values) for the keys of `kind`."""
    types = {str: str, int: int, tuple[str, ...]: list, str | None: str}
    allowed = {name: frozenset(values) for name, values in _ALLOWED.items()}
    return tuple((name, types[shape], allowed.get(name)) for name, shape in _hints(kind).items())


def _is_sound(row: dict[str, Any], kind: type) -> bool:
    """Tell whether nothing is wrong with `row`, in a fraction of the time that finding words for it takes.

    A null passes to the slow path. So does what the slow path refuses: it alone decides.
    """
    checks = _checks(kind)
    if len(row) != len(checks):
        return False
    for name, shape, allowed in checks:
        value: Any = row.get(name)
        if type(value) is not shape or (allowed is not None and value not in allowed):
            return False
        if isinstance(value, str):
            if not value or value.isspace():
                return False
        elif isinstance(value, list) and any(type(element) is not str for element in value):
            return False
    return True


def _problem(row: dict[str, Any], hints: dict[str, Any]) -> str | None:
    for key in row:
        if key not in hints:
            return f"unknown key {printable(key, 40)!r}{nearest(key, hints)}; allowed: {', '.join(hints)}"
    for key, shape in hints.items():
        if key not in row:
            return f"key {key!r} is missing"
        value = row[key]
        if not _fits(value, shape):
            return f"{key} is {printable(repr(value), 60)}, {_SHAPES[shape]} is expected"
        if key in _ALLOWED and value not in _ALLOWED[key]:
            allowed = [str(label) for label in _ALLOWED[key]]
            return (
                f"{key} {printable(str(value), 40)!r} is not one of {', '.join(allowed)}{nearest(str(value), allowed)}"
            )
        if isinstance(value, str) and not value.strip():
            return f"{key} is empty"
    return None


def _made(row: dict[str, Any], kind: type) -> Any:
    return kind(*[tuple(v) if isinstance(v := row[name], list) else v for name in _hints(kind)])


def kind_of(row: dict[str, Any]) -> type[AnyItem]:
    """Return what `row` claims to be: a row without any key on risk is one of a public set."""
    return Item if "risk_level" in row or "order" in row else PublicItem


def item_of(row: dict[str, Any]) -> AnyItem:
    """Return the item in a checked row; further keys, such as the teacher's verdict, are left aside."""
    item: AnyItem = _made(row, kind_of(row))
    return item


def _read(path: Path, kind: type) -> list[Any]:
    records: list[Any] = []
    seen: dict[str, int] = {}
    for number, row in jsonl.read_lines(path):
        if problem := row_problem(row, kind):
            raise InputError(f"{path}:{number}: {problem}; correct the row")
        if row["id"] in seen:
            raise InputError(
                f"{path}:{number}: id {row['id']!r} already stands on line {seen[row['id']]}; ids are unique"
            )
        seen[row["id"]] = number
        records.append(_made(row, kind))
    if not records:
        raise InputError(f"{path}: holds no rows; an empty set cannot be scored or learnt from")
    return records


def read_items(path: Path) -> list[Item]:
    """Return the benchmark rows of `path`; raises InputError naming file, line, value and what is allowed."""
    return _read(path, Item)


def read_news(path: Path) -> list[News]:
    """Return the corpus rows of `path`; raises InputError naming file, line, value and what is allowed."""
    return _read(path, News)
