"""Pools of sentences, one per split, read strictly; and the frames that stand around the events.

    rumour: {train: ["Talk of {noun} at {co} went round trading desks", ...], dev: [...], test: [...]}

A sentence that stood in two splits would leak the test into the training data, so it is refused.
"""

from __future__ import annotations

import string
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.recipe import read_yaml
from finsight_eval.records import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HERE: Final = Path(__file__).parent
PHRASE_SPLITS: Final = ("train", "dev", "test")
PHRASE_FIELDS: Final = ("co", "product", "pct", "amount", "n", "partner", "place")
FRAME_FIELDS: Final = (
    *PHRASE_FIELDS, "other", "noun", "sector", "month", "weekday", "r", "a", "b", "cut", "gain", "loss", "item", "big",
    "little", "home", "staff",
)  # fmt: skip

#: split -> sentences; for `pretrain` (raw text) all of them, for `commented` (text with remarks on it) those of train
Pools = dict[str, tuple[str, ...]]


def closed(where: str, entry: Any, allowed: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    allowed = list(allowed)
    if not isinstance(entry, dict):
        raise InputError(f"{where}: a mapping is expected, found {printable(repr(entry), 60)}")
    for key in entry:
        if key not in allowed:
            shown = f"{printable(str(key), 40)!r}{nearest(str(key), allowed)}"
            raise InputError(f"{where}: unknown key {shown}; allowed: {', '.join(allowed)}")
    for key in allowed:
        if key not in entry and key not in optional:
            raise InputError(f"{where}: key {key!r} is missing")
    return entry


def one_of(where: str, value: Any, allowed: Iterable[str]) -> str:
    allowed = list(allowed)
    if value not in allowed:
        shown = printable(str(value), 40)
        raise InputError(f"{where}: {shown!r} is not one of {', '.join(allowed)}{nearest(shown, allowed)}")
    return str(value)


def fields_of(phrase: str) -> set[str]:
    """Return the placeholders in `phrase`; raises ValueError for a brace that is left open."""
    return {name for _, name, _, _ in string.Formatter().parse(phrase) if name is not None}


def pools(where: str, entry: Any, fields: Iterable[str], least: Mapping[str, int], needs: str | None = None) -> Pools:
    closed(where, entry, PHRASE_SPLITS)
    home: dict[str, str] = {}
    for split in PHRASE_SPLITS:
        phrases = entry[split]
        if not isinstance(phrases, list) or not all(isinstance(p, str) and p.strip() for p in phrases):
            raise InputError(f"{where}.{split}: a list of sentences is expected")
        if len(phrases) < least[split]:
            raise InputError(f"{where}.{split}: {len(phrases)} entries, at least {least[split]} are needed")
        for phrase in phrases:
            _check(f"{where}.{split}", phrase, fields, needs)
            if phrase.casefold() in home:
                raise InputError(
                    f"{where}: {phrase!r} stands in {home[phrase.casefold()]} and in {split}; change one of them"
                )
            home[phrase.casefold()] = split
    made: Pools = {split: tuple(entry[split]) for split in PHRASE_SPLITS}
    everything = tuple(phrase for split in PHRASE_SPLITS for phrase in made[split])
    return made | {"pretrain": everything, "commented": made["train"]}


def _check(where: str, phrase: str, fields: Iterable[str], needs: str | None) -> None:
    try:
        found = fields_of(phrase)
    except ValueError as error:
        raise InputError(f"{where}: {phrase!r}: {error}; write a placeholder as {{co}}") from None
    for name in found:
        one_of(f"{where}: {phrase!r}: placeholder", name, fields)
    if needs and needs not in found:
        raise InputError(f"{where}: {phrase!r} has no {{{needs}}}; name the company that it happens to")
    if phrase.rstrip() != phrase or phrase.endswith((".", "。")):
        raise InputError(f"{where}: {phrase!r} ends in a full stop or a blank; leave it off")


def load_frames(folder: Path) -> dict[str, dict[str, Pools]]:
    """Return language -> slot -> split -> frames; raises InputError as load_events does."""
    frames: dict[str, dict[str, Pools]] = {}
    least = dict.fromkeys(PHRASE_SPLITS, 1)
    for lang in LANGUAGES:
        path = folder / f"{lang}.yaml"
        frames[lang] = {
            slot: pools(f"{path}: {slot}", entry, FRAME_FIELDS, least) for slot, entry in read_yaml(path).items()
        }
    slots = [set(frames[lang]) for lang in LANGUAGES]
    if slots[0] != slots[1]:
        raise InputError(
            f"{folder}: slots in one language only: {', '.join(sorted(slots[0] ^ slots[1]))}; add the other"
        )
    return frames


@cache
def frames() -> dict[str, dict[str, Pools]]:
    """Return the frames that ship with the project."""
    return load_frames(HERE / "frames")
