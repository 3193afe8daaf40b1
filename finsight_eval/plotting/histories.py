"""The history's picture: one panel per figure, the entries from left to right.

figures.png    dots with 95 % intervals where they are known; a line only between entries that are comparable
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.plotting.picture import drawn
from finsight_eval.plotting.plots import drawn_twice, panels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finsight_eval.plotting.plots import Theme

    Points = Sequence[Mapping[str, Any] | None]

_COLUMNS: Final = 2


def draw_history(
    path: Path, titles: Sequence[str], series: Mapping[str, Points], joined: Mapping[str, Collection[int]]
) -> None:
    """Draw `series` (key -> figure per entry or None); `joined` holds the places that are joined to the one before."""
    rows = math.ceil(len(series) / _COLUMNS)

    def draw(chart: Figure, theme: Theme) -> None:
        axes = panels(chart, rows, _COLUMNS, (0.8, 0.1, 0.3, 0.8), (0.9, 1.1))
        for axis, (key, points) in zip(axes, series.items(), strict=False):
            _panel(axis, theme, points, joined[key])
            axis.set_title(drawn(key, 48), fontsize=9.5)
            axis.set_xticks(range(len(titles)), [drawn(title, 14) for title in titles], rotation=30, ha="right")
            axis.set_xlim(-0.5, len(titles) - 0.5)
        for axis in axes[len(series) :]:
            axis.set_axis_off()

    drawn_twice(path, 2.75 * rows, draw)


def _panel(axis: Axes, theme: Theme, points: Points, joined: Collection[int]) -> None:
    colour = theme.models["adapter"]
    for place, row in enumerate(points):
        if row is None or row["value"] is None:
            continue
        before = points[place - 1] if place in joined else None
        if before is not None and before["value"] is not None:
            axis.plot([place - 1, place], [before["value"], row["value"]], color=colour, linewidth=1)
        known = None not in (row["low"], row["high"])
        if known:
            axis.plot([place, place], [row["low"], row["high"]], color=colour, linewidth=1.8)
        axis.plot(place, row["value"], "o", color=colour, markerfacecolor=colour if known else theme.background)
    axis.margins(y=0.15)
    axis.grid(axis="y")
