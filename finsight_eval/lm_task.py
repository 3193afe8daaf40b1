"""What the lm-eval YAML in tasks/finsight points at: documents, prompt, and scoring by the project's own functions.

A document is a benchmark row plus the teacher's verdict on it:

    {"id": "news-en-001", "text": "...", "sentiment": "Positive", ..., "teacher_sentiment": "Positive",
     "teacher_risk_level": "Low"}

lm-eval's table is a convenience: `finsight_eval.score` recomputes the same figures from the logged samples with the
same functions, so the two agree to the last digit.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import benchmark, metrics
from finsight_eval.entity import entity_matches
from finsight_eval.errors import InputError
from finsight_eval.lenient import parse_lenient
from finsight_eval.parse import CLOSE, OPEN, Answer, parse
from finsight_eval.prompt import student_prompt

if TYPE_CHECKING:
    from collections.abc import Sequence

Doc = dict[str, Any]
#: Gold label and the label read from the reply, None where the reply was not readable.
Pair = tuple[str, str | None]


def load(benchmark_set: str, lang: str | None = None, teacher: str | None = None, **_metadata: Any) -> dict[str, Any]:
    """Return {"test": documents} for lm-eval's `custom_dataset`.

    `teacher` is a folder of teacher's answers, given as `--metadata '{"teacher": "runs/NAME/teacher"}'`; the default
    is the reference that the set carries.
    """
    from datasets import Dataset

    answers = benchmark.teacher_answers(benchmark_set, Path(teacher) if teacher else None)
    items = [item for item in benchmark.read(benchmark_set, "test") if lang in (None, item.lang)]
    if not items:
        raise InputError(f"benchmark set {benchmark_set!r} holds no test item in language {lang!r}")
    docs = []
    for item in items:
        answer = answers.get(item.id)
        docs.append({
            **item.row(),
            "teacher_sentiment": answer.sentiment if answer else None,
            "teacher_risk_level": answer.risk_level if answer else None,
        })  # fmt: skip
    return {"test": Dataset.from_list(docs, features=_features())}


def _features() -> Any:
    """Return the column types: a column of empty lists or of nothing but None would otherwise have none."""
    from datasets import Features, List, Value

    text, texts = Value("string"), List(Value("string"))
    before = dict.fromkeys(("id", "lang", "text", "entity"), text)
    after = dict.fromkeys(("sentiment", "risk_level", "sector", "event"), text)
    teacher = {"teacher_sentiment": text, "teacher_risk_level": text}
    return Features({**before, "aliases": texts, **after, "order": Value("int64"), "features": texts, **teacher})


def to_text(doc: Doc) -> str:
    return student_prompt(doc["text"])


def to_target(doc: Doc) -> str:
    return f"{doc['entity']} | {doc['sentiment']} | {doc['risk_level']}"


def thinks(reply: str) -> bool:
    """Tell whether `reply` holds exactly one closed thinking block with something in it, whatever follows it."""
    head, _, tail = reply.partition(OPEN)
    thinking, closed, rest = tail.partition(CLOSE)
    return bool(closed and thinking.strip()) and not head.strip() and OPEN not in tail and CLOSE not in rest


def results(doc: Doc, replies: Sequence[str]) -> dict[str, Any]:
    """Return every metric's contribution of one reply; strict unless the name says lenient."""
    reply = replies[0] if isinstance(replies[0], str) else ""
    strict, lenient = parse(reply), parse_lenient(reply)
    answer = strict if isinstance(strict, Answer) else None
    loose = lenient if isinstance(lenient, Answer) else None
    sentiment = (doc["sentiment"], answer.sentiment if answer else None)
    return {
        "json_parse_rate": float(answer is not None),
        "sentiment_f1": sentiment,
        "risk_accuracy": float(answer is not None and answer.risk_level == doc["risk_level"]),
        "teacher_agreement": _agrees(doc, answer),
        "entity_accuracy": float(answer is not None and entity_matches(answer.entity, doc["entity"], doc["aliases"])),
        "sentiment_accuracy": float(sentiment[0] == sentiment[1]),
        "sentiment_weighted_f1": sentiment,
        "thinking_rate": float(thinks(reply)),
        "lenient_parse_rate": float(loose is not None),
        "lenient_sentiment_f1": (doc["sentiment"], loose.sentiment if loose else None),
        "lenient_risk_accuracy": float(loose is not None and loose.risk_level == doc["risk_level"]),
    }


def _agrees(doc: Doc, answer: Answer | None) -> float:
    """Return 1.0 or 0.0, or NaN where the teacher has no answer: such an item says nothing about agreement."""
    if doc.get("teacher_sentiment") is None:
        return math.nan
    teacher = (doc["teacher_sentiment"], doc["teacher_risk_level"])
    return float(answer is not None and (answer.sentiment, answer.risk_level) == teacher)


def macro_f1(pairs: Sequence[Pair]) -> float:
    gold, predicted = zip(*pairs, strict=True)
    return metrics.macro_f1(gold, predicted)


def weighted_f1(pairs: Sequence[Pair]) -> float:
    gold, predicted = zip(*pairs, strict=True)
    return metrics.weighted_f1(gold, predicted)


def mean_where_known(values: Sequence[float]) -> float:
    """Return the mean over the items that have a value, NaN (lm-eval's word for missing) where none has."""
    known = [value for value in values if not math.isnan(value)]
    return metrics.rate(known) if known else math.nan
