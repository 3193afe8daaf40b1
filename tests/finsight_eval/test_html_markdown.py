"""Markdown as HTML: our pages come out whole, and no markup of anybody else's comes alive."""

from __future__ import annotations

import re

import pytest

from finsight_eval.html.markdown import rendered
from finsight_eval.html.renderer import marked

PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = (
    '<picture><source media="(prefers-color-scheme: dark)" srcset="nano/loss-dark.png">'
    '<img alt="Loss &amp; rate" src="nano/loss.png"></picture>'
)
BOTH = {"nano/loss.png": PNG, "nano/loss-dark.png": PNG + b"dark"}


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# A `b`", '<h1 id="a-b">A <code>b</code></h1>'),
        ("## The gate's verdict", '<h2 id="the-gates-verdict">The gate\'s verdict</h2>'),
        ("| a |\n| ---: |\n| 0.5 [0.4, 0.6] |", '<td class="number figure">0.5 [0.4, 0.6]</td>'),
        ("| a |\n| --- |\n| pass |", '<td class="pass">pass</td>'),
        ("| a |\n| --- |\n| passed |", "<td>passed</td>"),
        ("| a |\n| --- |\n| n/a (not scored) |", '<td class="missing">n/a (not scored)</td>'),
        ("```text\n<b>\n```", '<pre tabindex="0"><code>&lt;b&gt;\n</code></pre>'),
        ("```text\n风险高\n```", '<pre lang="zh" tabindex="0"><code>风险高\n</code></pre>'),
        (
            "<details><summary>All: `x` &lt;b&gt;</summary>\n\n- y\n\n</details>",
            "<details><summary>All: <code>x</code> &lt;b&gt;</summary>\n<ul>\n<li>y</li>\n</ul>\n</details>\n",
        ),
        ("[a](nano/x.md) [b](#a) [c](https://x.org)", '<a href="https://x.org" rel="noopener noreferrer">c</a>'),
    ],
)
def test_what_a_report_writes_is_rendered(markdown: str, html: str) -> None:
    """Headings with GitHub's anchors, tables without style attributes, blocks, links."""
    assert html in rendered(markdown, {}).html


@pytest.mark.parametrize(
    "markdown",
    [
        "<script>alert(1)</script>",
        "a <b>b</b>",
        "<!-- c -->",
        "<details>\n<summary>x</summary>\n</details>",
        "<details><summary>never closed</summary>\n\nx",
        "never opened\n\n</details>",
        "</details>\n\n<details><summary>the wrong way round</summary>",
        "<details open><summary>x</summary>\n\n</details>",
        "<details><summary><b>x</b></summary>\n\n</details>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt:alert(1))",
        "[a](data:text/html,x)",
        "[a](vbscript:x)",
        "[a](//example.com/x)",
        "[a](/etc/passwd)",
        "<javascript:alert(1)>",
        "![x](https://example.com/x.png)",
        "text ![x](https://example.com/x.png)",
        PICTURE.replace("nano/loss.png", "https://example.com/x.png"),
        PICTURE.replace('alt="', 'onerror="alert(1)" alt="'),
        PICTURE + PICTURE,
    ],
)
def test_foreign_markup_stays_text(markdown: str) -> None:
    """Raw HTML is shown, not obeyed; a link to elsewhere than the web or the page is none; no picture from outside."""
    assert set(re.findall(r"<(\w+)", rendered(markdown, BOTH).html)) <= {"p"}


@pytest.mark.parametrize(
    ("line", "kept"),
    [("[A](#a) · [B](#b)", False), ("[A](#a) and [B](#b)", True), ("[A](#a) · [B](b.md)", True), ("[A](#a)", True)],
)
def test_the_line_of_contents_gives_way_to_the_pages_own(line: str, kept: bool) -> None:
    """What only lists the sections would be said twice; any other line of links stays."""
    assert ("<a " in rendered(f"# T\n\n{line}\n\n## A\n\n## B", {}).html) is kept


def test_a_picture_is_embedded_for_light_and_dark() -> None:
    """Both variants are in the page, each under its class; the name is read aloud once."""
    html = rendered(PICTURE, BOTH).html
    assert re.findall(r'<img class="(\w+)" alt="Loss &amp; rate" src="data:image/png;base64,[\w=+/]+">', html) == [
        "light",
        "dark",
    ]
    assert '<figcaption aria-hidden="true">Loss &amp; rate</figcaption>' in html


@pytest.mark.parametrize("markdown", ["![Loss](nano/loss.png)", PICTURE])
def test_a_picture_without_a_dark_variant_is_always_shown(markdown: str) -> None:
    """One variant is better than none on a dark page."""
    html = rendered(markdown, {"nano/loss.png": PNG}).html
    assert re.findall(r'<img class="(\w+)"', html) == ["always"]


def test_a_missing_picture_is_named() -> None:
    """The page says what it lacks instead of showing nothing."""
    assert "(Loss: the picture is not there)" in rendered("![Loss](nano/gone.png)", BOTH).html


def test_sections_are_listed_with_unique_anchors() -> None:
    """Second-level headings make the contents; equal titles get the numbers that GitHub gives them."""
    found = rendered("# T\n\n## A\n\n### A\n\n## A\n\n## 股东\n\n## !", {})
    assert (found.title, found.sections) == ("T", (("a", "A"), ("a-2", "A"), ("股东", "股东"), ("section", "!")))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("entity 恒岳电池, Low", 'entity <span lang="zh">恒岳电池</span>, Low'),
        ("股东受损，风险高。", '<span lang="zh">股东受损，风险高。</span>'),
        ("no Chinese <b>", "no Chinese &lt;b&gt;"),
    ],
)
def test_runs_of_chinese_are_marked(text: str, html: str) -> None:
    """Screen readers and fonts learn which words are Chinese; the rest stays as it is."""
    assert marked(text) == html
