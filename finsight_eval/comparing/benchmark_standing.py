"""Where models stand on a set, which of its items and slices are hardest.

| item | gold | models right | news |
| --- | --- | --- | --- |
| news-en-056 | Positive/Low | 0 of 2 | Storm claims pushed the combined ratio at Ambervale Insurance, claims and ... |

Only models that keep the form in half of the items or more say anything about the items' difficulty.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.clusters import cluster_numbers, sums_of
from finsight_eval.comparing.benchmark_data import SYSTEMS
from finsight_eval.comparing.comparison import comparison_of
from finsight_eval.comparing.items import excerpt
from finsight_eval.comparing.page import ranking, titled
from finsight_eval.escape import inline, table
from finsight_eval.gating.flips import gold_labels
from finsight_eval.metrics import labels_right, reads_risk, sentiment_of
from finsight_eval.parse import Answer
from finsight_eval.reporting.numbers import shown
from finsight_eval.reporting.tables import LEAST_SLICE
from finsight_eval.slices import groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.benchmark_data import Known
    from finsight_eval.verdicts import Verdict

HARDEST: Final = 12
_READING: Final = """\
Strict figures with 95 % intervals; n is {n:,} unless a cell says otherwise. Within a column, two models that share a \
letter are not shown to differ (paired item by item, Holm's correction for the {tested} comparisons of the table)."""


def standing(known: Known) -> str:
    """Return the tables of models and of recorded systems."""
    parts = []
    if known.contenders:
        found = comparison_of(known.contenders, [known.task], None)
        parts += [ranking(found, known.task), _READING.format(n=found.n(known.task), tested=found.tested())]
    if known.rows:
        parts += ["Recorded in [the reference figures](../baselines.md):", recorded_table(known.rows)]
    if known.left_out:
        parts.append("\n".join(["Left out:\n", *(f"- {inline(text, 300)}" for text in known.left_out)]))
    return "\n\n".join(parts) or "n/a (no model has been measured on it here)"


def recorded_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows of reports/baselines.json, with the metrics that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name, found in row["metrics"].items() if found["n"]))
    body = [
        (
            inline(SYSTEMS.get(row["system"], row["system"])),
            *(shown(found) if (found := row["metrics"].get(name)) else "n/a" for name in names),
        )
        for row in rows
    ]
    return table(("system", *map(titled, names)), body, numbers=len(names))


def judges(known: Known) -> dict[str, list[Verdict]]:
    """Return the models that keep the form in half of the items or more, by name."""
    held = {one.name: one.verdicts[known.task] for one in known.contenders}
    return {
        name: found
        for name, found in held.items()
        if 2 * sum(isinstance(v.strict, Answer) for v in found) >= len(found)
    }


def disagreements(models: dict[str, list[Verdict]]) -> list[float]:
    """Return, for each pair of models, the share of items that just one of the two gets right."""
    right = [[labels_right(v) for v in found] for found in models.values()]
    return [sum(a != b for a, b in zip(x, y, strict=True)) / len(x) for x, y in combinations(right, 2)]


def _row(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    item, hits = verdicts[0].item, sum(map(labels_right, verdicts))
    return (inline(item.id), inline(gold_labels(item)), f"{hits} of {len(verdicts)}", *excerpt(verdicts[0]))


def hardest_items(models: dict[str, list[Verdict]]) -> str:
    """Return the items that the fewest models get right; between equals, those with the fewest single labels right."""
    if not models:
        return "n/a (no model at hand keeps the form in half of the items)"
    items = list(zip(*models.values(), strict=True))
    ordered = sorted(items, key=lambda v: (sum(map(labels_right, v)), sum(map(_labels_hit, v)), v[0].item.id))
    rows = [_row(v) for v in ordered[:HARDEST]]
    none = sum(not any(map(labels_right, v)) for v in items)
    figure = {"value": none / len(items), **stats.wilson(none, len(items))._asdict(), "n": len(items)}
    head = (
        f"No model gets all labels right in {none:,} of {len(items):,} items, a share of {shown(figure, len(items))}. "
    )
    columns = ("item", "gold", "models right", "news")[: len(rows[0])]
    return f"{head}Judged by: {_named(models)}.\n\n{table(columns, rows)}"


def _labels_hit(verdict: Verdict) -> int:
    return (sentiment_of(verdict.strict) == verdict.item.sentiment) + bool(reads_risk(verdict.strict, verdict.item))


def _named(models: dict[str, list[Verdict]]) -> str:
    return ", ".join(inline(name) for name in models)


def slice_table(models: dict[str, list[Verdict]]) -> str:
    """Return the mean share of models that get all labels right, by slice, the hardest first."""
    if not models:
        return "n/a (no model at hand keeps the form in half of the items)"
    first = next(iter(models.values()))
    right: dict[str, float] = {}
    for verdicts in zip(*models.values(), strict=True):
        right[verdicts[0].item.id] = sum(map(labels_right, verdicts)) / len(verdicts)
    found = {**groups(first), "sentiment": _by(first, "sentiment"), "risk level": _by(first, "risk_level")}
    rows = [
        (name, value, chosen, _mean_share(chosen, right))
        for name, values in found.items()
        for value, chosen in values.items()
        if len(chosen) >= LEAST_SLICE
    ]
    ordered = sorted(rows, key=lambda row: (row[3]["value"], row[0], row[1]))
    cells = [
        (name, inline(value), str(len(chosen)), shown(share, len(chosen))) for name, value, chosen, share in ordered
    ]
    overall = ("**all**", "", str(len(first)), shown(_mean_share(first, right), len(first)))
    note = f"Slices of fewer than {LEAST_SLICE} items are left out. Judged by: {_named(models)}."
    return (
        f"{table(('slice', 'value', 'n', 'share right, mean of the models'), [overall, *cells], numbers=2)}\n\n{note}"
    )


def _by(verdicts: Sequence[Verdict], label: str) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if (value := getattr(verdict.item, label)) is not None:
            found.setdefault(value, []).append(verdict)
    return dict(sorted(found.items()))


def _mean_share(chosen: Sequence[Verdict], right: dict[str, float]) -> dict[str, Any]:
    sums = sums_of([right[v.item.id] for v in chosen], cluster_numbers([v.item for v in chosen]))
    return {"value": sums.mean, **stats.rate_interval(sums)._asdict(), "n": len(chosen)}
