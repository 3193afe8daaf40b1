"""Slices: the same figures over the items of one language, sector, supply-chain order, event, feature or length.

groups(verdicts)["lang"]["zh"] -> [Verdict, ...]
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from finsight_eval.figures import figure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.clusters import Numbers
    from finsight_eval.columns import Columns
    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Verdict

METRICS: Final = ("json_parse_rate", "sentiment_f1", "risk_accuracy", "entity_accuracy")
#: A slice is for looking, not for deciding: the ends of its intervals may vary by a fifteenth of their width.
_DRAWS: Final = 2_000
_CHINESE_WEIGHT: Final = 3  # a Chinese character says about as much as three Latin ones


def length_of(item: AnyItem) -> str:
    """Return the length class of a news text, counted in Latin characters."""
    characters = len(item.text) * (_CHINESE_WEIGHT if item.lang == "zh" else 1)
    return "short (below 160)" if characters < 160 else "middle (160-320)" if characters <= 320 else "long (above 320)"


SLICES: Final[dict[str, Callable[[AnyItem], Sequence[str]]]] = {
    "lang": lambda item: (item.lang,),
    "order": lambda item: (str(item.order),) if item.order else (),
    "length": lambda item: (length_of(item),),
    "feature": lambda item: item.features,
    "sector": lambda item: (item.sector,) if item.sector else (),
    "event": lambda item: (item.event,) if item.event else (),
}


def groups(verdicts: Sequence[Verdict]) -> dict[str, dict[str, list[Verdict]]]:
    """Return slice name -> value -> its verdicts, values in order; an item with two features stands in both."""
    return {
        name: {value: [verdicts[place] for place in chosen] for value, chosen in _places(verdicts, values_of).items()}
        for name, values_of in SLICES.items()
    }


def _places(verdicts: Sequence[Verdict], values_of: Callable[[AnyItem], Sequence[str]]) -> dict[str, list[int]]:
    """Return the values of one kind of slice, in order, each with the places of its verdicts."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for place, verdict in enumerate(verdicts):
        for value in values_of(verdict.item):
            found[value].append(place)
    return dict(sorted(found.items()))


def slice_figures(columns: Columns) -> dict[str, dict[str, dict[str, Any]]]:
    """Return slice name -> value -> {"n": ..., metric: figure} for JSON."""
    return {
        name: {
            value: {"n": len(chosen), **_figures(columns, np.array(chosen))}
            for value, chosen in _places(columns.verdicts, values_of).items()
        }
        for name, values_of in SLICES.items()
    }


def _figures(columns: Columns, places: Numbers) -> dict[str, dict[str, Any]]:
    return {metric: figure_of(metric, columns, places, _DRAWS).row() for metric in METRICS}
