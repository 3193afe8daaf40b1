"""Invented companies and the sectors they work in; no name of one split can occur in another.

    Company(sector="semiconductors", full="Kelbridge Semiconductor", short="Kelbridge")
    Company(sector="electronics", full="华晟电子", short="华晟")

A root is two parts put together. The positions of the parts decide the split, so a root has exactly one; the text for
pretraining has most roots, and more that are invented from syllables and end as no other root does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import InputError
from finsight_eval.recipe import read_yaml

if TYPE_CHECKING:
    import random

_HERE: Final = Path(__file__).parent
#: Residues (of 20) of first + 2 * second position that each split owns.
_SHARES: Final = {"test": range(3), "dev": range(3, 4), "train": range(4, 9), "pretrain": range(9, 20)}
SPLITS: Final = (*_SHARES, "commented")


_TRIPLE: Final = re.compile(r"(.)\1\1", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sector:
    """A trade: its name, what its companies' names end in, what they make, and from which sectors they buy."""

    key: str
    words: dict[str, str]
    ends: dict[str, tuple[str, ...]]
    products: dict[str, tuple[str, ...]]
    buys: tuple[str, ...]
    sells_to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Company:
    """A company of one story, with the two forms in which news writes it."""

    sector: str
    full: str
    short: str


@cache
def sectors() -> dict[str, Sector]:
    """Return all sectors by key; raises InputError where one buys from a sector that there is not."""
    path = _HERE / "sectors.yaml"
    table = read_yaml(path)
    for key, entry in table.items():
        if unknown := sorted(set(entry["buys"]) - set(table)):
            raise InputError(f"{path}: {key} buys from {unknown[0]!r}, which is no sector; correct the name")
    return {key: _sector(key, entry, table) for key, entry in table.items()}


def _sector(key: str, entry: dict[str, Any], table: dict[str, Any]) -> Sector:
    return Sector(
        key=key,
        words={"en": entry["en"], "zh": entry["zh"]},
        ends={"en": tuple(entry["ends_en"]), "zh": tuple(entry["ends_zh"])},
        products={"en": tuple(en for en, _ in entry["products"]), "zh": tuple(zh for _, zh in entry["products"])},
        buys=tuple(entry["buys"]),
        sells_to=tuple(other for other, fields in table.items() if key in fields["buys"]),
    )


@cache
def parts() -> dict[str, Any]:
    """Return the name parts and places of names.yaml."""
    return read_yaml(_HERE / "names.yaml")


@cache
def roots(split: str, lang: str) -> tuple[str, ...]:
    """Return the two-part roots that `split` owns in `lang`."""
    pool = parts()[lang]
    avoid = set(pool["avoid"])
    return tuple(
        first + second
        for i, first in enumerate(pool["first"])
        for j, second in enumerate(pool["second"])
        if (i + 2 * j) % 20 in _SHARES[split] and first + second not in avoid and not _TRIPLE.search(first + second)
    )


def _invented(rng: random.Random, lang: str) -> str:
    pool = parts()[lang]
    if lang == "zh":
        return f"{rng.choice(roots('pretrain', lang))}{rng.choice(pool['tail'])}"
    middle = "".join(rng.choice(pool["middle"]) for _ in range(rng.randint(1, 2)))
    return f"{rng.choice(pool['onset'])}{middle}{rng.choice(pool['tail'])}"


def company(rng: random.Random, split: str, lang: str, sector: str, taken: set[str]) -> Company:
    """Return a company of `sector` whose root is not in `taken`; the root is added to `taken`."""
    owner = "pretrain" if split == "commented" else split
    while True:
        root = _invented(rng, lang) if owner == "pretrain" and rng.random() < 0.5 else rng.choice(roots(owner, lang))
        if root not in taken:
            break
    taken.add(root)
    end = rng.choice(sectors()[sector].ends[lang])
    return Company(sector, f"{root} {end}" if lang == "en" else root + end, root)
