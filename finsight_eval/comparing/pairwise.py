"""All pairwise comparisons of many models, so corrected that the luckiest of them is not called the best.

    Pair("finsight", "sentiment_f1", "nano", "seed 2", Difference(0.021, -0.012, 0.055, 320), p=0.21, adjusted=1.0)

Every pair of models is compared item by item, on every metric and task of the page, and Holm's method (1979) is applied
to all of these comparisons at once: in at most one page of twenty is any difference at all called shown that is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final

from finsight_eval import stats
from finsight_eval.columns import Columns
from finsight_eval.figures import Difference, difference_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from finsight_eval.verdicts import Verdict

#: Adjusted p below which a difference counts as shown.
LEVEL: Final = 0.05


@dataclass(frozen=True)
class Pair:
    """Two models on one metric of one task: second - first; `adjusted` is Holm's p over all comparisons of the page."""

    task: str
    metric: str
    first: str
    second: str
    found: Difference
    p: float | None
    adjusted: float | None = None

    def shown(self) -> bool:
        """Tell whether the difference bears the correction."""
        return self.adjusted is not None and self.adjusted < LEVEL


def p_of(found: Difference) -> float | None:
    """Return the two-sided p of a paired difference: McNemar's exact one for rates, else what the interval implies."""
    if found.p is not None or found.value is None or found.low is None or found.high is None:
        return found.p
    below = stats.p_below(found.value, stats.Interval(found.low, found.high), 0.0)
    return min(1.0, 2 * min(below, 1 - below))


def pairs_of(
    answers: Mapping[str, Mapping[str, Sequence[Verdict]]], metrics: Mapping[str, Collection[str]]
) -> list[Pair]:
    """Return every pair on every task (task -> model -> verdicts) and metric (task -> names), corrected together."""
    columns = {task: {name: Columns(found) for name, found in models.items()} for task, models in answers.items()}
    found = [
        _pair(task, metric, first, second, models)
        for task, models in columns.items()
        for metric in metrics[task]
        for first, second in combinations(models, 2)
    ]
    tested = [pair for pair in found if pair.p is not None]
    adjusted = iter(stats.holm([pair.p or 0.0 for pair in tested]))
    return [pair if pair.p is None else replace(pair, adjusted=next(adjusted)) for pair in found]


def _pair(task: str, metric: str, first: str, second: str, models: Mapping[str, Columns]) -> Pair:
    found = difference_of(metric, models[first], models[second])
    return Pair(task, metric, first, second, found, p_of(found))


def between(pairs: Iterable[Pair], first: str, second: str) -> Pair | None:
    """Return the pair of `first` and `second`, turned so that its difference is second - first; None where none is."""
    for pair in pairs:
        if (pair.first, pair.second) == (first, second):
            return pair
        if (pair.first, pair.second) == (second, first):
            return replace(pair, first=first, second=second, found=_turned(pair.found))
    return None


def _turned(found: Difference) -> Difference:
    if found.value is None:
        return found
    low, high = (None if end is None else 0.0 - end for end in (found.high, found.low))
    return replace(found, value=0.0 - found.value, low=low, high=high)  # 0 - 0 is 0, where -0 would print as -0.000


def letters(ranked: Sequence[str], shown: Collection[frozenset[str]]) -> dict[str, str]:
    """Return model -> its letters, best first: two models that share a letter are not shown to differ.

    `shown` holds the pairs whose difference is shown. Insert-and-absorb, Piepho (J. Comput. Graph. Stat. 13, 2004).
    """
    groups: list[frozenset[str]] = [frozenset(ranked)]
    for pair in sorted(shown, key=lambda pair: sorted(map(ranked.index, pair))):
        split = [group - {one} for group in groups if pair <= group for one in pair]
        kept = [group for group in groups if not pair <= group]
        groups = _largest([*kept, *split])
    ordered = sorted(groups, key=lambda group: sorted(map(ranked.index, group)))
    return {name: " ".join(_letter(place) for place, group in enumerate(ordered) if name in group) for name in ranked}


def _largest(groups: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """Return the groups that are part of no other, each once."""
    unique = list(dict.fromkeys(groups))
    return [group for group in unique if not any(group < other for other in unique)]


def _letter(place: int) -> str:
    rest, letter = divmod(place, len(ascii_lowercase))
    return f"{ascii_lowercase[letter]}{rest or ''}"
