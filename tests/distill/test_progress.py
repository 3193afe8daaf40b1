"""The line that says how far a run is: true at every moment, rewritten on a terminal, a plain log elsewhere."""

from __future__ import annotations

import pytest

from distill import recipe as recipes
from distill.progress import Progress
from distill.purse import Purse
from distill.window import Window

USAGE = {"usage": {"prompt_tokens": 400, "completion_tokens": 50}}


def state(answered: int, failed: int, total: int) -> Progress:
    progress = Progress("generate", total)
    for _ in range(answered):
        progress.answered(USAGE)
    for _ in range(failed):
        progress.failed()
    return progress


@pytest.mark.parametrize(
    ("answered", "failed", "seconds", "words"),
    [
        (0, 0, 5.0, ["generate 0/1,200, 0 failed", "no answer yet"]),
        (300, 100, 10.0, ["400/1,200, 100 failed", "40.0/s", "135k tokens", "of 2.00 USD", "20 s left"]),
        (1, 0, 60.0, ["1/1,200", "450 tokens", "19 h 59 min left"]),
        (12, 0, 6.0, ["12/1,200", "9 min 54 s left"]),
    ],
)
def test_line_tells_rate_tokens_spend_and_time_left(
    answered: int, failed: int, seconds: float, words: list[str]
) -> None:
    """All that the line says follows from what was counted."""
    purse = Purse(recipes.load("nano"), budget=2.0)
    line = state(answered, failed, 1200).line(Window(64), purse, seconds)
    assert all(word in line for word in words), line


def test_line_says_why_the_window_is_smaller() -> None:
    """Under loss the line names the trouble and the recipe's limit; in good weather it names neither."""
    progress, window, purse = state(5, 0, 10), Window(64), Purse(recipes.load("nano"))
    assert "0 of 64 in flight," in progress.line(window, purse, 1.0)
    progress.trouble = "HTTP 429"
    for epoch in [window.sent() for _ in range(64)]:
        window.came(epoch, lost=True)
    assert "0 of 32 in flight (of 64: HTTP 429)" in progress.line(window, purse, 1.0)


@pytest.mark.parametrize("terminal", [True, False])
def test_terminal_line_rewrites_itself_and_a_log_does_not(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log holds whole lines and no control character."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    state(3, 0, 3).close(Window(4), Purse(recipes.load("nano")))
    said = capsys.readouterr().err
    assert ("\r\x1b[K" in said) == terminal
    assert said.endswith("\n")
