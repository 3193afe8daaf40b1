"""Which rows are asked about and which are not, each with its reason and, where another row is one, its partner.

    Removed("n-7", "news.csv:8", "near duplicate", "n-2", "share 0.83")

A row is looked at alone as it passes (`Screen.look`: length, language, benchmark items); then all rows together
(`Screen.repeats`: ids and texts that stand twice, near-equal texts). Of those that repeat each other the first stays.
What is kept of a row in memory is some 160 bytes, whatever its length: texts stay in the file that `text_of` reads.
"""

from __future__ import annotations

import hashlib
from array import array
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from distill.hygiene.grams import gram_hashes, jaccard
from distill.hygiene.language import reads_as
from distill.hygiene.near import Near
from finsight_eval.exposing.similar import normal
from finsight_eval.records import LANGUAGES, News

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    from numpy.typing import NDArray

    from distill.overlap import Index
    from distill.recipe import Recipe


class Hygiene(StrEnum):
    """Why a row is not asked about. The list is closed."""

    TOO_SHORT = "too short"
    TOO_LONG = "too long"
    OTHER_LANGUAGE = "another language"
    BENCHMARK = "benchmark item"
    SAME_ID = "id stands twice"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near duplicate"


class Removed(NamedTuple):
    """Why a row was removed: its partner is the kept row, or the benchmark item, that it repeats."""

    reason: Hygiene
    partner: str = ""
    detail: str = ""


class Screen:
    """The rows of one corpus as they pass."""

    def __init__(self, recipe: Recipe, index: Index) -> None:
        """Judge by the limits of `recipe` and keep apart from the items of `index`."""
        self._recipe, self._index = recipe, index
        self._near = Near()
        self._ids, self._texts = array("Q"), array("Q")
        self.overlaps: list[dict[str, Any]] = []
        self.closest_kept = 0.0

    def __len__(self) -> int:
        return len(self._ids)

    def look(self, news: News) -> tuple[News, Removed | None]:
        """Return the row with its language, and why it is removed, looked at alone; one that stays is remembered."""
        limits = self._recipe
        if len(news.text) < limits.least_chars:
            return news, Removed(Hygiene.TOO_SHORT, "", f"{len(news.text)} characters")
        if len(news.text) > limits.most_chars:
            return news, Removed(Hygiene.TOO_LONG, "", f"{len(news.text):,} characters")
        news, foreign = told(news)
        if foreign:
            return news, Removed(Hygiene.OTHER_LANGUAGE, "", foreign)
        flat = normal(news.text)
        grams = gram_hashes(flat)
        match = self._index.closest_to(flat, grams)
        if match.share >= limits.overlap_threshold:
            pair = {"set": match.reference.set, "item": match.reference.item, "kind": match.kind, "share": match.share}
            self.overlaps.append({"id": news.id, **pair})
            return news, Removed(Hygiene.BENCHMARK, f"{pair['set']}/{pair['item']}", f"{match.kind}, {match.share:.2f}")
        self.closest_kept = max(self.closest_kept, match.share)
        self._ids.append(_hash64(news.id))
        self._texts.append(_hash64(flat))
        self._near.add(grams)
        return news, None

    def repeats(self, row_of: Callable[[int], News]) -> dict[int, Removed]:
        """Return number -> why it is removed, for the rows that repeat an earlier one of those that `look` kept.

        `row_of` returns the n-th of them. Equal hashes are equal ids and texts: among a million rows two different ones
        share a 64-bit hash in one corpus of 37 million.
        """
        rows = np.arange(len(self), dtype=np.int64)
        same_text = _first_with_same(np.frombuffer(self._texts, dtype=np.uint64), rows)
        once = np.setdiff1d(rows, np.fromiter(same_text, dtype=np.int64))
        same_id = _first_with_same(np.frombuffer(self._ids, dtype=np.uint64)[once], once)
        left = np.setdiff1d(once, np.fromiter(same_id, dtype=np.int64))
        near = self._near_ones(left, row_of)
        found = dict.fromkeys(same_text, (Hygiene.DUPLICATE, "")) | dict.fromkeys(same_id, (Hygiene.SAME_ID, ""))
        found |= {row: (Hygiene.NEAR_DUPLICATE, f"share {share:.2f}") for row, (_, share) in near.items()}
        before = same_text | same_id | {row: earlier for row, (earlier, _) in near.items()}
        return {
            row: Removed(reason, row_of(_kept_before(row, before)).id, detail)
            for row, (reason, detail) in found.items()
        }

    def _near_ones(self, left: NDArray[np.int64], row_of: Callable[[int], News]) -> dict[int, tuple[int, float]]:
        """Return row -> (the kept row that it is nearest to, their share), for those of `left` that go."""
        found: dict[int, tuple[int, float]] = {}
        for later, candidates in self._near.candidates(left):  # ascending, so what stays before it is known
            mine = gram_hashes(normal(row_of(later).text))
            shares = [
                (jaccard(mine, gram_hashes(normal(row_of(number).text))), number)
                for number in candidates
                if number not in found
            ]
            share, nearest = max(shares, default=(0.0, -1))
            if share >= self._recipe.near_duplicate_threshold:
                found[later] = nearest, share
        return found


def _kept_before(row: int, before: dict[int, int]) -> int:
    """Return the row that stays, at the beginning of a chain of repetitions."""
    while row in before:
        row = before[row]
    return row


def told(news: News) -> tuple[News, str]:
    """Return the row with the language that it states, or reads as, and what speaks against asking about it."""
    read = reads_as(news.text)
    if news.lang and news.lang not in LANGUAGES:
        return news, f"stated as {news.lang}"
    if not read:
        return news, "no words"
    if read not in LANGUAGES:
        return news, f"reads as {read}"
    if news.lang and news.lang != read:
        return news, f"stated as {news.lang}, reads as {read}"
    return News(news.id, read, news.text), ""


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _first_with_same(hashes: NDArray[np.uint64], rows: NDArray[np.int64]) -> dict[int, int]:
    """Return later row -> first row of an equal hash; `rows` are the numbers of the rows that have the hashes."""
    _, firsts, numbers = np.unique(hashes, return_index=True, return_inverse=True)
    earlier = firsts[numbers]
    later = np.flatnonzero(earlier != np.arange(len(hashes)))
    return {int(rows[place]): int(rows[earlier[place]]) for place in later}


def counted(reasons: Counter[str]) -> dict[str, int]:
    """Return the counts in the order of the closed list, those that occur."""
    return {str(reason): reasons[reason] for reason in Hygiene if reasons[reason]}
