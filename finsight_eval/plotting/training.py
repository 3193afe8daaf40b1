"""The course of training: loss by step and, where the trainer measured it, the dev set beside it.

{"step": 375, "loss": 0.072}    {"step": 100, "n": 80, "json_parse_rate": 0.95, "sentiment_f1": 0.61, ...}
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.plotting.plots import drawn_twice, panels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from finsight_eval.plotting.plots import Theme

#: The dev figures that are drawn, with their words; the first is no rate and has no interval.
DEV: Final = {
    "sentiment_f1": "sentiment, macro F1",
    "risk_accuracy": "risk level, accuracy",
    "json_parse_rate": "keeps the form",
}
_MARKS: Final = ("o", "s", "^")


def draw_training(path: Path, losses: Sequence[Mapping[str, Any]], devs: Sequence[Mapping[str, Any]]) -> None:
    """Draw the loss and, beside it, what the dev set showed at the same steps."""
    shown = [kind for kind, rows in (("loss", losses), ("dev", devs)) if rows]

    def draw(chart: Figure, theme: Theme) -> None:
        axes = dict(zip(shown, panels(chart, 1, len(shown), (0.75, 0.2, 0.4, 1.05), (0.75, 0)), strict=True))
        if "loss" in axes:
            _loss_panel(axes["loss"], losses, theme)
        if "dev" in axes:
            _dev_panel(axes["dev"], devs, theme)

    drawn_twice(path, 3.6, draw)


def _loss_panel(axis: Axes, rows: Sequence[Mapping[str, Any]], theme: Theme) -> None:
    steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
    axis.plot(steps, losses, color=theme.models["adapter"], linewidth=0.8, alpha=0.45, label="each step")
    axis.plot(steps, smoothed(losses), color=theme.models["adapter"], linewidth=2, label="running median")
    axis.set_title("Training loss", loc="left", y=1.03)
    axis.set(xlabel="step")
    if min(losses) > 0:  # most of the fall is over within a tenth of the steps: the rest shows on a log scale only
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.minorticks_off()
    else:
        axis.set_ylim(0, None)
    _finish(axis)


def smoothed(values: Sequence[float]) -> list[float]:
    """Return the running median over a twentieth of the values, which a single odd batch does not move."""
    reach = len(values) // 40
    return [median(values[max(0, place - reach) : place + reach + 1]) for place in range(len(values))]


def _dev_panel(axis: Axes, rows: Sequence[Mapping[str, Any]], theme: Theme) -> None:
    for (name, words), colour, mark in zip(DEV.items(), theme.series, _MARKS, strict=False):
        known = [(row["step"], row[name], row["n"]) for row in rows if row.get(name) is not None]
        if not known:
            continue
        steps = [step for step, *_ in known]
        axis.plot(steps, [value for _, value, _ in known], color=colour, marker=mark, markersize=4, label=words)
        if name != "sentiment_f1":
            ends = [stats.wilson(value * n, n) for _, value, n in known]
            axis.fill_between(
                steps, [e.low for e in ends], [e.high for e in ends], color=colour, alpha=0.15, linewidth=0
            )
    sizes = sorted({row["n"] for row in rows})
    axis.set_title(f"Dev set, n {' to '.join(str(n) for n in {sizes[0]: 0, sizes[-1]: 0})}", loc="left", y=1.03)
    axis.set(xlabel="step", ylim=(-0.02, 1.02))
    _finish(axis)


def _finish(axis: Axes) -> None:
    axis.grid()
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, columnspacing=1.4, handlelength=1.6)
