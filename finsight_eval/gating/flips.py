"""Flips: the items that a candidate gets right and its reference got wrong, and the other way round.

{"id": "news-en-014", "gold": "Negative/High", "before": "Negative/High", "after": "Neutral/High"}      broken
{"id": "news-zh-007", "gold": "Neutral/Medium", "before": "truncated", "after": "Neutral/Medium"}      fixed

An item is right where both labels are the gold ones (on public sets, the sentiment); the entity is not part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finsight_eval.escape import inline, table
from finsight_eval.metrics import labels_right
from finsight_eval.parse import Answer, Failed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Verdict

Flip = dict[str, str]


def flips(before: Sequence[Verdict], after: Sequence[Verdict], unstable: Collection[str] = ()) -> dict[str, list[Flip]]:
    """Return {"broken": ..., "fixed": ...} of two models' verdicts on the same items, in the order of the items.

    Items of `unstable` are known to flip by themselves from run to run: they stand apart, under "unstable".
    """
    earlier = {v.item.id: v for v in before}
    found: dict[str, list[Flip]] = {"broken": [], "fixed": [], **({"unstable": []} if unstable else {})}
    for verdict in after:
        other = earlier.get(verdict.item.id)
        if other is None or labels_right(other) == labels_right(verdict):
            continue
        row = {"id": verdict.item.id, "gold": gold_labels(verdict.item), "before": said(other), "after": said(verdict)}
        kind = "fixed" if labels_right(verdict) else "broken"
        found["unstable" if verdict.item.id in unstable else kind].append(row)
    return found


def said(verdict: Verdict) -> str:
    """Return the labels of an answer, or why there is none."""
    outcome = verdict.strict
    if isinstance(outcome, Answer):
        return f"{outcome.sentiment}/{outcome.risk_level}"
    return outcome.error if isinstance(outcome, Failed) else outcome.reason.value


def gold_labels(item: AnyItem) -> str:
    """Return the labels that an answer is held against: both, or the sentiment where the set has no other."""
    return f"{item.sentiment}/{item.risk_level}" if item.risk_level else item.sentiment


def flips_page(found: Mapping[str, Mapping[str, Sequence[Flip]]], against: str, most: int) -> str:
    """Return the flips of every task as Markdown, at most `most` rows of a kind; the rest is counted."""
    parts = []
    for task, kinds in found.items():
        counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in kinds.items())
        parts.append(f"### `{task}` against the {against}: {counts}")
        for kind, rows in kinds.items():
            if rows:
                parts.append(_table(kind, rows[:most]))
            if len(rows) > most:
                parts.append(f"{len(rows) - most} more {kind}: gate.json lists all.")
    return "\n\n".join(parts)


def _table(kind: str, rows: Sequence[Flip]) -> str:
    cells: list[tuple[Any, ...]] = [
        tuple(inline(row[key]) for key in ("id", "gold", "before", "after")) for row in rows
    ]
    return table((kind, "gold", "before", "after"), cells)
