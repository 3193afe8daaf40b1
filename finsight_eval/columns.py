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
    from collections.abc import Sequence

    from finsight_eval.clusters import Numbers
    from finsight_eval.confusion import Figures
    from finsight_eval.verdicts import Verdict


class Columns:
    """The columns of n verdicts, each made when it is first asked for."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self.verdicts = verdicts
        self._values: dict[str, Figures] = {}
        self._labels: dict[str, tuple[Numbers, Numbers]] = {}

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
        if name not in self._labels:
            metric = METRICS[name]
            assert isinstance(metric, Agreement)  # noqa: S101 - the caller has looked
            gold = confusion.positions([metric.reference(v) for v in self.verdicts], metric.classes, -1)
            said = confusion.positions([metric.said(v) for v in self.verdicts], metric.classes, len(metric.classes))
            self._labels[name] = gold, said
        return self._labels[name]
