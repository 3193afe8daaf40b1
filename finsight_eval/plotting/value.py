"""What it costs and what it is worth: time against quality, and how far the teacher's agreement can be trusted.

cost.png         seconds per 1,000 replies against sentiment F1, by model
agreement.png    how often is who right, where adapter and teacher agree and where they differ
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from finsight_eval.plotting.plots import MARKS, TICKS, drawn_twice, panels, share_panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finsight_eval.plotting.plots import Theme
    from finsight_eval.reporting.reliability import Share

_COLUMNS: Final = 2


class Bar(NamedTuple):
    """How often someone is right; `colour` names a model, or "both"."""

    label: str
    share: Share
    colour: str


def _grid(
    chart: Figure, count: int, margins: tuple[float, float, float, float], gap: tuple[float, float]
) -> list[Axes]:
    columns = min(_COLUMNS, count)
    axes = panels(chart, -(-count // columns), columns, margins, gap)
    for axis in axes[count:]:
        axis.set_visible(False)
    return axes[:count]


def draw_costs(
    path: Path, seconds: Mapping[str, float], labels: Mapping[str, str], quality: Mapping[str, Mapping[str, Any]]
) -> None:
    """Draw one panel per set; `quality` maps title -> model -> figure, `labels` each model to its words and price."""
    rows = -(-len(quality) // _COLUMNS)

    def draw(chart: Figure, theme: Theme) -> None:
        axes = _grid(chart, len(quality), (0.75, 0.2, 0.35, 1.0), (0.75, 0.95))
        for axis, (title, figures) in zip(axes, quality.items(), strict=True):
            for model, cost in seconds.items():
                _cost_point(axis, cost, figures.get(model), (theme.models[model], MARKS[model], labels[model]))
            axis.set_title(title, loc="left", y=1.03)
            axis.set(xscale="log", ylim=(-0.02, 1.02), xlim=(min(seconds.values()) / 2, max(seconds.values()) * 2))
            axis.set(xlabel="seconds per 1,000 replies (cheaper: left)", ylabel="sentiment, macro F1")
            axis.set_xticks(*decades(min(seconds.values()), max(seconds.values())))
            axis.set_yticks(TICKS)
            axis.minorticks_off()
            axis.grid()
        chart.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncols=3)

    drawn_twice(path, rows * 2.6 + 0.8, draw)


def decades(least: float, most: float) -> tuple[list[float], list[str]]:
    """Return ticks at 1, 3, 10, 30 ... that cover a range of positive numbers, and their labels."""
    powers = range(math.floor(math.log10(least / 2)), math.ceil(math.log10(most * 2)) + 1)
    ticks = [step * 10.0**power for power in powers for step in (1, 3) if least / 2 <= step * 10.0**power <= most * 2]
    return ticks, [f"{tick:g}" for tick in ticks]


def _cost_point(axis: Axes, cost: float, found: Mapping[str, Any] | None, look: tuple[str, str, str]) -> None:
    colour, mark, label = look
    axis.plot([], [], color=colour, marker=mark, linewidth=2.2, markersize=7, label=label)
    if not found or found["value"] is None:
        return
    if found["low"] is not None:
        axis.plot([cost, cost], [found["low"], found["high"]], color=colour, linewidth=2.2)
    axis.plot([cost], [found["value"]], color=colour, marker=mark, markersize=7)


def draw_shares(path: Path, shown: Mapping[str, Sequence[Bar]]) -> None:
    """Draw one panel of bars per title, each bar with its interval and its count."""
    rows, most = -(-len(shown) // _COLUMNS), max(len(bars) for bars in shown.values())

    def draw(chart: Figure, theme: Theme) -> None:
        colours = {**theme.models, "both": theme.good}
        axes = _grid(chart, len(shown), (1.9, 1.15, 0.35, 0.3), (1.25, 0.6))
        for place, (axis, (title, bars)) in enumerate(zip(axes, shown.items(), strict=True)):
            share_panel(axis, theme, title, [bar.label if place % _COLUMNS == 0 else "" for bar in bars])
            for y, (_, share, colour) in enumerate(bars):
                axis.text(1.05, y, f"{share.hits} of {share.n}", va="center")
                if share.low is not None and share.high is not None:
                    axis.barh(y, share.hits / share.n, color=colours[colour], height=0.55)
                    axis.hlines([y], share.low, share.high, colors=theme.ink, linewidths=1.8)

    drawn_twice(path, rows * (0.36 * most + 0.62) + 0.05, draw)
