"""The pages that reference figures go to: reports/baselines.md and the table in the README.

| system | `finsight`: sentiment F1 | risk accuracy | ...
| majority label | 0.17 | 0.35 | ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.comparing.benchmark_data import OWN, SYSTEMS
from finsight_eval.escape import table
from finsight_eval.public import PUBLIC
from finsight_eval.reporting.data import TASK_TITLES
from finsight_eval.reporting.published import published_table

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]
_READING: Final = """\
Strict figures with 95 % intervals; n is the number of items, for pairs that of pairs. `python -m \
benchmarks.baselines` computes them. A system that gives labels only has no parse rate and no entity."""
_OWN: Final = {
    "json_parse_rate": "parse rate",
    "sentiment_f1": "sentiment macro F1",
    "risk_accuracy": "risk accuracy",
    "risk_kappa": "risk quadratic kappa",
    "entity_accuracy": "entity accuracy",
    "pair_consistency": "pair consistency",
}
_PUBLIC: Final = {
    "json_parse_rate": "parse rate",
    "sentiment_weighted_f1": "weighted F1",
    "sentiment_f1": "macro F1",
    "sentiment_accuracy": "accuracy",
    "fingpt_weighted_f1": "weighted F1 by FinGPT's scoring",
}


def page(rows: Sequence[Row]) -> str:
    """Return reports/baselines.md: every figure with its interval, and the published ones."""
    parts = [
        "# Reference figures",
        _READING,
    ]
    for task in OWN.values():
        parts += [f"## {TASK_TITLES[task]} (`{task}`, n {_n(rows, task)})", _task_table(rows, task, _OWN)]
    sets = [name for name in PUBLIC if _of(rows, f"finsight_{name}")]
    parts.append("## Public sets")
    if not sets:
        return "\n\n".join([*parts, "n/a (their files were not at hand: FINSIGHT_PUBLIC_DATA)"]) + "\n"
    parts.append(
        "F1 is strict: an unreadable answer is wrong. FinGPT's scoring takes it for neutral, the majority class of "
        "most of these sets; the last column shows what that would have reported."
    )
    for name in sets:
        task = f"finsight_{name}"
        heading = f"### {PUBLIC[name].title} (`{task}`, n {_n(rows, task):,})"
        parts += [heading, _task_table(rows, task, _PUBLIC)]
    parts += ["### Published figures", published_table(sets)]
    return "\n\n".join(parts) + "\n"


def _of(rows: Sequence[Row], task: str) -> list[Row]:
    return [row for row in rows if row["task"] == task]


def _n(rows: Sequence[Row], task: str) -> int:
    return max((row["n"] for row in _of(rows, task)), default=0)


def _task_table(rows: Sequence[Row], task: str, columns: dict[str, str]) -> str:
    found = sorted(_of(rows, task), key=lambda row: list(SYSTEMS).index(row["system"]))
    shown = {name: title for name, title in columns.items() if any(_figure(row, name) for row in found)}
    body = [(SYSTEMS[row["system"]], *(_cell(_figure(row, name)) for name in shown)) for row in found]
    return table(("system", *shown.values()), body, numbers=len(shown))


def _figure(row: Row, name: str) -> Row | None:
    found: Row | None = row["metrics"].get(name)
    return found if found and found["n"] else None


def _cell(found: Row | None) -> str:
    if not found or found["value"] is None:
        return "n/a"
    ends = f" [{found['low']:.3f}, {found['high']:.3f}]" if found["low"] is not None else ""
    return f"{found['value']:.3f}{ends}"


def readme_table(rows: Sequence[Row]) -> str:
    """Return the README's short table: one line a set and figure, the systems side by side."""
    measured = (
        ("finsight", "sentiment_f1", "`news`, sentiment macro F1"),
        ("finsight", "risk_accuracy", "`news`, risk accuracy"),
        ("finsight_counterfactual", "pair_consistency", "`counterfactual`, pairs right"),
        ("finsight_adversarial", "sentiment_f1", "`adversarial`, sentiment macro F1"),
        ("finsight_simulated", "sentiment_f1", "`simulated`, sentiment macro F1"),
        *((f"finsight_{name}", "sentiment_weighted_f1", f"{name}, sentiment weighted F1") for name in PUBLIC),
    )
    held = {(row["system"], row["task"]): row for row in rows}
    body = [
        (title, *(_short(held.get((system, task)), metric) for system in SYSTEMS))
        for task, metric, title in measured
        if _of(rows, task)
    ]
    return table(("", *SYSTEMS.values()), body, numbers=len(SYSTEMS))


def _short(row: Row | None, metric: str) -> str:
    found = _figure(row, metric) if row else None
    return f"{found['value']:.2f}" if found and found["value"] is not None else "n/a"
