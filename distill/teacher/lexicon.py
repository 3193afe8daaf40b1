"""The analyst's knowledge as data: what events mean, the words for them, and the tables that find those words.

    recall: [-1, High, Medium, 5, -1, 0, 1]    ->  Event(name="recall", sign=-1, risk=2, small=1, weight=5, spread=...)

Read once per process from the YAML files of this folder; a broken file is our own defect and asserts.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from distill.teacher.phrases import Table, chinese_phrase, english_phrase

LANGS: Final = ("en", "zh")
LEVELS: Final = ("Low", "Medium", "High")
_FOLDER: Final = Path(__file__).parent


class Event(NamedTuple):
    """What a kind of event means: sign for the owners, risk (0 Low to 2 High) in general, when small, when large."""

    name: str
    sign: int
    small: int
    risk: int
    large: int
    weight: int
    spread: dict[str, float]


@cache
def _file(name: str) -> dict[str, Any]:
    with (_FOLDER / name).open(encoding="utf-8") as stream:
        data: dict[str, Any] = yaml.safe_load(stream)
    return data


def words_of(lang: str, key: str) -> list[str]:
    """Return the words under `key` of a language's names file."""
    return str(_file(f"names_{lang}.yaml")[key]).split()


@cache
def chinese_vocabulary() -> frozenset[str]:
    """Return every run of Chinese characters in the Chinese lexicon: words of the trade, which are no names."""
    files = [(_FOLDER / f"{name}_zh.yaml").read_text(encoding="utf-8") for name in ("phrases", "marks", "says")]
    return frozenset(re.findall(r"[\u4e00-\u9fff]{2,}", "".join(files)))


@cache
def events() -> dict[str, Event]:
    """Return every event by its name."""
    return {name: _event(name, row) for name, row in _file("events.yaml").items()}


def _event(name: str, row: list[Any]) -> Event:
    sign, risks, weight, *spread = row
    small, risk, large = (LEVELS.index(level) for level in risks.split("/"))
    return Event(
        name, sign, small, risk, large, weight, dict(zip(("supplier", "customer", "competitor"), spread, strict=True))
    )


@cache
def effects(lang: str) -> dict[str, str]:
    """Return event -> its effects, as a chain of causes in plain words of one language."""
    return {name: row["why"] for name, row in _file(f"phrases_{lang}.yaml")["events"].items()}


@cache
def says(lang: str) -> dict[str, Any]:
    """Return how one language puts a verdict (says_en.yaml, says_zh.yaml)."""
    return _file(f"says_{lang}.yaml")


@cache
def event_table(lang: str) -> Table:
    """Return the table that finds events; a key "recall>" bears on the party after it, "recall" on its subject."""
    rows = _file(f"phrases_{lang}.yaml")["events"].items()
    assert {name for name, _ in rows} == events().keys()  # noqa: S101
    return _table(
        lang,
        [(name, row["phrases"]) for name, row in rows] + [(f"{name}>", row.get("object", "")) for name, row in rows],
    )


@cache
def mark_table(lang: str) -> Table:
    """Return the table that finds marks: words that change what an event means (rumour, denial, scale ...)."""
    return _table(lang, list(_file(f"marks_{lang}.yaml").items()))


def _table(lang: str, rows: list[tuple[str, str]]) -> Table:
    make = chinese_phrase if lang == "zh" else english_phrase
    sources = [(key, part.strip()) for key, block in rows for part in str(block).split(";") if part.strip()]
    return Table((make(key, expanded(lang, source)) for key, source in sources), lang)


def expanded(lang: str, source: str) -> str:
    """Return a phrase with its sets of words (UP, PROFIT ...) put in."""
    sets: dict[str, str] = _file(f"phrases_{lang}.yaml")["sets"]
    if lang == "zh":
        return re.sub(r"[A-Z]{2,}", lambda m: f"({sets[m.group()]})" if m.group() in sets else m.group(), source)
    return re.sub(r"\b[A-Z]{2,}\b", lambda m: sets.get(m.group(), m.group().lower()), source)
