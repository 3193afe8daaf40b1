"""The HTML page: whole, equal to the last byte each time, and deaf to whatever a text in it says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finsight_eval import gate, manifest, report, score
from finsight_eval.escape import fenced, inline, visible
from finsight_eval.html import page as html_page_module
from finsight_eval.html.items import LONGEST, items
from finsight_eval.html.page import html_page
from finsight_eval.jsonl import write_bytes
from finsight_eval.records import PublicItem
from tests.finsight_eval.html_run import HOSTILE, plain_run, run_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item, make_run

MARKDOWN = "# FinSight report: `nano`\n\n## Figures\n\n| a | b |\n| --- | ---: |\n| x | 1 |\n\n![Loss](nano/loss.png)\n"
PICTURES = {"nano/loss.png": b"\x89PNG"}
#: Element -> the attributes that it may carry on the page.
ALLOWED = {
    "html": {"lang"},
    "meta": {"charset", "http-equiv", "content", "name"},
    "link": {"rel", "href"},
    "script": {"type", "id"},
    "a": {"class", "href", "rel"},
    "nav": {"aria-label"},
    "button": {"type", "id", "hidden"},
    "main": {"id", "tabindex"},
    "section": {"id", "aria-labelledby"},
    "p": {"id"},
    "div": {"id", "hidden", "class", "role", "tabindex", "aria-label"},
    "th": {"scope", "class"},
    "td": {"class"},
    "pre": {"lang", "tabindex"},
    "span": {"lang"},
    "img": {"class", "alt", "src"},
    "figcaption": {"aria-hidden"},
    **{f"h{level}": {"id"} for level in range(1, 7)},
    **{name: set() for name in ("head", "title", "style", "body", "ul", "ol", "li", "table", "thead", "tbody", "tr")},
    **{name: set() for name in ("code", "figure", "details", "summary", "strong", "em", "blockquote", "hr", "br")},
}
#: The web, a place on the page, the empty icon, or a file beside the page.
_HARMLESS = re.compile(r"https?://|#|data:,$|(?!//|/)[^:]*$")


class Elements(HTMLParser):
    """Every element of a page with its attributes, and what its scripts and styles hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem in self.inside:
            self.inside[self.cdata_elem][-1] += data


def part(name: str) -> str:
    return (files("finsight_eval") / "html" / name).read_text(encoding="utf-8")


def check(page: str) -> dict[str, Any]:
    """Assert that a page consists of our own elements, scripts and styles, and return the data in it."""
    parsed = Elements(page)
    for tag, attributes in parsed.found:
        assert tag in ALLOWED, tag
        assert set(attributes) <= ALLOWED[tag], (tag, attributes)
        assert _HARMLESS.match(attributes.get("href") or "#"), attributes
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,")
    script, data = parsed.inside["script"]
    assert (script, parsed.inside["style"]) == (part("theme.js") + part("table.js"), [part("style.css")])
    assert not re.search(r"[<>&\u2028\u2029]", data)
    shown = page.replace("\u2060", "")  # the word joiner by which `inline` unmakes links
    assert visible(shown) == shown
    found: dict[str, Any] = json.loads(data)
    return found


def test_the_page_is_what_the_markdown_says_and_all_items() -> None:
    """Title, contents, rendered text and one row of data per item and task."""
    run = plain_run(12, ("finsight", "finsight_en"))
    page = html_page(run, MARKDOWN, PICTURES)
    data = check(page)
    assert data == items(run)
    assert [task["name"] for task in data["tasks"]] == ["finsight", "finsight_en"]
    assert len(data["items"]) == 24
    assert "<title>FinSight report: nano</title>" in page
    assert '<li><a href="#figures">Figures</a></li>' in page


def test_the_policy_admits_our_script_and_style_and_nothing_else() -> None:
    """The hashes are those of the blocks as they stand in the page; nothing inline, nothing from elsewhere."""
    page = html_page(plain_run(1), MARKDOWN, PICTURES)
    parsed = Elements(page)
    policy = next(a["content"] for tag, a in parsed.found if tag == "meta" and "http-equiv" in a)
    rules = dict(rule.split(" ", 1) for rule in (policy or "").split("; "))
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(parsed.inside[kind][0].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
    assert (rules["default-src"], rules["img-src"]) == ("'none'", "data:")
    assert "unsafe" not in (policy or "")


def test_the_script_writes_text_and_never_markup() -> None:
    """No way from a string to an element: the table is built of elements and text nodes."""
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|srcdoc", part("table.js")
    )


def test_rendering_twice_gives_the_same_bytes() -> None:
    """A page is a function of the run, the Markdown and the pictures."""
    assert html_page(plain_run(9), MARKDOWN, PICTURES) == html_page(plain_run(9), MARKDOWN, PICTURES)


