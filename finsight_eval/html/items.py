"""Every item of every task as data for the page's table, with what each model said of it.

{"id": "news-en-001", "task": 0, "lang": "en", "text": "...", "sentiment": "Positive", "risk": "Low", "flip": "fixed",
 "answers": [{"state": "unreadable", "reason": "no thinking", "reply": "..."}, {"state": "right", ...}, null]}

`answers` follow the order of the models; null: the model gave no reply, or was not scored on that task. Texts of public
sets and replies to them are withheld: other people's texts do not go into a report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.escape import visible
from finsight_eval.gating.flips import flips
from finsight_eval.jsonl import dumps
from finsight_eval.metrics import labels_right, names_entity
from finsight_eval.parse import Answer, Unparsed
from finsight_eval.records import Item
from finsight_eval.reporting.data import MODELS, TASK_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.records import AnyItem
    from finsight_eval.reporting.data import Run
    from finsight_eval.verdicts import Verdict

#: Longer texts are cut and say so: one runaway reply must not make the page heavy.
LONGEST: Final = 20_000


def items(run: Run) -> dict[str, Any]:
    """Return models, tasks and items of a run, in the order of the tasks and of their items."""
    models = [model for model in MODELS if model in run.verdicts]
    tasks = run.tasks()
    rows = [row for place, task in enumerate(tasks) for row in _rows(run, models, task, place)]
    names = [{"name": task, "title": TASK_TITLES.get(task, task)} for task in tasks]
    return {"models": models, "tasks": names, "items": rows}


def embedded(data: dict[str, Any]) -> str:
    """Return `data` as JSON that no HTML parser and no script can mistake for anything else."""
    text = dumps(data)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _rows(run: Run, models: Sequence[str], task: str, place: int) -> list[dict[str, Any]]:
    said = {model: {v.item.id: v for v in run.verdicts[model].get(task, [])} for model in models}
    known = {v.item.id: v.item for verdicts in said.values() for v in verdicts.values()}
    turned = flips(run.verdicts["base"].get(task, []), run.verdicts["adapter"].get(task, []))
    kinds = {flip["id"]: kind for kind, found in turned.items() for flip in found}
    return [
        _item(item)
        | {"task": place, "flip": kinds.get(key, "")}
        | {"answers": [_answer(said[model].get(key)) for model in models]}
        for key, item in known.items()
    ]


def _item(item: AnyItem) -> dict[str, Any]:
    ours = isinstance(item, Item)
    return {
        "id": _spelt(item.id),
        "lang": item.lang,
        "text": _shown(item.text) if ours else None,
        "entity": _spelt(item.entity or "") if ours else None,
        "aliases": [_spelt(alias) for alias in item.aliases],
        "sentiment": item.sentiment,
        "risk": item.risk_level,
        "sector": _spelt(item.sector or ""),
        "event": _spelt(item.event or ""),
        "order": item.order,
        "features": [_spelt(feature) for feature in item.features],
    }


def _answer(verdict: Verdict | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    reply = _shown(verdict.reply or "") if isinstance(verdict.item, Item) else None
    if isinstance(verdict.strict, Unparsed):
        return {
            "state": "unreadable",
            "reason": verdict.strict.reason.value,
            "lenient": _labels(verdict.lenient, verdict.item),
            "reply": reply,
        }
    assert isinstance(verdict.strict, Answer)  # noqa: S101 - a run's verdicts are those that have a reply
    return {
        "state": "right" if labels_right(verdict) else "wrong",
        **_labels(verdict.strict, verdict.item),
        "entity_right": names_entity(verdict),
        "reply": reply,
    }


def _labels(outcome: Any, item: AnyItem) -> dict[str, Any]:
    """Return the labels of an answer; empty where there is none. What a public set does not ask is left out."""
    if not isinstance(outcome, Answer):
        return {}
    labels = {"sentiment": outcome.sentiment, "risk": outcome.risk_level}
    return labels | {"entity": _shown(outcome.entity)} if isinstance(item, Item) else labels


def _shown(text: str) -> str:
    note = f"\n(cut: {len(text):,} characters in all)" if len(text) > LONGEST else ""
    return _spelt(text[:LONGEST]) + note


def _spelt(text: str) -> str:
    """Return `text` with what does not show spelt out; nearly all of it shows, and asking that first saves seconds."""
    return text if text.replace("\n", "").isprintable() else visible(text)
