"""The models' own words: before and after on the showcase news, the worst errors, and what changed from right to wrong.

    <details><summary>news-en-001: said Negative, risk High; gold Positive, risk Low</summary>
    the news, then each model's reply, in blocks that nothing in the reply can close

Replies are hostile text: they appear in fenced blocks or not at all. The first of a kind is in view, the rest folded.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.escape import fenced, inline, table
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.metrics import names_entity
from finsight_eval.parse import Answer, Unparsed, parse
from finsight_eval.records import Item
from finsight_eval.reporting.data import COMPARED, title_of
from finsight_eval.reporting.layout import folded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.reporting.data import Run
    from finsight_eval.verdicts import Verdict

WORST: Final = 5
#: Flips of a task that are shown with their words, the broken ones first, and those that are listed.
_QUOTED: Final = 3
_LISTED: Final = 50
_LONGEST: Final = 600
_TITLES: Final = {"base": "Before (base)", "adapter": "After (adapter)"}


def showcase(run: Run) -> str:
    """Return the replies of base and adapter to the showcase news, or n/a."""
    if not run.showcase:
        return "n/a (no showcase.jsonl below eval/base or eval/adapter)"
    return _first_in_view(
        [
            (f"News {place}: {inline(text, 80)}", _replies(text, replies))
            for place, (text, replies) in enumerate(run.showcase, 1)
        ]
    )


def _first_in_view(parts: Sequence[tuple[str, str]]) -> str:
    """Return the first part open under its title and the others folded."""
    (title, text), *others = parts
    return "\n\n".join([f"**{title}**", text, *(folded(title, text) for title, text in others)])


def _replies(text: str, replies: Mapping[str, str]) -> str:
    parts = [fenced(text)]
    for model in COMPARED:
        reply = replies.get(model)
        shown = f"{_reading(reply)}\n\n{fenced(reply)}" if reply is not None else "n/a (no reply recorded)"
        parts.append(f"**{_TITLES[model]}**: {shown}")
    return "\n\n".join(parts)


def _reading(reply: str) -> str:
    outcome = parse(reply)
    if isinstance(outcome, Unparsed):
        return f"not readable ({outcome.reason.value})"
    return f"read as {_labels(outcome)}"


def _labels(answer: Answer | Item) -> str:
    return f"{inline(answer.entity)}, {answer.sentiment}, risk {answer.risk_level}"


def severity(verdict: Verdict) -> int:
    """Return how wrong an answer is: the steps between gold and answer on both scales, plus one for another entity.

    0 for an item of a public set: other people's texts do not go into a report.
    """
    said, gold = verdict.strict, verdict.item
    if not isinstance(said, Answer) or not isinstance(gold, Item):
        return 0
    steps = abs(SENTIMENTS.index(said.sentiment) - SENTIMENTS.index(gold.sentiment))
    steps += abs(RISK_LEVELS.index(said.risk_level) - RISK_LEVELS.index(gold.risk_level))
    return steps + (not names_entity(verdict))


def worst_errors(run: Run) -> str:
    """Return the adapter's WORST most wrong answers over all tasks, the gravest first."""
    wrong = [
        (-grade, place, verdict.item.id, verdict)
        for place, verdicts in enumerate(run.verdicts["adapter"].values())
        for verdict in verdicts
        if (grade := severity(verdict))
    ]
    if not wrong:
        return "None of the readable answers is wrong."
    return _first_in_view([_error(verdict) for *_, verdict in sorted(wrong, key=lambda found: found[:3])[:WORST]])


def _error(verdict: Verdict) -> tuple[str, str]:
    item, said = verdict.item, verdict.strict
    assert isinstance(said, Answer) and isinstance(item, Item)  # noqa: S101, PT018 - others have no severity
    text = (
        f"{fenced(item.text)}\n\nGold: {_labels(item)}. The adapter's reasoning:\n\n{fenced(said.thinking, _LONGEST)}"
    )
    return f"{inline(item.id)}: said {_labels(said)}", text


def flips_section(run: Run) -> str:
    """Return which items changed sides against the gate's reference: counts, a few with words, the rest listed."""
    flips = run.gate.get("flips", {})
    parts = [_flips_of(run, task, flips["against"], kinds) for task, kinds in flips.get("tasks", {}).items()]
    return "\n\n".join(parts) or "n/a (gate.json lists no flips; run the gate again)"


def _flips_of(run: Run, task: str, against: str, kinds: Mapping[str, Sequence[Mapping[str, str]]]) -> str:
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in kinds.items())
    parts = [f"**{title_of(task)}**, against the {inline(against)}: {counts}."]
    rows = [(kind, row) for kind in ("broken", "fixed") for row in kinds.get(kind, ())]
    quoted = (found for kind, row in rows if (found := _quoted(run, task, against, kind, row)))
    parts += [folded(*found) for found in islice(quoted, _QUOTED)]
    if rows:
        parts.append(
            folded(f"All {len(rows)} of them, by label" if len(rows) <= _LISTED else _cut(len(rows)), _list(rows))
        )
    return "\n\n".join(parts)


def _cut(count: int) -> str:
    return f"The first {_LISTED} of {count}, by label: gate.json lists all"


def _list(rows: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    keys = ("id", "gold", "before", "after")
    cells: list[tuple[Any, ...]] = [(kind, *(inline(row[key]) for key in keys)) for kind, row in rows[:_LISTED]]
    return table(("", *keys), cells)


def _quoted(run: Run, task: str, against: str, kind: str, row: Mapping[str, str]) -> tuple[str, str] | None:
    """Return title and words of a flip; None for an item of a public set: other people's texts stay out of a report."""
    said = {model: _verdict(run, model, task, row["id"]) for model in COMPARED}
    after = said["adapter"]
    if after is None or not isinstance(after.item, Item):
        return None
    before = said["base"] if against == "base" else None
    parts = [fenced(after.item.text), f"Gold: {_labels(after.item)}."]
    parts.append(f"Before: {inline(row['before'])}" + (f"\n\n{fenced(before.reply or '', _LONGEST)}" if before else ""))
    parts.append(f"After: {inline(row['after'])}\n\n{fenced(after.reply or '', _LONGEST)}")
    return f"{kind.capitalize()}: {inline(row['id'])}, gold {inline(row['gold'])}", "\n\n".join(parts)


def _verdict(run: Run, model: str, task: str, identity: str) -> Verdict | None:
    verdicts = run.verdicts.get(model, {}).get(task, [])
    return next((verdict for verdict in verdicts if verdict.item.id == identity), None)
