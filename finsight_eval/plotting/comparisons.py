"""The comparison's pictures.

ranking_TASK.png     every model's headline figures with 95 % intervals; hollow: shown to be lower than the best
cost.png             what a model cost against what it reaches
agreement_TASK.png   the share of items to which two models give the same labels
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from finsight_eval.plotting.picture import drawn
from finsight_eval.plotting.plots import drawn_twice, panels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finsight_eval.plotting.plots import Theme

    Figures = Mapping[str, Mapping[str, Any]]

_NOTE = "dot: figure; bar: 95 % interval; hollow: shown to be below the highest; dotted: always the majority label"


def draw_ranking(
    path: Path,
    names: Sequence[str],
    columns: Mapping[str, Figures],
    lower: Mapping[str, Collection[str]],
    floors: Mapping[str, float],
) -> None:
    """Draw one panel per metric (its title -> model -> figure); `lower` holds the models shown to be below the best."""

    def draw(chart: Figure, theme: Theme) -> None:
        axes = panels(chart, 1, len(columns), (1.9, 0.1, 0.45, 0.65), (0.16, 0))
        for axis, (metric, figures) in zip(axes, columns.items(), strict=True):
            _ranking_panel(axis, theme, names, figures, lower[metric])
            if metric in floors:
                axis.axvline(floors[metric], color=theme.bad, linewidth=1, linestyle=":")
            axis.set_title(metric.replace(", ", ",\n"), fontsize=9, fontweight="normal")
            axis.set_yticks(range(len(names)), [""] * len(names))
            axis.set_ylim(len(names) - 0.5, -0.5)
        axes[0].set_yticks(range(len(names)), [drawn(name, 26) for name in names])
        chart.text(0.5, 0.12 / chart.get_size_inches()[1], _NOTE, ha="center", color=theme.muted, fontsize=9)

    drawn_twice(path, 1.1 + 0.27 * len(names), draw)


def _ranking_panel(axis: Axes, theme: Theme, names: Sequence[str], figures: Figures, lower: Collection[str]) -> None:
    colour = theme.models["adapter"]
    for row, name in enumerate(names):
        found = figures[name]
        if found["value"] is None:
            axis.text(0.02, row, "n/a", va="center", color=theme.muted, fontsize=9)
            continue
        if found["low"] is not None:
            axis.plot([found["low"], found["high"]], [row, row], color=colour, linewidth=1.8)
        fill = theme.background if name in lower else colour
        axis.plot(found["value"], row, "o", color=colour, markerfacecolor=fill, markersize=5)
    axis.set(xlim=(-0.04, 1.04))
    axis.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axis.grid(axis="x")


def draw_costs(
    path: Path, costs: Mapping[str, Mapping[str, float]], quality: Mapping[str, Figures], titles: Mapping[str, str]
) -> None:
    """Draw one row of panels per task and one column per kind of cost (kind -> model -> cost)."""

    def draw(chart: Figure, theme: Theme) -> None:
        axes = iter(panels(chart, len(quality), len(costs), (0.85, 0.15, 0.15, 0.6), (0.85, 0.65)))
        for task, figures in quality.items():
            for kind, paid in costs.items():
                axis = next(axes)
                _cost_panel(axis, theme, paid, figures)
                axis.set(xlabel=kind, ylabel=titles[task])

    drawn_twice(path, 0.1 + 2.8 * len(quality), draw)


def _cost_panel(axis: Axes, theme: Theme, paid: Mapping[str, float], figures: Figures) -> None:
    colour = theme.models["adapter"]
    shown = {name: cost for name, cost in paid.items() if figures.get(name, {"value": None})["value"] is not None}
    for place, (name, cost) in enumerate(sorted(shown.items(), key=lambda pair: (pair[1], pair[0]))):
        found = figures[name]
        low, high = (found["value"] if found[end] is None else found[end] for end in ("low", "high"))
        axis.plot([cost, cost], [low, high], color=colour, linewidth=1.2)
        axis.plot(cost, found["value"], "o", color=colour, markersize=5)
        over = place % 2 == 0  # neighbours' names stand above and below by turns
        end, away = (high, 3) if over else (low, -3)
        where: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom" if over else "top"}
        axis.annotate(drawn(name, 24), (cost, end), (0, away), fontsize=9, color=theme.ink, **where)
    most = max(shown.values(), default=0.0) or 1.0
    axis.set_xlim(-0.15 * most, 1.15 * most)
    axis.margins(y=0.2)
    axis.grid()


def draw_agreement(path: Path, names: Sequence[str], shares: Sequence[Sequence[float | None]]) -> None:
    """Draw the matrix of shares; None, on the diagonal, stays blank."""

    def draw(chart: Figure, theme: Theme) -> None:
        axis = panels(chart, 1, 1, (2.1, 0.1, 0.3, 1.15), (0, 0))[0]
        table = np.array([[np.nan if share is None else share for share in row] for row in shares])
        colours = LinearSegmentedColormap.from_list("share", [theme.background, theme.models["adapter"]])
        axis.imshow(table, cmap=colours.with_extremes(bad=theme.grid), vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(table):
            if not np.isnan(share):
                colour = theme.background if share > 0.55 else theme.ink
                axis.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=9, color=colour)
        labels = [drawn(name, 26) for name in names]
        axis.set_xticks(range(len(names)), labels, rotation=30, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(names)), labels)
        axis.set_title("share of items with the same labels")

    drawn_twice(path, 1.45 + 0.36 * len(names), draw)
