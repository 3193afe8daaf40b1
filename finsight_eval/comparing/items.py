"""Item by item: how often two models say the same, and the items that split them.

| item | gold | said | news |
| news-en-056 | Positive/Low | Negative/High: nano, nano&#58;teacher | Storm claims pushed the combined ratio at ... |

An item is right where every label that its set has is the gold one. Texts of public sets are other people's and are
never shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from finsight_eval.comparing.rules import holders
from finsight_eval.escape import inline, table
from finsight_eval.gating.flips import gold_labels, said
from finsight_eval.metrics import labels_right, sentiment_of
from finsight_eval.parse import Answer
from finsight_eval.records import Item
from finsight_eval.reporting.numbers import shown
from finsight_eval.stats import wilson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.comparison import Comparison
    from finsight_eval.verdicts import Verdict

#: Items of a kind that the page lists; the rest is counted.
MOST: Final = 12
_EXCERPT: Final = 110


def labels_said(verdict: Verdict) -> str | None:
    """Return the labels that the item's set has as the model gave them, or None where it gave none."""
    if not isinstance(verdict.strict, Answer):
        return None
    return said(verdict) if verdict.item.risk_level else sentiment_of(verdict.strict)


def same_labels(first: Sequence[Verdict], second: Sequence[Verdict]) -> int:
    """Return on how many items both gave labels, and the same ones; two unreadable replies do not agree."""
    both = zip(map(labels_said, first), map(labels_said, second), strict=True)
    return sum(one is not None and one == other for one, other in both)


def agreement_table(found: Comparison, task: str) -> str:
    """Return the share of items with the same labels for every pair of models, and each model's share right."""
    held = {one.name: one.verdicts[task] for one in holders(found.contenders, task)}
    names = list(held)
    rows = []
    for place, (name, verdicts) in enumerate(held.items()):
        earlier = [_share(same_labels(verdicts, held[other]), len(verdicts)) for other in names[:place]]
        blank = [""] * (len(names) - 1 - place)
        rows.append((inline(name), _share(sum(map(labels_right, verdicts)), len(verdicts)), *earlier, *blank))
    return table(("model", "same as the gold", *(f"same as {inline(name)}" for name in names[:-1])), rows, len(names))


def _share(hits: int, n: int) -> str:
    return shown({"value": hits / n, **wilson(hits, n)._asdict(), "n": n}, n)


def agreement_shares(found: Comparison, task: str) -> list[list[float | None]]:
    """Return the matrix of the shares for the picture; None on the diagonal."""
    held = {one.name: one.verdicts[task] for one in holders(found.contenders, task)}
    return [
        [None if other == name else same_labels(held[name], held[other]) / found.n(task) for other in held]
        for name in held
    ]


def differing_items(found: Comparison, task: str) -> str:
    """Return the items that every model got wrong and those that just one got right, at most MOST of each."""
    names = [one.name for one in holders(found.contenders, task)]
    items = list(zip(*(one.verdicts[task] for one in holders(found.contenders, task)), strict=True))
    right = [sum(map(labels_right, verdicts)) for verdicts in items]
    kinds = {
        "every model wrong": [verdicts for verdicts, hits in zip(items, right, strict=True) if hits == 0],
        "only one right": [verdicts for verdicts, hits in zip(items, right, strict=True) if hits == 1],
    }
    parts = []
    for kind, rows in kinds.items():
        share = _share(len(rows), len(items))
        parts.append(f"**{kind[0].upper()}{kind[1:]}**: {len(rows)} of {len(items)} items, a share of {share}.")
        if rows:  # the fewer different answers, the more is to be learnt about the item
            chosen = sorted(rows, key=lambda verdicts: (len({said(v) for v in verdicts}), verdicts[0].item.id))[:MOST]
            parts.append(_items_table(chosen, names))
        if len(rows) > MOST:
            parts.append(f"{len(rows) - MOST} more are not listed.")
    return "\n\n".join(parts)


def _items_table(rows: Sequence[Sequence[Verdict]], names: Sequence[str]) -> str:
    cells = [(inline(v[0].item.id), inline(gold_labels(v[0].item)), _said_by(v, names), *excerpt(v[0])) for v in rows]
    return table(("item", "gold", "said", "news")[: len(cells[0])], cells)


def _said_by(verdicts: Sequence[Verdict], names: Sequence[str]) -> str:
    """Return each answer with those who gave it, the most frequent first; the right one is bold."""
    by: dict[str, list[str]] = {}
    for verdict, name in zip(verdicts, names, strict=True):
        answer = f"**{inline(said(verdict))}**" if labels_right(verdict) else inline(said(verdict))
        by.setdefault(answer, []).append(inline(name))
    ordered = sorted(by.items(), key=lambda pair: -len(pair[1]))
    return "; ".join(f"{answer}: {', '.join(who)}" for answer, who in ordered)


def excerpt(verdict: Verdict) -> tuple[str, ...]:
    """Return the cell with the beginning of a text of ours, none for a public set: its texts stay out of every page."""
    return (inline(verdict.item.text, _EXCERPT),) if isinstance(verdict.item, Item) else ()
