"""Rows that stand twice, in one set or across sets and splits: equal ids, equal texts, texts that nearly agree.

    "... rose 9% to 212 million ..."  "... rose 8% to 212 million ..."   share 0.93 of their shingles: near-duplicates

Similarity is the Jaccard index of the sets of four-character pieces of the plain text: it needs no word boundaries, so
it serves both languages, and it works on texts of one sentence, where word n-grams see nothing.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

from benchmarks.rules import RULES
from finsight_eval.exposing.similar import normal
from finsight_eval.records import pair_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.sets import Placed

SHINGLE: Final = 4


def shingles(text: str) -> frozenset[str]:
    """Return the four-character pieces of the plain form of `text`; a shorter text is one piece."""
    flat = normal(text)
    return frozenset(flat[start : start + SHINGLE] for start in range(max(1, len(flat) - SHINGLE + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return |intersection| / |union|, 0 to 1; both sets hold at least one piece."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def _limit(one: Placed, other: Placed) -> float:
    """Return the stricter of the two sets' limits: a template may repeat within its set, not into another one."""
    return min(RULES[one.set_name].near, RULES[other.set_name].near)


def near_pairs(placed: Iterable[Placed]) -> Iterator[tuple[Placed, Placed, float]]:
    """Yield (earlier, later, similarity) for every two items as similar as their sets forbid."""
    pieces = [(one, shingles(one.item.text)) for one in placed]
    for (one, a), (other, b) in combinations(pieces, 2):
        if (pair := pair_of(one.item.id)) and pair == pair_of(other.item.id):
            continue  # the members of a pair are alike on purpose
        limit = _limit(one, other)
        # The index cannot exceed the ratio of the sizes: most pairs need no intersection.
        if min(len(a), len(b)) >= limit * max(len(a), len(b)) and (found := jaccard(a, b)) >= limit:
            yield one, other, found


def repeated_ids(placed: Iterable[Placed]) -> Iterator[tuple[Placed, Placed]]:
    """Yield (first, later) for every item whose id an earlier one bears."""
    first: dict[str, Placed] = {}
    for one in placed:
        if one.item.id in first:
            yield first[one.item.id], one
        first.setdefault(one.item.id, one)


def duplicate_problems(placed: list[Placed]) -> Iterator[str]:
    """Yield a problem for each repeated id and each pair of equal or nearly equal texts, across all sets given."""
    for first, later in repeated_ids(placed):
        yield f"{later.where}: id {later.item.id!r} stands already in {first.where}; ids are unique"
    for first, later, found in near_pairs(placed):
        same = normal(first.item.text) == normal(later.item.text)
        how = "has the same text as" if same else f"is a near-duplicate ({found:.2f}) of"
        yield f"{later.where}: {later.item.id} {how} {first.item.id} in {first.where}; rewrite or delete one"
