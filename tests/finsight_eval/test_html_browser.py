"""The HTML page in a real browser: it sorts, filters and opens, fits a phone, asks for nothing and obeys no text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval.escape import fenced, inline
from finsight_eval.html.page import html_page
from tests.finsight_eval.browser import Browser, Page, executable
from tests.finsight_eval.html_run import HOSTILE, plain_run, run_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = executable()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium or Chrome on this machine")

WIDE = " | ".join(f"a column of some width {number}" for number in range(12))
MARKDOWN = f"""# FinSight report: `nano`

## Figures

| {WIDE} |
|{" --- |" * 12}
| {WIDE} |

{fenced("x" * 900)}

[{"y" * 200}](#figures) {"z" * 300} {inline("股东受损" * 60)}
"""
IDS = "[...document.querySelectorAll('.items td > button')].map(one => one.textContent)"
COUNT = "document.querySelector('[role=status]').textContent"
OPEN = "document.querySelectorAll('tr.detail').length"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests here."""
    assert PROGRAM
    with Browser(PROGRAM, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of 120 items in two tasks."""
    path = tmp_path_factory.mktemp("page") / "nano.html"
    path.write_text(html_page(plain_run(60, ("finsight", "finsight_en")), MARKDOWN, {}), encoding="utf-8")
    return path


def search(page: Page, words: str) -> Any:
    page.enter("input[type=search]", words, "input")
    return page.value(f"new Promise(done => setTimeout(() => done({COUNT}), 400))")


def test_a_column_sorts_up_down_and_back(browser: Browser, report: Path) -> None:
    """Labels go by their meaning, not by the alphabet; the third click gives the benchmark's order back."""
    page = browser.open(report)
    risks = "[...document.querySelectorAll('.items tr.item > td:nth-child(4)')].map(one => one.textContent)"
    before = page.value(risks)
    ranks = ["Low", "Medium", "High"]
    state = "document.querySelectorAll('.items th')[3].getAttribute('aria-sort')"
    for wanted, up in (("ascending", True), ("descending", False)):
        page.click(".items th button", 3)
        found = [ranks.index(one) for one in page.value(risks)]
        assert (found, page.value(state)) == (sorted(found, reverse=not up), wanted)
        assert found[0] == (0 if up else 2)
    page.click(".items th button", 3)
    assert (page.value(risks), page.value(state)) == (before, "none")


@pytest.mark.parametrize(
    ("label", "value", "count"),
    [
        ("task", "1", 60),
        ("language", "zh", 24),
        ("gold sentiment", "Neutral", 40),
        ("gold risk", "High", 42),
        ("base", "unreadable", 120),
        ("base", "right", 0),
        ("adapter", "wrong", 30),
        ("teacher", "right", 120),
        ("adapter against base", "fixed", 90),
        ("adapter against base", "broken", 0),
    ],
)
def test_a_filter_keeps_what_it_names(browser: Browser, report: Path, label: str, value: str, count: int) -> None:
    """Every filter counts what it leaves, and Clear gives everything back."""
    page = browser.open(report)
    labels = page.value("[...document.querySelectorAll('.filters label')].map(one => one.firstChild.data)")
    page.enter(f".filters label:nth-child({labels.index(label) + 1}) select", value, "change")
    assert page.value(COUNT).startswith(f"{count} of 120 items")
    page.click(".filters button")
    assert page.value(COUNT) == "120 of 120 items, 1 to 50 shown"


@pytest.mark.parametrize(
    ("words", "count"),
    [("company 33", 2), ("COMPANY 33 rose", 2), ("远山12", 2), ("no such words", 0), ("news-en-003", 2), ("guess", 30)],
)
def test_the_search_reads_ids_news_and_replies(browser: Browser, report: Path, words: str, count: int) -> None:
    """All words must occur, in whatever case; Chinese is found, too."""
    assert search(browser.open(report), words).startswith(f"{count} of 120 items")


def test_pages_turn(browser: Browser, report: Path) -> None:
    """50 items at a time, the rest behind Next; the ends are ends."""
    page = browser.open(report)
    first = page.value(IDS)
    page.click(".pager button", 1)
    page.click(".pager button", 1)
    assert page.value(COUNT) == "120 of 120 items, 101 to 120 shown"
    assert page.value("[...document.querySelectorAll('.pager button')].map(one => one.disabled)") == [False, True]
    page.click(".pager button", 0)
    page.click(".pager button", 0)
    assert page.value(IDS) == first


def test_a_row_opens_by_keyboard(browser: Browser, report: Path) -> None:
    """Enter on an item's button shows the news and three replies, and again hides them; the focus stays."""
    page = browser.open(report)
    page.value("document.querySelector('.items td > button').focus()")
    page.press("Enter", 13)
    assert page.value(OPEN) == 1
    assert page.value("document.querySelector('.detail .news').textContent").startswith("Company 0 said")
    assert page.value("document.querySelectorAll('.detail pre').length") == 3
    assert page.value("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.press("Enter", 13)
    assert page.value(OPEN) == 0


@pytest.mark.parametrize(
    ("fragment", "task"),
    [
        ("#item=news-en-059", "Hand-written news"),
        ("#item=news-en-059&task=finsight_en", "Hand-written news, English"),
    ],
)
def test_a_link_leads_to_its_item(browser: Browser, report: Path, fragment: str, task: str) -> None:
    """The item is on screen, opened and focused, also where it stands on a later page."""
    page = browser.open(report, fragment=fragment)
    assert page.value("document.activeElement.textContent") == "news-en-059"
    assert page.value("document.activeElement.closest('tr').children[8].textContent") == task
    place = page.value("document.activeElement.getBoundingClientRect().top")
    assert (page.value(OPEN), 0 < place < 900) == (1, True)


def test_a_link_to_no_item_changes_nothing(browser: Browser, report: Path) -> None:
    """An id that is not there leaves the table as it is."""
    page = browser.open(report, fragment="#item=news-en-999")
    assert (page.value(OPEN), page.value(COUNT)) == (0, "120 of 120 items, 1 to 50 shown")


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_never_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    """Wide tables, long words and opened rows keep to their own boxes, on a phone as on a desktop."""
    page = browser.open(report, width=width)
    page.click(".items td > button", 2)
    assert page.value("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.value("document.querySelector('tr.detail > td > div').getBoundingClientRect().right") <= width


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Browser, report: Path) -> None:
    """Dark where the system is dark; the button changes it, and says to what."""
    colour = "getComputedStyle(document.body).backgroundColor"
    button = "document.getElementById('page.theme').textContent"
    light, dark = browser.open(report), browser.open(report, dark=True)
    assert (light.value(colour), light.value(button)) == ("rgb(255, 255, 255)", "Dark theme")
    assert (dark.value(colour), dark.value(button)) == ("rgb(20, 23, 28)", "Light theme")
    light.click("nav button")
    assert (light.value(colour), light.value(button)) == ("rgb(20, 23, 28)", "Light theme")
    light.click("nav button")
    assert light.value(colour) == "rgb(255, 255, 255)"
    light.value("localStorage.clear()")


def test_nothing_is_asked_for_and_nothing_complains(browser: Browser, report: Path) -> None:
    """No request, no dialog, no error and no message, through a whole visit."""
    page = browser.open(report)
    page.click(".items td > button", 1)
    page.click(".items th button", 5)
    search(page, "company")
    assert page.noise() == []


def test_a_script_that_is_not_ours_does_not_run(browser: Browser, tmp_path: Path) -> None:
    """The policy holds in the browser: the nearest negative, a script smuggled into the file, is refused."""
    page_text = html_page(plain_run(2), MARKDOWN, {})
    path = tmp_path / "tampered.html"
    path.write_text(page_text.replace("</main>", "<script>window.fired = 1</script></main>"), encoding="utf-8")
    page = browser.open(path)
    assert page.value("window.fired === undefined")
    assert any("Content Security Policy" in noise for noise in page.noise())


def test_hostile_texts_do_nothing_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    """Every hostile text in every place, all rows open and searched: no dialog, no request, no foreign element."""
    made = [make_item(n, text=text, entity=text, id=f"{n} {text}", features=(text,)) for n, text in enumerate(HOSTILE)]
    replies = {item.id: gold_reply(item) + item.text for item in made}
    markdown = "# T\n\n" + "\n\n".join(f"{inline(text)}\n\n{fenced(text)}" for text in HOSTILE)
    path = tmp_path / "hostile.html"
    page_text = html_page(run_of(made, lambda item, _model: replies[item.id]), markdown, {})
    path.write_text(page_text, encoding="utf-8")
    page = browser.open(path)
    for number in range(len(made)):
        page.click(".items td > button", number)
    assert page.value(OPEN) == len(made)
    assert search(page, "</script>").startswith("3 of")
    assert page.value("window.fired === undefined")
    assert page.value("document.querySelectorAll('img, iframe, svg, form, base, picture, [onerror]').length") == 0
    assert page.value("document.scripts.length") == 2
    assert page.noise() == []


def test_without_scripts_the_report_is_readable(browser: Browser, report: Path) -> None:
    """Text, tables and contents are there; in place of the table of items stands a note."""
    page = browser.open(report, scripts=False)
    shown = page.value("document.body.innerText")
    assert "a column of some width 11" in shown
    assert "needs JavaScript" in shown
    assert "needs JavaScript" not in browser.open(report).value("document.body.innerText")


def test_many_items_stay_quick(browser: Browser, tmp_path: Path) -> None:
    """10,000 items: a search, a sort and a filter answer within a second each."""
    made = [make_item(number) for number in range(10_000)]
    replies = {item.id: gold_reply(item) for item in made}
    path = tmp_path / "many.html"
    path.write_text(html_page(run_of(made, lambda item, _model: replies[item.id]), MARKDOWN, {}), encoding="utf-8")
    page = browser.open(path)
    timed = "(() => {{ const began = performance.now(); {}; return performance.now() - began; }})()"
    assert search(page, "company 7778").startswith("1 of 10,000 items")
    assert page.value(timed.format("document.querySelectorAll('.items th button')[0].click()")) < 1_000
    assert page.value(timed.format("document.querySelector('.filters button').click()")) < 1_000
