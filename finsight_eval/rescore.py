"""Re-scoring: the figure that was recorded, the figure of today, and why the two differ.

    sentiment_f1  0.4120 -> 0.4310: 6 items read differently: 4 no answer -> Negative (news-en-014, news-en-031, ...)

    {"sentiment_f1": {"recorded": 0.412, "value": 0.431, "source": "results", "changed": 6, "missing": 0, "failed": 0,
     "items": [{"id": "news-en-014", "from": null, "to": "Negative", "reason": null}, ...], "why": "6 items ..."}}

lm-eval records each metric twice: per item in the sample files, and as a figure in the results file beside them. Both
are compared with what today's parser and metrics make of the same replies, so a change has one of these causes: a reply
that is read differently, samples that are missing, requests without a reply, or another formula.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from finsight_eval import confusion
from finsight_eval.errors import printable
from finsight_eval.metrics import METRICS, Agreement, Paired, by_pair
from finsight_eval.parse import Failed, Unparsed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.metrics import Metric
    from finsight_eval.samples import Samples
    from finsight_eval.verdicts import Verdict

#: Figures are sums of floats: recorded and recomputed in another order they may differ in the last digits.
_SAME: Final = 1e-9
_NAMED: Final = 3
#: The pairs of labels that several metrics are made of, by the two functions that look them up.
_Pairs = dict[tuple["Callable[[Verdict], Any]", "Callable[[Verdict], Any]"], list[Any]]


@dataclass(frozen=True)
class Change:
    """One item whose contribution to a metric is not what was recorded; `reason`: why there is no answer today."""

    id: str
    before: Any
    after: Any
    reason: str | None

    def row(self) -> dict[str, Any]:
        return {"id": self.id, "from": self.before, "to": self.after, "reason": self.reason}


@dataclass(frozen=True)
class Rescored:
    """One metric: what was recorded (in the `results` file, or per item in the `samples`), its value now, and why."""

    recorded: float
    value: float | None
    source: str
    changes: tuple[Change, ...]
    missing: int
    failed: int

    @property
    def same(self) -> bool:
        return self.value is not None and abs(self.recorded - self.value) <= _SAME

    @property
    def why(self) -> str:
        """Say what the difference comes from; "same as recorded" where there is none."""
        causes = []
        if self.changes:
            causes.append(f"{_items(len(self.changes))} read differently: {_grouped(self.changes)}")
        if self.missing:
            causes.append(f"{_items(self.missing)} of the recorded figure not in the samples")
        if self.failed:
            causes.append(f"{_items(self.failed)} without a reply, which count no longer")
        if self.same:
            return f"same as recorded, though {'; '.join(causes)}" if causes else "same as recorded"
        return "; ".join(causes) or "the same readings item by item: the metric is computed in another way"

    def row(self) -> dict[str, Any]:
        counts = {"changed": len(self.changes), "missing": self.missing, "failed": self.failed}
        about = {"recorded": self.recorded, "value": self.value, "source": self.source}
        return {**about, **counts, "items": [change.row() for change in self.changes], "why": self.why}


def value_of(name: str, verdicts: Sequence[Verdict]) -> float | None:
    """Return the value of metric `name` without an interval, None where it has none."""
    metric = METRICS[name]
    return _figure(metric, _contributions(metric, verdicts, {}))


def rescored(samples: Samples) -> dict[str, Rescored]:
    """Return metric -> what was recorded and what is true today, for every metric of which something was recorded."""
    found = {}
    evaluated = (samples.conditions["n_samples"] or {}).get("effective")
    missing = max(0, evaluated - len(samples.verdicts)) if isinstance(evaluated, int) else 0
    answered = [place for place, verdict in enumerate(samples.verdicts) if not isinstance(verdict.strict, Failed)]
    verdicts = [samples.verdicts[place] for place in answered]
    pairs: _Pairs = {}
    for name, metric in METRICS.items():
        values = samples.recorded.get(name)
        if values is None and name not in samples.figures:
            continue
        after = _contributions(metric, verdicts, pairs)
        value = _figure(metric, after)
        alike = values == after
        before = samples.figures.get(name)
        if before is None and values is not None:
            before = value if alike else _figure(metric, values)
        if before is None:
            continue
        recorded = () if alike or values is None else [values[place] for place in answered]
        changes = tuple(_changes(verdicts, recorded, after)) if recorded else ()
        source = "results" if name in samples.figures else "samples"
        found[name] = Rescored(before, value, source, changes, missing, len(samples.verdicts) - len(verdicts))
    return found


def _contributions(metric: Metric, verdicts: Sequence[Verdict], pairs: _Pairs) -> list[Any]:
    """Return what each item contributes to a metric, equal to what lm-eval records; `pairs` keeps those of labels."""
    if isinstance(metric, Paired):
        return [(metric.pair(v.item) or "", metric.of(v)) for v in verdicts]
    if not isinstance(metric, Agreement):
        return [*map(metric.of, verdicts)]
    key = metric.reference, metric.said
    if key not in pairs:
        labels = zip(map(metric.reference, verdicts), map(metric.said, verdicts), strict=True)
        pairs[key] = [(gold or "", said) for gold, said in labels]
    return pairs[key]


def _figure(metric: Metric, values: Sequence[Any]) -> float | None:
    """Return the metric's figure over contributions, None where they give none."""
    if isinstance(metric, Agreement):
        return _agreement(metric, Counter(values))
    numbers = values
    if isinstance(metric, Paired):
        numbers = [float(right) for right in by_pair([pair for pair in values if isinstance(pair, tuple)])]
    known = [(value, count) for value, count in Counter(numbers).items() if isinstance(value, float | bool)]
    whole = sum(count for _, count in known)
    return sum(value * count for value, count in known) / whole if whole else None