def test_other_peoples_texts_stay_out() -> None:
    """Of a public set the page holds labels and marks, neither the text nor replies, which may quote it."""
    item = PublicItem("tfns-1", "en", "Somebody wrote this.", "Somebody", "Positive")
    page = html_page(run_of([item], lambda _item, _model: "<thinking>Somebody wrote this.</thinking>"), MARKDOWN, {})
    row = check(page)["items"][0]
    assert (row["text"], row["entity"], row["answers"][0]["reply"]) == (None, None, None)
    assert "Somebody" not in page


def hostile_page(text: str) -> str:
    """Return a page on which `text` stands wherever a text of others can stand."""
    item = make_item(0, text=text, entity=text, aliases=(text,), sector=text, event=text, features=(text,), id=text)
    markdown = f"# {inline(text)}\n\n## {inline(text)}\n\n| {inline(text)} |\n| --- |\n\n{fenced(text)}\n\n{text}\n"
    return html_page(run_of([item], lambda _item, _model: text), markdown, PICTURES)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_element_and_no_attribute(text: str) -> None:
    """In news, replies, ids and even in raw Markdown: the page's elements, attributes and scripts stay ours."""
    if not all(c.isprintable() or c == "\n" for c in text):  # raw Markdown is ours and holds no such character
        page = html_page(run_of([make_item(0, text=text)], lambda _item, _model: text), fenced(text), PICTURES)
    else:
        page = hostile_page(text)
    check(page)


_FRAGMENTS = [
    *HOSTILE,
    *"<>&\"'`\\/-!$[]()#|*_~\n ",
    "script",
    "</",
    "style",
    "<!--",
    "-->",
    "]]>",
    "javascript:",
    "\\u003c",
]


@given(st.lists(st.sampled_from(_FRAGMENTS) | st.text(max_size=4), max_size=12).map("".join))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_combination_of_hostile_text_gets_through(text: str) -> None:
    """Whatever is put together of ends, starts, quotes and unseen characters: only our elements, only our scripts."""
    encoded = text.encode("utf-8", "replace").decode()
    item = make_item(0, text=encoded, entity=encoded, id=encoded)
    markdown = f"# {inline(encoded)}\n\n{fenced(encoded)}\n\n| {inline(encoded)} |\n| --- |\n"
    check(html_page(run_of([item], lambda _item, _model: encoded), markdown, PICTURES))


@given(st.lists(st.sampled_from(_FRAGMENTS), max_size=12).map("".join))
@settings(max_examples=150, deadline=None)
def test_raw_hostile_markdown_brings_in_no_element(text: str) -> None:
    """Should an escape ever be forgotten in the Markdown, the page still consists of what Markdown can make."""
    page = html_page(plain_run(1), text, PICTURES)
    for tag, attributes in Elements(page).found:
        assert set(attributes) <= ALLOWED.get(tag, set()) | {"start", "title"}, (tag, attributes)
        assert _HARMLESS.match(attributes.get("href") or "#"), attributes


def test_a_megabyte_is_cut_and_says_so() -> None:
    """A runaway reply costs the page no more than 20,000 characters, and no more than a moment."""
    text = "</script><b>" * 90_000
    began = time.process_time()
    page = html_page(run_of([make_item(0, text=text)], lambda _item, _model: text), fenced(text), {})
    assert time.process_time() - began < 5
    row = check(page)["items"][0]
    assert row["text"].endswith("(cut: 1,080,000 characters in all)")
    assert len(row["answers"][0]["reply"]) < LONGEST + 100


def test_many_items_are_written_in_time() -> None:
    """5,000 items of three models: a second or so, not minutes."""
    made = [make_item(number) for number in range(5_000)]
    replies = {item.id: gold_reply(item) for item in made}
    reply: Any = lambda item, _model: replies[item.id]  # noqa: E731
    run = run_of(made, reply)
    began = time.process_time()
    page = html_page(run, MARKDOWN, PICTURES)
    assert time.process_time() - began < 10
    assert len(check(page)["items"]) == 5_000


def test_the_report_writes_the_page_beside_the_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file with every picture in it; a changed style makes a new page, nothing else does."""

    def draw(_run: object, folder: Path) -> list[str]:
        for name in ("loss.png", "loss-dark.png"):
            write_bytes(folder / name, b"\x89PNG")
        return ["loss.png"]

    monkeypatch.setattr(report, "draw", draw)
    run = make_run(tmp_path, monkeypatch, sizes=(30, 40))
    assert (score.main(["--recipe", "nano"]), gate.main(["--recipe", "nano", "--exit-zero"])) == (0, 0)
    assert report.main(["--recipe", "nano"]) == 0
    page = tmp_path / "reports" / "nano.html"
    once = page.read_text(encoding="utf-8")
    assert len(check(once)["items"]) == 70
    assert re.findall('<img class="(\\w+)"', once) == ["light", "dark"]
    made = (run / "report" / manifest.NAME).read_bytes()
    assert report.main(["--recipe", "nano"]) == 0
    assert (run / "report" / manifest.NAME).read_bytes() == made
    monkeypatch.setattr(html_page_module, "_part", lambda name: part(name).replace("#14171c", "#000000"))
    assert report.main(["--recipe", "nano"]) == 0
    assert "#000000" in page.read_text(encoding="utf-8")
