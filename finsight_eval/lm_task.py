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
from finsight_eval.metrics import METRICS, Agreement, Paired
from finsight_eval.prompt import prompt_of
from finsight_eval.public import PUBLIC
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
#: The public sets label sentiment only; _public.yaml lists these.
LIVE_PUBLIC: Final = (
    *("json_parse_rate", "sentiment_f1", "sentiment_weighted_f1", "sentiment_accuracy"),
    *("fingpt_weighted_f1", "thinking_rate", "lenient_parse_rate", "lenient_sentiment_f1"),
)


def load(benchmark_set: str, lang: str | None = None, teacher: str | None = None, **_metadata: Any) -> dict[str, Any]:
    """Return {"test": documents} for lm-eval's `custom_dataset`; `benchmark_set` is a set of ours or a public one.

    `teacher` is a folder of teacher's answers, given as `--metadata '{"teacher": "runs/NAME/teacher"}'`; the default
    is the reference that the set carries.
    """
    from datasets import Dataset

    answers = benchmark.teacher_answers(benchmark_set, Path(teacher) if teacher else None)
    items = [item for item in benchmark.test_items(benchmark_set) if lang in (None, item.lang)]
    if not items:
        raise InputError(f"benchmark set {benchmark_set!r} holds no test item in language {lang!r}")
    if benchmark_set in PUBLIC:
        return {"test": Dataset.from_list([item.row() for item in items], features=_public_features())}
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


def _public_features() -> Any:
    from datasets import Features, Value

    return Features(dict.fromkeys(("id", "lang", "text", "entity", "sentiment"), Value("string")))


def to_text(doc: Doc) -> str:
    return prompt_of(item_of(doc))


def to_target(doc: Doc) -> str:
    item = item_of(doc)
    return " | ".join(label for label in (item.entity, item.sentiment, item.risk_level) if label)


def results(doc: Doc, replies: Sequence[str]) -> dict[str, Any]:
    """Return what one reply contributes to each metric: a pair of labels, or a number with NaN for "left out"."""
    return _results(doc, replies, LIVE)


def pair_results(doc: Doc, replies: Sequence[str]) -> dict[str, Any]:
    """Return the contributions of one member of a counterfactual pair."""
    return _results(doc, replies, (*LIVE, "pair_consistency"))


def public_results(doc: Doc, replies: Sequence[str]) -> dict[str, Any]:
    """Return the contributions of one reply to an item of a public set."""
    return _results(doc, replies, LIVE_PUBLIC)


def _results(doc: Doc, replies: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    verdict = verdict_of(item_of(doc), replies[0] if isinstance(replies[0], str) else "", teacher_of(doc))
    return {name: _contribution(METRICS[name], verdict) for name in names}


def _contribution(metric: Metric, verdict: Verdict) -> Pair | float | tuple[str, bool]:
    if isinstance(metric, Paired):
        return metric.pair(verdict.item) or "", metric.of(verdict)
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


def whole_pairs(members: Sequence[tuple[str, bool]]) -> float:
    """Return the share of pairs with both members right, NaN where no pair is whole."""
    return mean_where_known([float(right) for right in metrics.by_pair(members)] or [math.nan])


def mean_where_known(values: Sequence[float]) -> float:
    """Return the mean over the items that have a value, NaN (lm-eval's word for missing) where none has."""
    mean = metrics.rate([None if math.isnan(value) else value for value in values])
    return math.nan if mean is None else mean
