"""The report's pictures: PNG files that are the same bytes each time they are drawn.

intervals.png    dots with 95 % intervals: base, adapter, teacher by headline metric
loss.png         the training loss
confusion_finsight.png    gold against predicted, sentiment and risk, base and adapter
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.style import context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

#: Okabe and Ito's palette: told apart in print and by colour-blind readers.
COLOURS: Final = {"base": "#999999", "adapter": "#0072B2", "teacher": "#E69F00"}
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}
_DPI: Final = 130


def draw_intervals(path: Path, panels: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Draw one panel per title; `panels` maps title -> model -> metric -> figure of metrics.json."""
    with context(["default", _STYLE]):
        metrics = list(next(iter(next(iter(panels.values())).values())))
        size = (4.6 * len(panels) + 0.6, 0.62 * len(metrics) + 1.2)
        chart = Figure(figsize=size)
        axes = chart.subplots(1, len(panels), sharey=True, squeeze=False)
        for axis, (title, models) in zip(axes[0], panels.items(), strict=True):
            _interval_panel(axis, title, models, metrics)
        handles, names = axes[0][0].get_legend_handles_labels()
        chart.legend(handles, names, loc="lower center", ncols=len(names), frameon=False)
        chart.tight_layout(rect=(0, 0.07, 1, 1))
        _save(chart, path)


def _interval_panel(axis: Axes, title: str, models: Mapping[str, Mapping[str, Any]], metrics: Sequence[str]) -> None:
    for place, (model, figures) in enumerate(models.items()):
        for row, metric in enumerate(metrics):
            found = figures[metric]
            if found["value"] is None:
                continue
            height = row + 0.22 * (place - (len(models) - 1) / 2)
            if found["low"] is not None:
                axis.plot([found["low"], found["high"]], [height, height], color=COLOURS[model], linewidth=2.2)
            axis.plot(found["value"], height, "o", color=COLOURS[model], markersize=5)
        axis.plot([], [], "o-", color=COLOURS[model], label=model)
    axis.set(title=title, xlim=(-0.02, 1.02), yticks=range(len(metrics)), yticklabels=metrics)
    if not axis.yaxis_inverted():
        axis.invert_yaxis()
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)


def draw_loss(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw loss and learning rate over the training steps."""
    with context(["default", _STYLE]):
        chart = Figure(figsize=(6.4, 3.2))
        axis = chart.subplots()
        steps = [row["step"] for row in rows]
        axis.plot(steps, [row["loss"] for row in rows], color=COLOURS["adapter"], linewidth=1.4)
        axis.set(xlabel="step", ylabel="training loss (completion tokens)", ylim=(0, None))
        axis.grid(color="#dddddd", linewidth=0.6)
        if all(row.get("learning_rate") is not None for row in rows):
            second = axis.twinx()
            second.plot(steps, [row["learning_rate"] for row in rows], color="#bbbbbb", linewidth=1, linestyle="--")
            second.set(ylabel="learning rate (dashed)", ylim=(0, None))
            second.spines["right"].set_visible(True)
        chart.tight_layout()
        _save(chart, path)


def draw_confusions(path: Path, tables: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Draw one row of panels per model; `tables` maps model -> label name -> confusion table of metrics.json."""
    with context(["default", _STYLE | {"axes.spines.top": True, "axes.spines.right": True}]):
        columns = len(next(iter(tables.values())))
        chart = Figure(figsize=(4.2 * columns, 3.1 * len(tables)))
        axes = chart.subplots(len(tables), columns, squeeze=False)
        for row, (model, labels) in zip(axes, tables.items(), strict=True):
            for axis, (name, table) in zip(row, labels.items(), strict=True):
                _confusion_panel(axis, f"{model}: {name.replace('_', ' ')}", table)
        chart.tight_layout()
        _save(chart, path)


def _confusion_panel(axis: Axes, title: str, table: Mapping[str, Any]) -> None:
    counts = np.array(table["counts"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        axis.text(
            column, row, str(count), ha="center", va="center", color="white" if shares[row, column] > 0.55 else "black"
        )
    axis.set(title=title, xlabel="model's answer", ylabel="gold")
    axis.set_xticks(range(counts.shape[1]), table["columns"])
    axis.set_yticks(range(counts.shape[0]), table["rows"])


def _save(chart: Figure, path: Path) -> None:
    """Write the picture without date or version, so that equal figures give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.savefig(path, format="png", dpi=_DPI, metadata={"Software": None})
