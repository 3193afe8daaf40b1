"""Verdicts: what one model said of one benchmark item, read strictly and leniently.

{"task": "finsight", "id": "news-en-001", "item": {"id": "news-en-001", "lang": "en", ...}, "reply": "<thinking>...",
 "strict": {"answer": {"thinking": "...", "entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}},
 "lenient": {"answer": {...}}, "teacher": {"sentiment": "Positive", "risk_level": "Low"}}

`strict` and `lenient` are {"answer": ...}, {"unparsed": reason} or {"failed": error}; `teacher` is null where no
teacher is known or the teacher gave no answer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_eval.lenient import parse_lenient
from finsight_eval.parse import Answer, Failed, Reason, Unparsed, parse
from finsight_eval.records import AnyItem, item_of

if TYPE_CHECKING:
    from pathlib import Path

Outcome = Answer | Unparsed | Failed
#: Keys that an lm-eval document has beside those of the benchmark row.
TEACHER_KEYS: Final = ("teacher_sentiment", "teacher_risk_level")


class Labels(NamedTuple):
    """The two labels of an answer."""

    sentiment: str
    risk_level: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model's reply to one item, and how it was read; `teacher` is None where the teacher has no answer."""

    item: AnyItem
    reply: str | None
    strict: Outcome
    lenient: Outcome
    teacher: Labels | None = None

    def row(self, task: str) -> dict[str, Any]:
        return {
            "task": task,
            "id": self.item.id,
            "item": self.item.row(),
            "reply": self.reply,
            "strict": _outcome_row(self.strict),
            "lenient": _outcome_row(self.lenient),
            "teacher": self.teacher._asdict() if self.teacher else None,
        }


def teacher_of(doc: dict[str, Any]) -> Labels | None:
    """Return the teacher's labels that an lm-eval document carries, or None where it carries none."""
    sentiment, risk_level = (doc.get(key) for key in TEACHER_KEYS)
    return _labels(sentiment, risk_level) if isinstance(sentiment, str) and isinstance(risk_level, str) else None


@lru_cache(maxsize=64)
def _labels(sentiment: str, risk_level: str) -> Labels | None:
    return Labels(sentiment, risk_level) if sentiment and risk_level else None


def verdict_of(item: AnyItem, reply: str, teacher: Labels | None = None) -> Verdict:
    """Return the verdict on a reply that arrived, whatever it says."""
    strict = parse(reply)
    return Verdict(item, reply, strict, parse_lenient(reply, strict), teacher)


def failed_verdict(item: AnyItem, error: str, teacher: Labels | None = None) -> Verdict:
    """Return the verdict on a request without a reply: counted, never scored."""
    return Verdict(item, None, Failed(error), Failed(error), teacher)


def _outcome_row(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Answer):
        return {"answer": asdict(outcome)}
    return {"unparsed": outcome.reason.value} if isinstance(outcome, Unparsed) else {"failed": outcome.error}


def _outcome(row: dict[str, Any]) -> Outcome:
    ((kind, value),) = row.items()
    if kind == "answer":
        return Answer(**value)
    return Unparsed(Reason(value)) if kind == "unparsed" else Failed(value)


def read_verdicts(path: Path) -> dict[str, list[Verdict]]:
    """Return task -> verdicts as `score` wrote them to `path`; raises InputError for a line that is none."""
    verdicts: dict[str, list[Verdict]] = {}
    for number, row in jsonl.read_lines(path):
        try:
            item = item_of(row["item"])
            teacher = Labels(**row["teacher"]) if row["teacher"] else None
            strict, lenient = _outcome(row["strict"]), _outcome(row["lenient"])
            verdicts.setdefault(row["task"], []).append(Verdict(item, row["reply"], strict, lenient, teacher))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}:{number}: no verdict ({printable(str(error), 60)}); run score again") from None
    if not verdicts:
        raise InputError(f"{path}: holds no verdicts; run score again")
    return verdicts
