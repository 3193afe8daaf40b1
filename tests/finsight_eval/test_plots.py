"""The report's pictures: legible in both themes, nothing clipped, no label that breaks them."""

from __future__ import annotations

import itertools
import re
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.text import Text
from PIL import Image

from finsight_eval.plotting.answers import Bar, draw_confusions, draw_reasons, drawn_reasons
from finsight_eval.plotting.intervals import Panel, Slice, draw_intervals, draw_slices
from finsight_eval.plotting.plots import DARK, LIGHT, WIDTH, Theme
from finsight_eval.plotting.training import draw_training
from finsight_eval.plotting.value import Bar as ShareBar
from finsight_eval.plotting.value import draw_costs, draw_shares
from finsight_eval.reporting.reliability import Share
from finsight_eval.reporting.tables import METRIC_TITLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = 880  # pixels that GitHub gives a page
FIGURE = {"value": 1.0, "low": 0.9, "high": 1.0, "n": 320}
MISSING = {"value": None, "low": None, "high": None, "n": 0}
MODELS = ("base", "adapter", "teacher")
TITLES = [f"Hand-written news, Chinese, n {n}" for n in (1, 22_222, 333)]


def intervals(path: Path) -> None:
    figures: dict[str, dict[str, Any]] = {
        model: {**dict.fromkeys(METRIC_TITLES, FIGURE), "risk_accuracy": MISSING} for model in MODELS
    }
    draw_intervals(path, [Panel(title, figures, {"sentiment_f1": 0.2}) for title in TITLES], METRIC_TITLES)


def slices(path: Path) -> None:
    names = {name: METRIC_TITLES[name] for name in ("sentiment_f1", "risk_accuracy", "json_parse_rate")}
    whole, hostile = "two steps away ever (n 12,345)", r"恒岳 $\frac{1}{$ <b> (n 11)"
    rows = [Slice("Distance in the supply chain"), *(Slice(t, dict.fromkeys(names, FIGURE)) for t in (whole, hostile))]
    draw_slices(path, rows, dict.fromkeys(names, 0.8), names, {"sentiment_f1": 0.2})


def confusions(path: Path) -> None:
    table = {"rows": ["Positive", "Neutral", "Negative"], "columns": ["Positive", "Neutral", "Negative", "no answer"]}
    counts = [[99_999, 0, 0, 0]] * 3
    draw_confusions(
        path, {model: {key: {**table, "counts": counts} for key in ("sentiment", "risk_level")} for model in MODELS}
    )


def reasons(path: Path) -> None:
    counts = {f"several thinking blocks {n}": n for n in range(1, 10)}
    draw_reasons(path, [Bar("Financial PhraseBank: adapter", 12_345, counts), Bar("Hand-written news: base", 10, {})])


def shares(path: Path) -> None:
    bars = [ShareBar("differ: teacher right", Share(12_345, 22_345, 0.5, 0.6), "teacher")]
    draw_shares(path, {title: [*bars, ShareBar("agree", Share(0, 0, None, None), "both")] for title in TITLES})


def costs(path: Path) -> None:
    seconds = {"base": 0.02, "adapter": 40_000.0, "teacher": 5.0}
    labels = {**dict.fromkeys(seconds, "adapter"), "teacher": "teacher (1,234.56 USD per 1,000)"}
    draw_costs(path, seconds, labels, {title: {"adapter": FIGURE, "base": MISSING} for title in TITLES})


def training(path: Path) -> None:
    losses = [{"step": n, "loss": 12.345 / n} for n in range(1, 5000, 7)]
    devs = [
        {"step": n, "n": 80 * n, "json_parse_rate": 1.0, "sentiment_f1": 0.5, "risk_accuracy": None} for n in (10, 4000)
    ]
    draw_training(path, losses, devs)


DRAWERS: list[Callable[[Path], None]] = [intervals, slices, confusions, reasons, shares, costs, training]


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool, float]]:
    """Collect every text that is drawn: what it says, whether it lies within the picture, its size in points."""
    found: list[tuple[str, bool, float]] = []
    draw = Text.draw

    def noted(text: Text, renderer: Any, *arguments: Any, **named: Any) -> None:
        draw(text, renderer, *arguments, **named)
        figure = text.get_figure(root=True)
        if text.get_text() and text.get_visible() and figure:
            whole, box = figure.bbox, text.get_window_extent(renderer)
            inside = whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1
            found.append((text.get_text(), inside, float(text.get_fontsize())))

    monkeypatch.setattr(Text, "draw", noted)
    return found


@pytest.mark.parametrize("draw", DRAWERS)
def test_no_label_is_clipped_or_small(draw: Callable[[Path], None], tmp_path: Path, texts: list[Any]) -> None:
    """Every text lies within its picture and is shown with at least 9 pt (12 px), the longest labels too."""
    draw(tmp_path / "picture.png")
    assert texts
    assert [text for text, inside, _ in texts if not inside] == []
    assert min(size for *_, size in texts) / 72 * PAGE / WIDTH >= 12


@pytest.mark.parametrize("draw", DRAWERS)
def test_each_picture_is_drawn_for_light_and_dark_and_twice_alike(draw: Callable[[Path], None], tmp_path: Path) -> None:
    """Two files of one size on the page's own ground; drawn again they are equal to the last byte; no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(tmp_path / "a.png")
        draw(tmp_path / "b.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-dark.png", "a.png", "b-dark.png", "b.png"]
    for suffix, theme in (("", LIGHT), ("-dark", DARK)):
        assert (tmp_path / f"a{suffix}.png").read_bytes() == (tmp_path / f"b{suffix}.png").read_bytes()
        with Image.open(tmp_path / f"a{suffix}.png") as image:
            assert image.width >= PAGE
            assert image.convert("RGB").getpixel((0, 0)) == rgb(theme.background)
            assert "Software" not in image.info


def rgb(colour: str) -> tuple[int, ...]:
    assert re.fullmatch(r"#[0-9a-f]{6}", colour)
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def contrast(first: str, second: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2)."""
    lights = []
    for colour in (first, second):
        parts = [(c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4) for c in rgb(colour)]
        lights.append(0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2])
    return (max(lights) + 0.05) / (min(lights) + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_colours_stand_out_from_their_ground(theme: Theme) -> None:
    """Text at 4.5 to 1, marks at 3 to 1, as the Web's guidelines ask; no two models share a colour."""
    assert contrast(theme.ink, theme.background) >= 4.5
    assert contrast(theme.muted, theme.background) >= 4.5
    for colour in (*theme.models.values(), theme.good, theme.bad):
        assert contrast(colour, theme.background) >= 3
    assert not [pair for pair in itertools.combinations(theme.models.values(), 2) if pair[0] == pair[1]]


def test_rare_reasons_are_drawn_together() -> None:
    """The most frequent reasons have a colour each; what is left is one, so that the colours never run out."""
    few, many = {f"r{n}": 9 - n for n in range(6)}, {f"r{n}": 20 - n for n in range(12)}
    assert drawn_reasons([Bar("x", 99, few)]) == list(few)
    assert drawn_reasons([Bar("x", 999, many)]) == [*list(many)[:6], "other reasons"]
    assert drawn_reasons([Bar("x", 9, {})]) == []
