"""The scorecard: all figures of one model on one task.

{"n": 298, "n_total": 300, "failed": 2, "metrics": {"json_parse_rate": {"value": 0.97, "low": 0.94, "high": 0.98,
 "n": 298}, ...}, "reasons": {"truncated": 9}, "confusion": {...}, "classes": {...}, "slices": {...}}

n is the number of items scored, n_total that of the benchmark (null where it is not known), failed those without a
reply through no fault of the model: they are counted here and in no figure.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from finsight_eval import confusion
from finsight_eval.columns import Columns
from finsight_eval.figures import Figure, figure_of
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.metrics import METRICS, risk_of, sentiment_of
from finsight_eval.parse import Failed, Unparsed
from finsight_eval.slices import slice_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.verdicts import Verdict

NO_ANSWER: Final = "no answer"


def scored(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that count: those with a reply."""
    return [verdict for verdict in verdicts if not isinstance(verdict.strict, Failed)]


def scorecard(verdicts: Sequence[Verdict], n_total: int | None) -> dict[str, Any]:
    """Return every figure of one task; with no reply at all the figures are missing, not 0."""
    counted = scored(verdicts)
    card: dict[str, Any] = {"n": len(counted), "n_total": n_total, "failed": len(verdicts) - len(counted)}
    if not counted:
        missing = Figure(None, None, None, 0, "no item has a reply").row()
        return card | {"metrics": dict.fromkeys(METRICS, missing), "errors": _errors(verdicts)}
    columns = Columns(counted)
    counts = {"sentiment": (_sentiment_counts(counted), SENTIMENTS)}
    if risky := [v for v in counted if v.item.risk_level is not None]:  # public sets label sentiment only
        counts["risk_level"] = (_risk_counts(risky), RISK_LEVELS)
    return card | {
        "metrics": {name: figure_of(name, columns, np.arange(len(counted))).row() for name in METRICS},
        "reasons": _reasons(counted),
        "errors": _errors(verdicts),
        "confusion": {name: _table(*found) for name, found in counts.items()},
        "classes": {name: _by_class(*found) for name, found in counts.items()},
        "slices": slice_figures(columns),
    }


def _sentiment_counts(verdicts: Sequence[Verdict]) -> confusion.Counts:
    return confusion.confusion(
        [v.item.sentiment for v in verdicts], [sentiment_of(v.strict) for v in verdicts], SENTIMENTS
    )


def _risk_counts(verdicts: Sequence[Verdict]) -> confusion.Counts:
    return confusion.confusion(
        [v.item.risk_level or "" for v in verdicts], [risk_of(v.strict) for v in verdicts], RISK_LEVELS
    )


def _table(counts: confusion.Counts, classes: Sequence[str]) -> dict[str, Any]:
    return {"rows": list(classes), "columns": [*classes, NO_ANSWER], "counts": counts.tolist()}


def _by_class(counts: confusion.Counts, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return class -> precision, recall, F1 (None where undefined) and n, the number of gold items."""
    precision, recall, f1 = confusion.class_figures(counts)
    return {
        name: {
            "precision": _known(precision[index]),
            "recall": _known(recall[index]),
            "f1": _known(f1[index]),
            "n": int(counts[index].sum()),
        }
        for index, name in enumerate(classes)
    }


def _known(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)


def _reasons(verdicts: Sequence[Verdict]) -> dict[str, int]:
    found = Counter(v.strict.reason.value for v in verdicts if isinstance(v.strict, Unparsed))
    return dict(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))


def _errors(verdicts: Sequence[Verdict]) -> dict[str, int]:
    return dict(sorted(Counter(v.strict.error for v in verdicts if isinstance(v.strict, Failed)).items()))
