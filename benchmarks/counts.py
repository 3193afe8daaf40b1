"""How a set is spread: the counts table that the manifest keeps and the check prints, and the least that is asked.

As in {"rows": {"dev": 16, "dev/en": 10, ...}, "labels": {"Positive/High": 8, ...}, "order": {"1": 57, ...}, ...}.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.rules import Rules
    from benchmarks.sets import Placed

Counts = dict[str, dict[str, int]]


def _counted(values: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def counts_of(placed: Sequence[Placed]) -> Counts:
    """Return group -> key -> number of rows; keys in alphabetical order, absent where no row has them."""
    items = [one.item for one in placed]
    splits = (key for one in placed for key in (one.split, f"{one.split}/{one.item.lang}"))
    orders = (key for item in items for key in ([str(item.order)] + ["2 or 3"] * (item.order > 1)))
    return {
        "rows": _counted(splits),
        "sentiment": _counted(item.sentiment for item in items),
        "risk_level": _counted(item.risk_level for item in items),
        "sentiment_by_split": _counted(f"{one.split}/{one.item.sentiment}" for one in placed),
        "risk_level_by_split": _counted(f"{one.split}/{one.item.risk_level}" for one in placed),
        "labels": _counted(f"{item.sentiment}/{item.risk_level}" for item in items),
        "order": _counted(orders),
        "sector": _counted(item.sector for item in items),
        "event": _counted(item.event for item in items),
        "features": _counted(feature for item in items for feature in item.features),
    }


def spread_problems(folder: Path, counts: Counts, rules: Rules) -> Iterator[str]:
    """Yield a problem for each row or value of which the set has fewer than its rules ask."""
    for (group, key), least in rules.least.items():
        if (found := counts[group].get(key, 0)) < least:
            yield f"{folder}: {found} rows with {group} {key}, at least {least} are needed"
    for (group, key), share in _shares(counts).items():
        low, high = rules.share
        if not low <= share <= high:
            yield f"{folder}: {key} has {share:.0%} of the rows of {group}, {low:.0%} to {high:.0%} are allowed"
    for group, least in rules.least_distinct.items():
        if (found := len(counts[group])) < least:
            yield f"{folder}: {found} different values of {group}, at least {least} are needed"


def _shares(counts: Counts) -> dict[tuple[str, str], float]:
    """Return (split, label) -> share of that sentiment or risk level in the split."""
    return {
        (split, label): n / counts["rows"][split]
        for group in ("sentiment", "risk_level")
        for key, n in counts[f"{group}_by_split"].items()
        for split, _, label in [key.partition("/")]
    }


def table(name: str, counts: Counts) -> list[str]:
    """Return the counts as lines for the screen, one per group."""
    width = max(map(len, counts))
    return [
        f"{name}  {group:<{width}}  {len(keys):>3}: {', '.join(f'{key} {n}' for key, n in keys.items())}"
        for group, keys in counts.items()
    ]
