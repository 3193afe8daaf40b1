"""Columns: what each metric says of each verdict, looked up once however many figures are made of it.

    Columns(verdicts).values("risk_accuracy") -> array([1.0, 0.0, nan, ...])        nan: left out of the figure
    Columns(verdicts).labels("sentiment_f1")  -> (array([0, 2, -1, ...]), array([0, 3, 1, ...]))

A card holds some hundred figures of one and the same verdicts: the whole set, each slice, each metric.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from finsight_eval import confusion
from finsight_eval.clusters import cluster_numbers
from finsight_eval.metrics import METRICS, Agreement, values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.clusters import Numbers
    from finsight_eval.confusion import Figures
    from finsight_eval.verdicts import Verdict

    Label = Callable[[Verdict], str | None]


class Columns:
    """The columns of n verdicts, each made when it is first asked for."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = verdicts
        self._values: dict[str, Figures] = {}
        self._labels: dict[tuple[Label, tuple[str, ...], int], Numbers] = {}

    @cached_property
    def numbers(self) -> Numbers:
        """The cluster of each verdict's item, shape (n,)."""
        return cluster_numbers([v.item for v in self.verdicts])

    def values(self, name: str) -> Figures:
        """Return a rate's or mean's value of each verdict, or of each whole pair; NaN: left out."""
        if name not in self._values:
            metric = METRICS[name]
            assert not isinstance(metric, Agreement)  # noqa: S101 - the caller has looked
            self._values[name] = np.array(values(metric, self.verdicts), dtype=np.float64)  # None becomes NaN
        return self._values[name]

    def labels(self, name: str) -> tuple[Numbers, Numbers]:
        """Return the reference label of each verdict (-1: left out) and the one given (the last place: no answer)."""
        metric = METRICS[name]
        assert isinstance(metric, Agreement)  # noqa: S101 - the caller has looked
        missing = len(metric.classes)
        return self._places(metric.reference, metric.classes, -1), self._places(metric.said, metric.classes, missing)

    def _places(self, label: Label, classes: tuple[str, ...], missing: int) -> Numbers:
        """Return the place of each verdict's label among `classes`; several metrics are made of the same labels."""
        key = label, classes, missing
        if key not in self._labels:
            self._labels[key] = confusion.positions([label(v) for v in self.verdicts], classes, missing)
        return self._labels[key]
