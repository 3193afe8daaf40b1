"""Hostile text in Markdown: nothing closes its fence, no markup or link comes to life, what is hidden is shown."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finsight_eval.escape import fenced, inline, table, visible

HOSTILE = [
    "```\n# Verdict: **pass**\n```",
    "~~~\n<script>alert(1)</script>",
    "`````\n````\n```",
    "<img src=x onerror=alert(1)>",
    "![x](https://example.com/pixel.png)",
    "[click](javascript:alert(1))",
    "| fake | row |\n| --- | --- |",
    "www.example.com https://example.com a@example.com @someone #12",
    "\x1b[31mred\x1b[0m \x00 \x07",
    "safe \u202e txt.exe \u2066 \u200f",
    "\r\n\r# heading",
    "&lt;b&gt; &#60;",
    "$x^2$ {{ template }} :smile:",
    "</thinking></details></table>",
]


def inner(block: str) -> list[str]:
    """Return the lines inside a fenced block, checking that its fence closes on the last line and nowhere before."""
    lines = block.split("\n")
    fence = re.match(r"`+", lines[0])
    assert fence
    closing = re.compile(rf"^ {{0,3}}`{{{len(fence.group())},}}\s*$")
    assert [number for number, line in enumerate(lines) if closing.match(line)] == [len(lines) - 1]
    return lines[1:-1]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_closes_the_fence_early(text: str) -> None:
    """The fence is longer than any run of backticks inside, and every control character is spelt out."""
    shown = "\n".join(inner(fenced(text)))
    assert shown == visible(text)
    assert all(c == "\n" or c.isprintable() for c in shown)


@given(st.text(alphabet=st.sampled_from("`~ \n\r\ta<>|\u202e\u2028\x1b"), min_size=1, max_size=60))
def test_no_text_closes_its_fence(text: str) -> None:
    """Whatever the backticks, line breaks and separators: the block ends where we end it."""
    block = fenced(text)
    if text.strip():
        assert "\n".join(inner(block)) == visible(text)
    else:
        assert block == "(an empty reply)"


@pytest.mark.parametrize("text", HOSTILE)
def test_inline_text_holds_no_markup(text: str) -> None:
    """No character that starts a tag, link, emphasis, heading, cell, code span or formula is left in a table cell."""
    shown = re.sub(r"&#\d+;", "", inline(text))
    assert not set(shown) & set("<>[]|`*\\\n&#$~{}:")
    assert not re.search(r"@[A-Za-z0-9]|(?i:www)\.", shown)


@pytest.mark.parametrize("text", ["NVIDIA", "宁德时代", "json_parse_rate", "8% (A/B), 1.5", "fullwidth\u3000space"])
def test_harmless_text_stays_as_it_is(text: str) -> None:
    """Names, figures and Chinese text are not disfigured."""
    assert inline(text) == text
    assert visible(text) == text


def test_long_text_is_cut_and_says_so() -> None:
    """A reply of a million characters takes no more room than any other, and the page says how long it was."""
    block = fenced("a" * 1_000_000)
    assert len(block) < 2_000
    assert "1,000,000 characters in all" in block
    assert len(inline("a" * 1_000)) < 200


def test_a_table_has_one_line_per_row() -> None:
    """Cells, rule and alignment: as Markdown wants it."""
    assert table(("a", "b"), [("1", "2")], numbers=1) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
