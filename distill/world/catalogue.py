"""The event catalogue: YAML, read strictly.

    product_recall: {family: product, sectors: [automobiles],
                     labels: {small: {sentiment: Negative, risk_level: Medium, pct: [1, 4]}, large: {...}},
                     spread: {supplier: {sentiment: Negative, risk_level: Medium}}, because: {en: ..., zh: ...},
                     noun: {en: {train: [...], dev: [...], test: [...]}, zh: ...}, en: {train: [...], ...}, zh: {...}}

Whatever is wrong is an InputError that names file, event and what is allowed: a misspelt key would silently drop a
label.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from distill.world.names import sectors
from distill.world.phrases import HERE, PHRASE_FIELDS, PHRASE_SPLITS, Pools, closed, one_of, pools
from finsight_eval.errors import InputError, printable
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.recipe import read_yaml
from finsight_eval.records import LANGUAGES

if TYPE_CHECKING:
    from pathlib import Path

FAMILIES: Final = (
    "results", "guidance", "product", "legal", "finance", "supply", "operations", "policy", "market", "people", "cyber",
    "deal",
)  # fmt: skip
ROLES: Final = ("supplier", "customer", "competitor")
_KEYS: Final = ("family", "sectors", "labels", "spread", "because", "noun", "en", "zh")
_OPTIONAL: Final = ("spread",)
_LABEL_KEYS: Final = ("sentiment", "risk_level", "pct")
#: Fewest phrases and nouns of each split.
_LEAST: Final = {"train": 5, "dev": 2, "test": 3}
_LEAST_NOUNS: Final = dict.fromkeys(PHRASE_SPLITS, 1)


@dataclass(frozen=True, slots=True)
class Label:
    """What an event means for one company; `pct` is the range of the figure that goes with it."""

    sentiment: str
    risk_level: str
    pct: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event: what it means, for whom, why, and how it is told."""

    name: str
    family: str
    sectors: tuple[str, ...]
    labels: dict[str, Label]
    spread: dict[str, Label]
    because: dict[str, str]
    noun: dict[str, Pools]
    phrases: dict[str, Pools]

    @property
    def graded(self) -> bool:
        return "any" not in self.labels

    @property
    def worst(self) -> Label:
        """The label of the event at its full size."""
        return self.labels["large" if self.graded else "any"]


def _label(where: str, entry: Any, *, figure: bool) -> Label:
    closed(where, entry, _LABEL_KEYS, optional=() if figure else ("pct",))
    pct = entry.get("pct")
    if pct is not None:
        whole = isinstance(pct, list) and len(pct) == 2 and all(type(n) is int for n in pct)
        if not whole or not 0 < pct[0] <= pct[1]:
            raise InputError(f"{where}: pct is {printable(repr(pct), 40)}, [lowest, highest] is expected")
        pct = (pct[0], pct[1])
    sentiment = one_of(f"{where}: sentiment", entry["sentiment"], SENTIMENTS)
    return Label(sentiment, one_of(f"{where}: risk_level", entry["risk_level"], RISK_LEVELS), pct)


def _labels(where: str, entry: Any) -> dict[str, Label]:
    kinds = ("any",) if isinstance(entry, dict) and "any" in entry else ("small", "large")
    closed(where, entry, kinds)
    made = {kind: _label(f"{where}.{kind}", entry[kind], figure=kind != "any") for kind in kinds}
    small, large = made.get("small"), made.get("large")
    if small and large and small.pct and large.pct and small.pct[1] >= large.pct[0]:
        raise InputError(f"{where}: pct of small and large overlap; a reader could not tell them apart")
    return made


def _event(where: str, name: str, entry: Any) -> Event:
    closed(where, entry, _KEYS, _OPTIONAL)
    known = sectors()
    trades = entry["sectors"]
    if not isinstance(trades, list) or not trades:
        raise InputError(f"{where}.sectors: a list of sectors, or [all], is expected")
    for trade in trades:
        one_of(f"{where}.sectors", trade, [*known, "all"])
    noun, because = (closed(f"{where}.{key}", entry[key], LANGUAGES) for key in ("noun", "because"))
    return Event(
        name=name,
        family=one_of(f"{where}.family", entry["family"], FAMILIES),
        sectors=tuple(known) if "all" in trades else tuple(trades),
        labels=_labels(f"{where}.labels", entry["labels"]),
        spread={
            role: _label(f"{where}.spread.{role}", label, figure=False)
            for role, label in closed(f"{where}.spread", entry.get("spread", {}), ROLES, ROLES).items()
        },
        because={lang: str(because[lang]) for lang in LANGUAGES},
        noun={lang: pools(f"{where}.noun.{lang}", noun[lang], (), _LEAST_NOUNS) for lang in LANGUAGES},
        phrases={lang: pools(f"{where}.{lang}", entry[lang], PHRASE_FIELDS, _LEAST, needs="co") for lang in LANGUAGES},
    )


def _refuse_figures_without_range(where: str, event: Event) -> None:
    without = [kind for kind, label in event.labels.items() if label.pct is None]
    for pool in event.phrases.values() if without else ():
        for phrase in pool["pretrain"]:
            if "{pct}" in phrase:
                raise InputError(
                    f"{where}: {phrase!r} has {{pct}}, labels.{without[0]} has no pct: [lowest, highest]; add it"
                )


def load_events(folder: Path) -> dict[str, Event]:
    """Return the events of all YAML files in `folder`, by name.

    Raises:
        InputError: no file, a key or label that is not known, a split missing, a phrase in two splits, an event twice.
    """
    events: dict[str, Event] = {}
    homes: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for name, entry in read_yaml(path).items():
            where = f"{path}: {name}"
            if name in events:
                raise InputError(f"{where}: the event is defined twice; rename one of them")
            events[name] = _event(where, name, entry)
            _refuse_figures_without_range(where, events[name])
            _refuse_sharing(where, events[name], homes)
    if not events:
        raise InputError(f"{folder}: holds no event files (*.yaml)")
    return events


def _refuse_sharing(where: str, event: Event, homes: dict[str, tuple[str, str]]) -> None:
    for pool in (*event.phrases.values(), *event.noun.values()):
        for split in PHRASE_SPLITS:
            for phrase in pool[split]:
                split_before, event_before = homes.setdefault(phrase.casefold(), (split, event.name))
                if split_before != split:
                    before = f"in {event_before}, in {split_before}"
                    raise InputError(f"{where}: {phrase!r} stands in {split} and, {before}; change one of them")


@cache
def events() -> dict[str, Event]:
    """Return the catalogue that ships with the project."""
    return load_events(HERE / "events")
