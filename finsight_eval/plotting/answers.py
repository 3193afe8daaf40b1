"""What the models answered: gold against predicted labels, and why replies could not be read.

confusion_finsight.png    one row of panels per model: sentiment, risk level
reasons.png               one bar per set and model: the share of replies by reason
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from finsight_eval.plotting.plots import drawn_twice, panels, share_panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finsight_eval.plotting.plots import Theme

#: Reasons with a colour of their own; rarer ones are drawn together.
_MOST: Final = 6
_OTHER: Final = "other reasons"


@dataclass(frozen=True)
class Bar:
    """The replies of one model to one set: n in all, and how many could not be read for which reason."""

    label: str
    n: int
    reasons: Mapping[str, int]


def draw_confusions(path: Path, tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Draw one row of panels per model; `tables` maps model -> label name -> confusion table of metrics.json."""
    columns = max(len(labels) for labels in tables.values())

    def draw(chart: Figure, theme: Theme) -> None:
        axes = panels(chart, len(tables), columns, (0.95, 0.1, 0.35, 0.3), (1.05, 0.65))
        places = [(model, name, table) for model, labels in tables.items() for name, table in labels.items()]
        for axis, (model, name, table) in zip(axes, places, strict=True):
            _confusion_panel(axis, f"{model}: {name.replace('_', ' ')}", table, theme)

    drawn_twice(path, 2.0 * len(tables), draw)


def _confusion_panel(axis: Axes, title: str, table: Mapping[str, Any], theme: Theme) -> None:
    counts = np.array(table["counts"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    colours = LinearSegmentedColormap.from_list("shares", [theme.background, theme.models["adapter"]])
    axis.imshow(shares, cmap=colours, vmin=0, vmax=1, aspect="auto")
    axis.set_axis_off()
    for (row, column), count in np.ndenumerate(counts):
        ink = theme.background if shares[row, column] > 0.55 else theme.ink
        weight = "bold" if row == column else "normal"
        axis.text(column, row, str(count), ha="center", va="center", color=ink, fontweight=weight)
    for column, label in enumerate(table["columns"]):
        axis.text(column, len(counts) - 0.45, label, ha="center", va="top")
    for row, label in enumerate(table["rows"]):
        axis.text(-0.56, row, label, ha="right", va="center")
    for y, va, words in ((-0.62, "bottom", "gold"), (len(counts) - 0.45, "top", "answer")):
        axis.text(-0.56, y, words, ha="right", va=va, color=theme.muted)
    axis.set_title(title, loc="left", y=1.03)


def drawn_reasons(bars: Sequence[Bar]) -> list[str]:
    """Return the reasons that get a colour, the most frequent first, and "other reasons" where there are more."""
    totals: dict[str, int] = {}
    for bar in bars:
        for reason, count in bar.reasons.items():
            totals[reason] = totals.get(reason, 0) + count
    ranked = sorted(totals, key=lambda reason: (-totals[reason], reason))
    return ranked if len(ranked) <= _MOST else [*ranked[:_MOST], _OTHER]


def draw_reasons(path: Path, bars: Sequence[Bar]) -> None:
    """Draw one bar per set and model, its length the share of replies that could not be read, by reason."""
    reasons = drawn_reasons(bars)
    lines = -(-(len(reasons) + 1) // 4)

    def draw(chart: Figure, theme: Theme) -> None:
        (axis,) = panels(chart, 1, 1, (2.6, 1.15, 0.1, 0.35 + 0.24 * lines), (0, 0))
        share_panel(axis, theme, "", [bar.label for bar in bars])
        start = np.zeros(len(bars))
        for reason, colour in zip(reasons, theme.series, strict=False):
            shares = np.array([_count(bar, reason, reasons) / max(bar.n, 1) for bar in bars])
            axis.barh(range(len(bars)), shares, left=start, color=colour, height=0.62, label=reason)
            start += shares
        axis.barh(range(len(bars)), 1 - start, left=start, color=theme.grid, height=0.62, label="readable")
        for y, bar in enumerate(bars):
            axis.text(1.03, y, f"{sum(bar.reasons.values())} of {bar.n}", va="center")
        chart.legend(loc="lower center", ncols=4, columnspacing=1.2, handlelength=1.2)

    drawn_twice(path, 0.3 * len(bars) + 0.45 + 0.24 * lines, draw)


def _count(bar: Bar, reason: str, shown: Sequence[str]) -> int:
    if reason == _OTHER:
        return sum(count for name, count in bar.reasons.items() if name not in shown)
    return bar.reasons.get(reason, 0)
