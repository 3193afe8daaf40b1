"""Dots with 95 % intervals: the headline figures by model, and the adapter's figures by slice.

intervals.png          rows: metrics; colours: base, adapter, teacher; a dashed tick: the most frequent label
slices_finsight.png    rows: "English (n 208)"; green or red where the interval lies off the overall figure
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from matplotlib.lines import Line2D

from finsight_eval.plotting.picture import drawn
from finsight_eval.plotting.plots import MARKS, drawn_twice, panels, share_panel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finsight_eval.plotting.plots import Theme

    Figures = Mapping[str, Mapping[str, Any]]

_COLUMNS: Final = 2
_DASHED: Final = (0, (2, 1.2))
_FLOOR: Final = "always the most frequent label"


@dataclass(frozen=True)
class Panel:
    """One set's figures: model -> metric -> figure of metrics.json, and the majority label's score by metric."""

    title: str
    figures: Mapping[str, Figures]
    floors: Mapping[str, float]


@dataclass(frozen=True)
class Slice:
    """A row of the picture: a slice's figures by metric, or, without any, a heading."""

    label: str
    figures: Figures = field(default_factory=dict)


class Look(NamedTuple):
    """How a figure is drawn."""

    colour: str
    mark: str


def draw_intervals(path: Path, shown: Sequence[Panel], names: Mapping[str, str]) -> None:
    """Draw one panel per set; `names` maps the metrics, in order, to the words at the left."""
    columns = min(_COLUMNS, len(shown))
    rows = -(-len(shown) // columns)

    def draw(chart: Figure, theme: Theme) -> None:
        axes = panels(chart, rows, columns, (1.9, 0.55, 0.35, 0.65), (0.75, 0.62))
        for place, (axis, panel) in enumerate(zip(axes, shown, strict=False)):
            words = list(names.values()) if place % columns == 0 else [""] * len(names)
            share_panel(axis, theme, panel.title, words)
            _interval_panel(axis, panel, list(names), theme)
        for axis in axes[len(shown) :]:
            axis.set_visible(False)
        models = list(dict.fromkeys(model for panel in shown for model in panel.figures))
        looks = {model: Look(theme.models[model], MARKS[model]) for model in models}
        _legend(chart, looks, [_line(theme.ink, _DASHED, _FLOOR)])

    drawn_twice(path, rows * (0.42 * len(names) + 0.62) + 0.4, draw)


def _interval_panel(axis: Axes, panel: Panel, metrics: Sequence[str], theme: Theme) -> None:
    for place, (model, figures) in enumerate(panel.figures.items()):
        colour = theme.models[model]
        shift = 0.23 * (place - (len(panel.figures) - 1) / 2)
        known = [(row + shift, found) for row, metric in enumerate(metrics) if (found := figures.get(metric))]
        _dots(axis, known, Look(colour, MARKS[model]))
        if model == "adapter":
            for y, found in known:
                if found["value"] is not None:
                    axis.text(1.05, y, f"{found['value']:.2f}", color=colour, va="center", fontweight="bold")
    floors = [(row, panel.floors[metric]) for row, metric in enumerate(metrics) if metric in panel.floors]
    for row, floor in floors:
        axis.vlines([floor], row - 0.42, row + 0.42, colors=theme.ink, linewidths=1.3, linestyles=_DASHED)


def _dots(axis: Axes, rows: Sequence[tuple[float, Mapping[str, Any]]], look: Look) -> None:
    """Draw figures, each at its height; one that is missing is left out, never drawn at 0."""
    known = [(y, found) for y, found in rows if found["value"] is not None]
    ends = [(y, found["low"], found["high"]) for y, found in known if found["low"] is not None]
    if ends:
        heights, lows, highs = zip(*ends, strict=True)
        axis.hlines(heights, lows, highs, colors=look.colour, linewidths=2.2)
    values = [found["value"] for _, found in known]
    axis.plot(values, [y for y, _ in known], look.mark, color=look.colour, markersize=5.5, clip_on=False)


def draw_slices(
    path: Path,
    rows: Sequence[Slice],
    overall: Mapping[str, float],
    names: Mapping[str, str],
    floors: Mapping[str, float],
) -> None:
    """Draw one panel per metric of `names`, one line per slice, and the overall figure as a line through all."""

    def draw(chart: Figure, theme: Theme) -> None:
        axes = panels(chart, 1, len(names), (2.35, 0.2, 0.4, 0.7), (0.3, 0))
        for axis, (metric, title) in zip(axes, names.items(), strict=True):
            share_panel(axis, theme, title, [drawn(row.label) if axis is axes[0] else "" for row in rows], (0, 0.5, 1))
            axis.axvline(overall[metric], color=theme.muted, linewidth=1.3)
            if metric in floors:
                axis.axvline(floors[metric], color=theme.ink, linewidth=1.3, linestyle=_DASHED)
            _slice_panel(axis, rows, metric, overall[metric], theme)
        headings = {drawn(row.label) for row in rows if not row.figures}
        for text in axes[0].texts:
            text.set_fontweight("bold" if text.get_text() in headings else "normal")
        looks = {f"{standing} the whole set": look for standing, look in _looks(theme).items() if standing != "within"}
        lines = [_line(theme.muted, "-", "the whole set"), _line(theme.ink, _DASHED, "most frequent label")]
        _legend(chart, looks, lines)

    drawn_twice(path, 0.23 * len(rows) + 1.1, draw)


def _looks(theme: Theme) -> dict[str, Look]:
    return {"above": Look(theme.good, "^"), "below": Look(theme.bad, "v"), "within": Look(theme.muted, "o")}


def _slice_panel(axis: Axes, rows: Sequence[Slice], metric: str, overall: float, theme: Theme) -> None:
    known = [(y, found) for y, row in enumerate(rows) if (found := row.figures.get(metric))]
    for standing, look in _looks(theme).items():
        _dots(axis, [(y, found) for y, found in known if standing_of(found, overall) == standing], look)


def standing_of(found: Mapping[str, Any], overall: float) -> str:
    """Return whether a figure's whole interval lies above or below the overall figure, or neither: "within"."""
    if found["low"] is not None and found["low"] > overall:
        return "above"
    return "below" if found["high"] is not None and found["high"] < overall else "within"


def _line(colour: str, style: Any, text: str) -> Line2D:
    return Line2D([], [], color=colour, linewidth=1.3, linestyle=style, label=text)


def _legend(chart: Figure, looks: Mapping[str, Look], lines: Sequence[Line2D]) -> None:
    marks = [
        Line2D([], [], color=look.colour, marker=look.mark, markersize=5.5, linewidth=2.2, label=text)
        for text, look in looks.items()
    ]
    chart.legend(handles=[*marks, *lines], loc="lower center", ncols=5, columnspacing=1.4, handlelength=1.8)