def _agreement(metric: Agreement, pairs: Counter[Any]) -> float | None:
    """Return the statistic over counted (gold, said) pairs; a label that is none of the metric's is no answer."""
    counts = np.zeros(confusion.shape(metric.classes, 1), dtype=np.int64)
    places = {label: place for place, label in enumerate(metric.classes)}
    for pair, count in pairs.items():
        gold, said = pair if isinstance(pair, tuple) else (None, None)
        if gold in places and not (metric.answered_only and said is None):
            counts[places[gold], places.get(said, -1)] += count
    value = float(metric.statistic(counts)) if counts.any() else np.nan
    return None if np.isnan(value) else value


def _changes(verdicts: Sequence[Verdict], before: Sequence[Any], after: Sequence[Any]) -> list[Change]:
    found: list[Change] = []
    for verdict, old, today in zip(verdicts, before, after, strict=True):
        if today == old:
            continue
        new: Any = float(today) if isinstance(today, bool) else today
        was, now = (value[1] if isinstance(value, tuple) else value for value in (old, new))
        outcome = verdict.strict
        reason = outcome.reason.value if isinstance(outcome, Unparsed) else None
        if was == now:  # the reference itself was another
            was, now = f"gold {old[0]}", f"gold {new[0]}"
        found.append(Change(verdict.item.id, was, now, reason))
    return found


def _items(count: int) -> str:
    return f"{count:,} item{'s' if count != 1 else ''}"


def _grouped(changes: Sequence[Change]) -> str:
    """Return the changes by kind, the commonest first, each with the first few items."""
    kinds: dict[str, list[str]] = {}
    for change in changes:
        kinds.setdefault(_kind(change), []).append(change.id)
    ordered = sorted(kinds.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return ", ".join(f"{len(ids):,} {kind} ({_named(ids)})" for kind, ids in ordered)


def _named(ids: Sequence[str]) -> str:
    return ", ".join(printable(one, 40) for one in ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")


def _kind(change: Change) -> str:
    reason = f" ({change.reason})" if change.reason else ""
    return f"{_shown(change.before)} -> {_shown(change.after)}{reason}"


def _shown(value: Any) -> str:
    return "no answer" if value is None else f"{value:g}" if isinstance(value, float) else printable(str(value), 40)
