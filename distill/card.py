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


_COMPARED: Final = {"sentiment": "sentiment", "risk level": "risk_level", "either": "either"}


def _plain(text: str) -> str:
    return "".join(c for c in printable(text, 80) if c not in "`|<>[]*_")


def _code(text: str) -> str:
    return f"`{''.join(c for c in printable(text, 80) if c not in '`|<>')}`"


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
    doubts = [(usage["unmetered"], "reported no usage; their cost is unknown")]
    doubts += [(usage["misstated"], "reported a usage that contradicts itself")]
    notes = "".join(f" {n:,} answers {words}." for n, words in doubts if n)
    return (
        f"Asked: {_code(usage['teacher']['model'])} at {_code(usage['teacher']['host'])}, temperature "
        f"{recipe.temperature:g}, at most {recipe.max_tokens} tokens, prompt {_code(usage['prompt'])}. As served: "
        f"{served}.\n\n"
        f"{usage['texts']:,} texts, {usage['attempts']:,} attempts for the answers that came; "
        f"{usage['prompt_tokens']:,} prompt tokens ({usage['cached_tokens']:,} cached), "
        f"{usage['completion_tokens']:,} completion tokens; {usage['usd']:.4f} USD at the prices of "
        f"{_code(usage['price_date'])}.{notes}\n\n{_ledger(usage['ledger'])}"
    )


def _ledger(lines: Sequence[Row]) -> str:
    """Return the costs by day, kind of question and tariff."""
    head = [
        "| day (UTC) | model | question | tariff | answers | prompt | cached | completion | USD |",
        "|---|" + "---|" * 8,
    ]
    return "\n".join(
        head
        + [
            f"| {line['day']} | {_code(line['model'])} | {line['kind']} | {'peak' if line['peak'] else 'off-peak'} "
            f"| {line['answers']:,} | {line['prompt_tokens']:,} | {line['cached_tokens']:,} "
            f"| {line['completion_tokens']:,} | {line['usd']:.4f} |"
            for line in lines
        ]
    )


def _left_out(about: Mapping[str, Any]) -> str:
    prepared, accounts, record = about["prepared"], about["accounts"], about["overlap"]
    steps = {
        "rows read": prepared["read"],
        "unreadable": prepared["unreadable"],
        **{f"before asking: {reason}": n for reason, n in prepared["removed"].items()},
        "texts asked": accounts["in"],
        **{f"failed: {_plain(reason)}": n for reason, n in accounts["failures"].items()},
        **{f"rejected: {reason}": n for reason, n in accounts["reasons"].items()},
        "duplicates of another row": len(record["duplicates"]),
        "too close to a benchmark item since": len(record["removed"]) - prepared["removed"].get("benchmark item", 0),
        "left out for balance": record["left_out_for_balance"],
        "kept": record["rows"],
        "of these held out": about["held_out"],
    }
    return "\n".join(["| step | rows |", "|---|---|", *(_step(step, n) for step, n in steps.items())])


def _step(name: str, rows: int) -> str:
    return f"| **{name}** | **{rows:,}** |" if name == "kept" else f"| {name} | {rows:,} |"


def _quality(accounts: Row) -> str:
    """Return how answers were had, whether samples agree and labels move, how much of a reasoning is the news'."""
    had = ", ".join(f"{how} {n:,}" for how, n in accounts["how"].items())
    parts = [f"How the accepted answers were had: {had}."]
    if shares := accounts.get("agreement"):
        texts = ", ".join(f"{share} in {n:,}" for share, n in shares.items())
        parts.append(f"Share of the samples of a text that agree: {texts} texts.")
    if direct := accounts.get("direct"):
        asked = f"{direct['compared']:,} compared, {direct['unusable']:,} unusable"
        parts.append(f"The bare label, without reasoning, against the reasoned one: {asked}.")
        rates = [_rate(name, direct[key]) for name, key in _COMPARED.items() if direct.get(key)]
        parts.append("\n".join(["| differs in | rows | share | 95 % interval |", "|---|---|---|---|", *rates]))
    if grounded := accounts.get("grounding"):
        parts.append(
            f"Numbers and names of the reasoning that the news contains: {grounded['mean']:.1%} on average over "
            f"{grounded['rows']:,} rows that have any, {grounded['least']:.0%} at least."
        )
    stated = accounts["stated_conclusions"]
    parts.append(f"Reasonings that state a label in so many words, all of them the verdict's: {stated:,}.")
    return "\n\n".join(parts)


def _rate(name: str, rate: Row) -> str:
    return f"| {name} | {rate['differ']:,} | {rate['share']:.1%} | {rate['low']:.1%} to {rate['high']:.1%} |"


def _apart(record: Row) -> str:
    lines = ["| set | version | items | rows removed | entities shared |", "|---|---|---|---|---|"]
    for name, found in record["sets"].items():
        removed, shared = record["removed_by_set"].get(name, 0), len(found["mentioned_in_training"])
        lines.append(
            f"| {name} | {found['version']} | {found['items']:,} | {removed} | {shared} of {found['entities']} |"
        )
    for name, found in record["public"].items():
        removed = record["removed_by_set"].get(name, 0)
        lines.append(f"| {name} (public) | {found['sha256'][:12]} | {found['items']:,} | {removed} | |")
    absent = ", ".join(record["not_checked"])
    unchecked = f" Not checked, for their files were absent: {absent}." if absent else ""
    rule = f"Rule: {record['method']}; threshold {record['threshold']:g}."
    return "\n".join(lines) + f"\n\n{rule} The closest row kept shares {record['highest_share_kept']:.2f}.{unchecked}"


def text(recipe: Recipe, rows: Sequence[Row], about: Mapping[str, Any]) -> str:
    """Return the card in Markdown.

    `rows` are the accepted rows that went into the set, one at least; `about` holds the accounts of the stages before
    (prepared, accounts, usage), the overlap record, and the number of rows held out.
    """
    source = _SOURCES[about["usage"]["source"]]
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
        "## Teacher": _teacher(recipe, about["usage"]),
        "## Answers": _quality(about["accounts"]),
        "## What was left out": _left_out(about),
        "## Apart from the benchmarks": _apart(about["overlap"]),
    }
    return "\n\n".join(f"{head}\n\n{body}" for head, body in parts.items()) + "\n"
