"""What the report's pictures have in common: two themes, one width, the same bytes each time they are drawn.

    drawn_twice(folder / "loss.png", 2.8, lambda chart, theme: ...)    writes loss.png and loss-dark.png

Every picture is as wide as GitHub shows a page (880 px), so that its text is never scaled below 9 pt. The colours are
those of Okabe and Ito, darker on white and lighter on black, told apart by colour-blind readers; each model also has
a mark of its own. Only matplotlib's own font is used, which has no Chinese: `picture.drawn` keeps other scripts out.
Margins are set in inches and the rows of a `share_panel` are plain text, for measuring layouts and making ticks is what
takes matplotlib its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.style import context
from PIL import Image

from finsight_eval.plotting.picture import dark_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

#: Inches; at _DPI the file holds 1.3 times the pixels of the page, for sharp displays.
WIDTH: Final = 8.8
_DPI: Final = 130
_COLOURS: Final = 128
SHARES: Final = (-0.02, 1.02)
TICKS: Final = (0, 0.25, 0.5, 0.75, 1)
MARKS: Final = {"base": "s", "adapter": "o", "teacher": "D"}


@dataclass(frozen=True)
class Theme:
    """The colours of one theme; the backgrounds are GitHub's."""

    background: str
    ink: str
    muted: str
    grid: str
    models: Mapping[str, str]
    good: str
    bad: str
    series: tuple[str, ...]


LIGHT: Final = Theme(
    background="#ffffff",
    ink="#1f2328",
    muted="#59636e",
    grid="#d1d9e0",
    models={"base": "#6e7781", "adapter": "#0072b2", "teacher": "#c67700"},
    good="#00805e",
    bad="#c4500a",
    series=("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#6e7781"),
)
DARK: Final = Theme(
    background="#0d1117",
    ink="#e6edf3",
    muted="#9198a1",
    grid="#30363d",
    models={"base": "#9198a1", "adapter": "#56b4e9", "teacher": "#f0b040"},
    good="#3fc79a",
    bad="#ff8a4c",
    series=("#3b9ddd", "#e69f00", "#2fb890", "#d992ba", "#8fd0f5", "#e8703a", "#9198a1"),
)


def _style(theme: Theme) -> dict[Any, Any]:
    return {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.facecolor": theme.background,
        "axes.edgecolor": theme.muted,
        "axes.labelcolor": theme.ink,
        "grid.color": theme.grid,
        "grid.linewidth": 0.6,
        "text.color": theme.ink,
        "xtick.color": theme.muted,
        "xtick.labelcolor": theme.ink,
        "ytick.color": theme.muted,
        "ytick.labelcolor": theme.ink,
        "figure.facecolor": theme.background,
        "savefig.facecolor": theme.background,
        "legend.frameon": False,
        "legend.fontsize": 9.5,
    }


def drawn_twice(path: Path, height: float, draw: Callable[[Figure, Theme], None]) -> None:
    """Draw a picture of `height` inches in both themes: `path`, and its neighbour for the dark.

    Neither date nor version is written, and nobody's matplotlibrc is heard: equal figures give equal bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for theme, target in ((LIGHT, path), (DARK, dark_of(path))):
        with context(["default", _style(theme)]):
            chart = Figure(figsize=(WIDTH, height), dpi=_DPI)
            canvas = FigureCanvasAgg(chart)
            draw(chart, theme)
            canvas.draw()  # type: ignore[no-untyped-call]
            pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
            _few_colours(pixels).save(target, format="png")


def _few_colours(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return a picture of 128 colours, a third of the bytes in half the time; its corner keeps the very ground."""
    whole = Image.fromarray(pixels).convert("RGB")
    image = whole.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette, ground = image.getpalette() or [], image.getpixel((0, 0))
    assert isinstance(ground, int)  # noqa: S101 - a palette's picture holds places
    palette[3 * ground : 3 * ground + 3] = pixels[0, 0, :3].tolist()
    image.putpalette(palette)
    return image


def panels(
    chart: Figure, rows: int, columns: int, margins: tuple[float, float, float, float], gap: tuple[float, float]
) -> list[Axes]:
    """Return a grid of axes, row by row, placed in inches; nothing has to be measured to fit.

    `margins` are left, right, top and bottom of the picture, `gap` lies between columns and between rows.
    """
    width, height = chart.get_size_inches()
    left, right, top, bottom = margins
    across, down = gap
    wide = (width - left - right - across * (columns - 1)) / columns
    high = (height - top - bottom - down * (rows - 1)) / rows
    return [
        chart.add_axes(
            (
                (left + column * (wide + across)) / width,
                (height - top - (row + 1) * high - row * down) / height,
                wide / width,
                high / height,
            )
        )
        for row in range(rows)
        for column in range(columns)
    ]


def share_panel(axis: Axes, theme: Theme, title: str, labels: Sequence[str], ticks: Sequence[float] = TICKS) -> None:
    """Make `axis` a panel of rows, from the top down, over shares from 0 to 1; an empty label stays blank."""
    figure, place = axis.get_figure(root=True), axis.get_position()
    assert figure is not None  # noqa: S101 - it was added to one
    wide, high = place.size * figure.get_size_inches()
    bottom = len(labels) - 0.5
    axis.set_axis_off()
    axis.set(xlim=SHARES, ylim=(bottom, -0.5))
    axis.vlines(ticks, -0.5, bottom, colors=theme.grid, linewidths=0.7, zorder=0)
    axis.hlines([bottom], *SHARES, colors=theme.muted, linewidths=0.8, zorder=0)
    for tick in ticks:
        axis.text(tick, bottom + 0.06 * len(labels) / high, f"{tick:g}", ha="center", va="top")
    for row, label in enumerate(labels):
        if label:
            axis.text(SHARES[0] - 0.07 / wide, row, label, ha="right", va="center")
    axis.set_title(title, loc="left", y=1 + 0.06 / high)
