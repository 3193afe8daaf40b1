"""What is asked: one question to the teacher, and the address that its answer is stored under.

    teacher = Asker({"host": "api.deepseek.com", "model": "deepseek-flash"}, {"temperature": 0.7}, "1f0c99a1b2c3")
    teacher.ask("n-17", messages)                                    the reasoned answer to a row
    teacher.ask("n-17", messages, sample=1)                          a second sample of it, for self-consistency
    teacher.ask("n-17", bare, Kind.DIRECT, max_tokens=64)            the label without reasoning
    teacher.ask("n-17", [*messages, cut_off], Kind.CONTINUE)         the rest of an answer that was cut off
        -> Ask(key="9c1f...", id="n-17", kind="reasoned", sample=0, messages=[...], settings={"temperature": 0.7})

Every kind is an ordinary entry of the store. The key is a hash of all that decides what comes back (teacher, prompt
version, settings, messages, kind, sample index) and of nothing else, so an answer is found again whatever its row is
called and wherever it stands, and a question is paid for once.

A run asks in rounds. A round draws its questions, one by one and as late as possible, from the corpus and from what is
stored already: so follow-ups are a later round, and no list of all questions is ever held in memory.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.jsonl import Row


class Kind(StrEnum):
    """Why a row is asked about."""

    REASONED = "reasoned"
    DIRECT = "direct"
    REPAIR = "repair"
    CONTINUE = "continue"
    AGAIN = "again"


class Ask(NamedTuple):
    """One question: `settings` are the members of the request body beside model and messages."""

    key: str
    id: str
    kind: Kind
    sample: int
    messages: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]


class Purse(Protocol):
    """Who pays. `fill` asks it before every question and tells it of every end.

    `warms_up`: whether the shared prefix of all prompts is cheaper once it is cached, so that it pays to warm it up.
    """

    warms_up: bool

    def may_ask(self, ask: Ask) -> bool:
        """Set aside the most that `ask` can cost and return True; False where the budget does not hold it."""

    def usd(self, response: Row, at: str) -> float | None:
        """Return the price of a response that arrived at `at` (ISO 8601, UTC); None where it reports no usage."""

    def lost(self, ask: Ask) -> None:
        """Count an attempt that may be charged and brought no answer; the question will be asked once more."""

    def settle(self, ask: Ask, row: Row | None) -> None:
        """Give back what was set aside for `ask` and book the stored `row` ("usd", "attempts"); None: it failed."""

    def line(self) -> str:
        """Return what was spent, and of how much: "0.0213 of 2.00 USD"."""


class Asker:
    """Makes questions for one teacher, under one prompt version and one set of sampling settings."""

    def __init__(self, teacher: Mapping[str, str], settings: Mapping[str, Any], prompt: str) -> None:
        """Remember what all questions have in common."""
        self._settings = dict(settings)
        self._teacher, self._prompt = dict(teacher), prompt
        self._start = self._hash_of(self._settings)

    def ask(
        self,
        identity: str,
        messages: Sequence[Mapping[str, Any]],
        kind: Kind = Kind.REASONED,
        sample: int = 0,
        **settings: Any,
    ) -> Ask:
        """Return the question; `settings` stand in place of the common ones of their names."""
        mine = {**self._settings, **settings} if settings else self._settings
        address = (self._hash_of(mine) if settings else self._start).copy()
        address.update(_canonical([messages, kind, sample]))
        return Ask(address.hexdigest()[:32], identity, kind, sample, messages, mine)

    def _hash_of(self, settings: Mapping[str, Any]) -> Any:
        return hashlib.sha256(_canonical({"teacher": self._teacher, "settings": settings, "prompt": self._prompt}))


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False).encode()
