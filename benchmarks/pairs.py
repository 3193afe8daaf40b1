"""Minimal pairs: two items whose texts differ by one change, and whose answers differ, or not, as their kind says.

cf-en-001-a  "... profit of $41 million, above the $38 million that analysts expected ..."   Positive, Low
cf-en-001-b  "... profit of $35 million, below the $38 million that analysts expected ..."   Negative, Low
both carry the feature flip_sentiment
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.duplicates import jaccard, shingles
from benchmarks.rules import PAIR_KINDS
from finsight_eval.records import pair_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.sets import Placed
    from finsight_eval.records import Item

#: Two texts that share fewer of their shingles (Jaccard) differ by more than one change.
LEAST_ALIKE = 0.5


def pair_problems(placed: Sequence[Placed]) -> Iterator[str]:
    """Yield everything that is wrong with the pairs of a set, with the place of the member concerned."""
    pairs: dict[str, list[Placed]] = {}
    for one in placed:
        if pair := pair_of(one.item.id):
            pairs.setdefault(pair, []).append(one)
    for pair, members in pairs.items():
        if len(members) != 2:
            yield f"{members[0].where}: {pair} has {len(members)} member, -a and -b are needed"
            continue
        first, second = members
        problems = [*_kind_problems(first.item, second.item)]
        if first.item.text == second.item.text:
            problems.append("both texts are the same; make the one change")
        elif (alike := jaccard(shingles(first.item.text), shingles(second.item.text))) < LEAST_ALIKE:
            problems.append(f"the texts share {alike:.2f} of their pieces, {LEAST_ALIKE} at least; change less")
        yield from (f"{second.where}: {pair}: {problem}" for problem in problems)


def _kind_problems(first: Item, second: Item) -> Iterator[str]:
    kinds = [kind for kind in PAIR_KINDS if kind in first.features]
    if len(kinds) != 1 or kinds != [kind for kind in PAIR_KINDS if kind in second.features]:
        yield f"both members carry the same one of the features {', '.join(PAIR_KINDS)}"
        return
    changed = {
        "flip_sentiment": first.sentiment != second.sentiment,
        "flip_risk": first.risk_level != second.risk_level,
    }
    wanted = {
        "flip_sentiment": kinds[0] in ("flip_sentiment", "flip_both"),
        "flip_risk": kinds[0] in ("flip_risk", "flip_both"),
    }
    if changed != wanted:
        labels = " and ".join(f"{item.sentiment}/{item.risk_level}" for item in (first, second))
        yield f"the labels {labels} do not fit the feature {kinds[0]!r}"
