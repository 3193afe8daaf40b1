"""Counts of gold against predicted labels, and the statistics that follow from them.

    gold       Positive  Neutral  Negative  (no answer)      <- predicted
    Positive        40        3         1            2
    Neutral          ...

Every statistic takes an integer array of shape (..., K, K + 1): rows are the gold classes, columns the predicted ones,
the last column the items without an answer. The leading axes hold whatever is computed at once, such as the draws of
a bootstrap: the published figure and its interval come from the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Counts = NDArray[np.int64]
Figures = NDArray[np.float64]


def shape(classes: Sequence[str], models: int) -> tuple[int, ...]:
    """Return the shape of the counts of gold x each of `models` models: a further column for no answer."""
    return (len(classes), *[len(classes) + 1] * models)


def positions(labels: Sequence[str | None], classes: Sequence[str], missing: int) -> NDArray[np.int64]:
    """Return the place of each label among `classes`, `missing` for None, shape (n,); raises InputError for another."""
    places: dict[str | None, int] = {**{name: index for index, name in enumerate(classes)}, None: missing}
    try:
        return np.fromiter((places[label] for label in labels), dtype=np.int64, count=len(labels))
    except KeyError as error:
        raise InputError(f"label {error.args[0]!r} is not one of {', '.join(classes)}") from None


def confusion(gold: Sequence[str], predicted: Sequence[str | None], classes: Sequence[str]) -> Counts:
    """Return the (K, K + 1) counts of aligned labels; None counts in the last column.

    Raises:
        InputError: an empty set, lists of different length, or a label that is not one of `classes`.
    """
    if not gold:
        raise InputError("an empty set has no figures; check what was selected")
    if len(gold) != len(predicted):
        raise InputError(f"{len(gold)} gold labels stand against {len(predicted)} predictions; they must be aligned")
    size = shape(classes, 1)
    places = positions(gold, classes, -1), positions(predicted, classes, len(classes))
    return np.bincount(np.ravel_multi_index(places, size), minlength=size[0] * size[1]).reshape(size)


def _ratio(top: Figures | Counts, bottom: Figures | Counts) -> Figures:
    """Return top / bottom, NaN where bottom is 0: undefined is not 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom == 0, np.nan, top / bottom)


def class_figures(counts: Counts) -> tuple[Figures, Figures, Figures]:
    """Return precision, recall and F1 per class, each (..., K); NaN where a class was never predicted or never gold.

    F1 = 2 TP / (gold + predicted), van Rijsbergen 1979: 0 for a class that stands on one side only, NaN on neither.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(hits, counts[..., :-1].sum(axis=-2)), _ratio(hits, counts.sum(axis=-1)), _class_f1(counts)


def _class_f1(counts: Counts) -> Figures:
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _ratio(2 * hits, counts.sum(axis=-1) + counts[..., :-1].sum(axis=-2))


def macro_f1(counts: Counts) -> Figures:
    """Return the mean F1 over the classes that occur in gold or predictions, shape (...)."""
    found = _class_f1(counts)
    known = ~np.isnan(found)
    return _ratio(np.where(known, found, 0.0).sum(axis=-1), known.sum(axis=-1))


def weighted_f1(counts: Counts) -> Figures:
    """Return the mean F1 weighted by each class's share of the gold, shape (...)."""
    in_gold = counts.sum(axis=-1)
    return _ratio(np.nansum(_class_f1(counts) * in_gold, axis=-1), in_gold.sum(axis=-1))


def accuracy(counts: Counts) -> Figures:
    """Return the share of right answers among all items, shape (...)."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def cohen_kappa(counts: Counts) -> Figures:
    """Return Cohen's kappa (1960) over the answered items, shape (...); NaN where chance agreement is complete."""
    size = counts.shape[-2]
    return _weighted_kappa(counts, 1 - np.eye(size))


def quadratic_kappa(counts: Counts) -> Figures:
    """Return Cohen's weighted kappa (1968), weights (i - j)^2, over the answered items; classes stand in rank order."""
    rank = np.arange(counts.shape[-2])
    return _weighted_kappa(counts, np.square(rank[:, None] - rank[None, :]).astype(np.float64))


def _weighted_kappa(counts: Counts, weights: Figures) -> Figures:
    answered = counts[..., :-1].astype(np.float64)
    expected = _ratio(
        answered.sum(axis=-1)[..., :, None] * answered.sum(axis=-2)[..., None, :],
        answered.sum(axis=(-2, -1))[..., None, None],
    )
    apart = (weights * answered).sum(axis=(-2, -1))
    return 1 - _ratio(apart, (weights * expected).sum(axis=(-2, -1)))
