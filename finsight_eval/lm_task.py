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
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import benchmark, metrics
from finsight_eval.errors import InputError
from finsight_eval.metrics import METRICS, Agreement
from finsight_eval.prompt import student_prompt
from finsight_eval.records import item_of
from finsight_eval.verdicts import teacher_of, verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.metrics import Metric
    from finsight_eval.verdicts import Verdict

Doc = dict[str, Any]
#: Gold label and the label read from the reply, None where the reply was not readable.
Pair = tuple[str, str | None]
#: The metrics of lm-eval's table, as _finsight.yaml lists them; `score` gives all, with intervals.
LIVE: Final = (
    *("json_parse_rate", "sentiment_f1", "risk_accuracy", "teacher_agreement"),
    *("entity_accuracy", "thinking_rate", "sentiment_accuracy", "sentiment_weighted_f1"),
    *("lenient_parse_rate", "lenient_sentiment_f1", "lenient_risk_accuracy"),
)


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


def results(doc: Doc, replies: Sequence[str]) -> dict[str, Any]:
    """Return what one reply contributes to each metric: a pair of labels, or a number with NaN for "left out"."""
    verdict = verdict_of(item_of(doc), replies[0] if isinstance(replies[0], str) else "", teacher_of(doc))
    return {name: _contribution(METRICS[name], verdict) for name in LIVE}


def _contribution(metric: Metric, verdict: Verdict) -> Pair | float:
    if isinstance(metric, Agreement):
        return metric.reference(verdict) or "", metric.said(verdict)
    value = metric.of(verdict)
    return math.nan if value is None else float(value)


def macro_f1(pairs: Sequence[Pair]) -> float:
    gold, predicted = zip(*pairs, strict=True)
    return metrics.macro_f1(gold, predicted)


def weighted_f1(pairs: Sequence[Pair]) -> float:
    gold, predicted = zip(*pairs, strict=True)
    return metrics.weighted_f1(gold, predicted)


def mean_where_known(values: Sequence[float]) -> float:
    """Return the mean over the items that have a value, NaN (lm-eval's word for missing) where none has."""
    mean = metrics.rate([None if math.isnan(value) else value for value in values])
    return math.nan if mean is None else mean
