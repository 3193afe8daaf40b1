"""The data card: what the training set holds, where it comes from and what was left out.

    | sentiment | rows | share |
    |---|---|---|
    | Negative | 402 | 36.6 % |

Names that a provider chose are shown as code, stripped of what could end it: they are text from outside.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import printable
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.records import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from distill.recipe import Recipe
    from finsight_eval.jsonl import Row


_SOURCES: Final = {"simulated": "news written by the simulator", "file": "news of the user's own"}


def _code(text: str) -> str:
    plain = printable(text, 80)
    return f"`{''.join(c for c in plain if c not in '`|<>')}`"


def _table(title: str, counts: Mapping[str, int], total: int) -> str:
    lines = [f"| {title} | rows | share |", "|---|---|---|"]
    lines += [f"| {name} | {n:,} | {100 * n / total:.1f} % |" for name, n in counts.items()]
    return "\n".join(lines)


def _mix(title: str, values: Iterable[str], order: Sequence[str]) -> str:
    found = Counter(values)
    return _table(title, {name: found[name] for name in order}, found.total())


def _quantiles(lengths: Sequence[int]) -> str:
    """Return minimum, median, 95th percentile and maximum of `lengths` as cells of a table."""
    ranked = sorted(lengths)
    places = (0, (len(ranked) - 1) // 2, round(0.95 * (len(ranked) - 1)), len(ranked) - 1)
    return " | ".join(f"{ranked[place]:,}" for place in places)


def _lengths(rows: Sequence[Row]) -> str:
    lines = ["| characters | least | median | 95 % | most |", "|---|---|---|---|---|"]
    for lang in LANGUAGES:
        mine = [row for row in rows if row["lang"] == lang]
        if mine:
            lines += [f"| {key}, {lang} | {_quantiles([len(row[key]) for row in mine])} |" for key in ("text", "reply")]
    return "\n".join(lines)


def _teacher(recipe: Recipe, usage: Row) -> str:
    served = ", ".join(f"{_code(name)} ({n:,})" for name, n in usage["served_models"].items()) or "nothing"
    unmetered = (
        f" {usage['unmetered']:,} answers reported no usage; their cost is unknown." if usage["unmetered"] else ""
    )
    return (
        f"Asked: {_code(usage['teacher']['model'])} at {_code(usage['teacher']['host'])}, temperature "
        f"{recipe.temperature:g}, at most {recipe.max_tokens} tokens. As served: {served}.\n\n"
        f"{usage['texts']:,} texts, {usage['attempts']:,} attempts for the answers that came; "
        f"{usage['prompt_tokens']:,} prompt tokens ({usage['cached_tokens']:,} cached), "
        f"{usage['completion_tokens']:,} completion tokens; {usage['usd']:.4f} USD at the prices of "
        f"{_code(usage['price_date'])}.{unmetered}"
    )


def _left_out(accounts: Row, record: Row) -> str:
    reasons = [f"| rejected: {reason} | {n:,} |" for reason, n in accounts["reasons"].items()]
    return "\n".join(
        [
            "| step | rows |",
            "|---|---|",
            f"| texts asked | {accounts['in']:,} |",
            f"| failed: no answer | {accounts['failed']:,} |",
            *reasons,
            f"| duplicates of another row | {len(record['duplicates']):,} |",
            f"| too close to a benchmark item | {len(record['removed']):,} |",
            f"| left out for balance | {record['left_out_for_balance']:,} |",
            f"| **kept** | **{record['rows']:,}** |",
        ]
    )


def _apart(record: Row) -> str:
    lines = ["| set | version | items | rows removed | entities shared |", "|---|---|---|---|---|"]
    for name, found in record["sets"].items():
        removed, shared = record["removed_by_set"].get(name, 0), len(found["mentioned_in_training"])
        lines.append(
            f"| {name} | {found['version']} | {found['items']:,} | {removed} | {shared} of {found['entities']} |"
        )
    rule = f"Rule: {record['method']}; threshold {record['threshold']:g}."
    return "\n".join(lines) + f"\n\n{rule} The closest row kept shares {record['highest_share_kept']:.2f}."


def text(recipe: Recipe, rows: Sequence[Row], record: Row, accounts: Row, usage: dict[str, Any]) -> str:
    """Return the card in Markdown; `rows` are the accepted rows that went into the set, one at least."""
    source = _SOURCES[usage["source"]]
    parts = {
        f"# Training set `{recipe.name}`": f"{len(rows):,} rows; {source}. Written by `distill.export`.",
        "## Labels": "\n\n".join(
            [
                _mix("sentiment", (row["sentiment"] for row in rows), SENTIMENTS),
                _mix("risk level", (row["risk_level"] for row in rows), RISK_LEVELS),
                _mix("language", (row["lang"] for row in rows), LANGUAGES),
            ]
        ),
        "## Lengths": _lengths(rows),
        "## Teacher": _teacher(recipe, usage),
        "## What was left out": _left_out(accounts, record),
        "## Apart from the benchmarks": _apart(record),
    }
    return "\n\n".join(f"{head}\n\n{body}" for head, body in parts.items()) + "\n"
