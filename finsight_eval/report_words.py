"""The models' own words: before and after on the showcase news, and the adapter's worst errors.

    ### 1
    News, then each model's reply, in blocks that nothing in the reply can close.

Replies are hostile text: they appear in fenced blocks or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from finsight_eval.escape import fenced, inline
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.metrics import names_entity
from finsight_eval.parse import Answer, Unparsed, parse
from finsight_eval.records import Item
from finsight_eval.report_data import COMPARED

if TYPE_CHECKING:
    from finsight_eval.report_data import Run
    from finsight_eval.verdicts import Verdict

WORST: Final = 5
_TITLES: Final = {"base": "Before (base)", "adapter": "After (adapter)"}


def showcase(run: Run) -> str:
    """Return the replies of base and adapter to the showcase news, or n/a."""
    if not run.showcase:
        return "n/a (no showcase.jsonl below eval/base or eval/adapter)"
    parts = []
    for number, (text, replies) in enumerate(run.showcase, start=1):
        parts.append(f"### News {number}\n\n{fenced(text)}")
        for model in COMPARED:
            reply = replies.get(model)
            shown = f"{_reading(reply)}\n\n{fenced(reply)}" if reply is not None else "n/a (no reply recorded)"
            parts.append(f"**{_TITLES[model]}**: {shown}")
    return "\n\n".join(parts)


def _reading(reply: str) -> str:
    outcome = parse(reply)
    if isinstance(outcome, Unparsed):
        return f"not readable ({outcome.reason.value})"
    return f"read as {inline(outcome.entity)}, {outcome.sentiment}, risk {outcome.risk_level}"


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
    return "\n\n".join(_error(verdict) for *_, verdict in sorted(wrong, key=lambda found: found[:3])[:WORST])


def _error(verdict: Verdict) -> str:
    item, said = verdict.item, verdict.strict
    assert isinstance(said, Answer) and isinstance(item, Item)  # noqa: S101, PT018 - others have no severity
    gold = f"{inline(item.entity)}, {item.sentiment}, risk {item.risk_level}"
    found = f"{inline(said.entity)}, {said.sentiment}, risk {said.risk_level}"
    return (
        f"### {inline(item.id)}\n\n{fenced(item.text)}\n\nGold: {gold}. Said: {found}.\n\n{fenced(said.thinking, 600)}"
    )
