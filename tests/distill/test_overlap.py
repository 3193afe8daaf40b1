"""Training texts that are benchmark items are found, headlines of six words included; others are left in peace."""

from __future__ import annotations

import random
import time

import pytest

from distill.overlap import Index, Reference
from finsight_eval.exposing.similar import grams, normal

HEADLINE = "Acme cuts its outlook for 2027"
LONG = (
    "Borealis Rail said on Tuesday that flooding closed its northern line for three weeks. "
    "The company expects a charge of 40 million and keeps its dividend."
)
CHINESE = "恒岳电池公告称，最大客户提前终止供货协议，该客户去年贡献了约四成的收入。"
INDEX = Index([Reference("news", "h", HEADLINE), Reference("news", "l", LONG), Reference("news", "z", CHINESE)])


@pytest.mark.parametrize(
    ("text", "item", "kind"),
    [
        (HEADLINE, "h", "equal"),
        ("ACME cuts its outlook, for ２０２７!", "h", "equal"),
        (f"Markets today: {HEADLINE}; shares fall 9% in early trading across the region.", "h", "contained"),
        ("flooding closed its northern line for three weeks", "l", "contained"),
        (LONG.replace("40 million", "45 million").replace("Tuesday", "Monday"), "l", "near"),
        ("Acme cuts its full-year outlook for 2027", "h", "near"),
        (CHINESE.replace("四成", "三成"), "z", "near"),
        (f"快讯：{CHINESE}", "z", "contained"),
    ],
)
def test_overlap_is_found(text: str, item: str, kind: str) -> None:
    """Equal, contained and reworded texts are attributed to the item they come from."""
    match = INDEX.closest(text)
    assert (match.reference.item, match.kind) == (item, kind)
    assert match.share >= 0.6


@pytest.mark.parametrize(
    "text",
    [
        "Delphi Foods raises its dividend after a calm quarter",
        "Acme opens a plant in the harbour district and hires 200 people.",
        "The company expects a charge and will say more in spring, its chair told shareholders at the meeting.",
        "恒岳电池宣布在南方新建工厂，预计两年后投产，总投资由自有资金承担。",
        "利好",
        "!!!",
        "",
    ],
)
def test_other_news_is_left_alone(text: str) -> None:
    """Another story stays, also where it shares a company or a stock phrase with an item."""
    assert INDEX.closest(text).share < 0.6


def test_equal_item_is_named_before_one_that_contains_it() -> None:
    """Of two items that share all grams the record names the closer one."""
    index = Index([Reference("a", "long", f"{HEADLINE} and more"), Reference("b", "same", HEADLINE)])
    assert index.closest(HEADLINE)[0].item == "same"


def test_share_is_that_of_the_shorter_text() -> None:
    """The index computes |A and B| / min(|A|, |B|) over the sets of 5-grams."""
    text = "Borealis Rail keeps its dividend, it said on Tuesday."
    mine, theirs = grams(normal(text)), grams(normal(LONG))
    assert INDEX.closest(text).share == pytest.approx(len(mine & theirs) / min(len(mine), len(theirs)), abs=1e-4)


def test_thousands_of_pairs_take_seconds() -> None:
    """1,200 texts against 1,000 items are compared in a few seconds."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghij", k=5)) for _ in range(2000)]
    texts = [" ".join(rng.choices(words, k=40)) for _ in range(2200)]
    started = time.monotonic()
    index = Index([Reference("s", str(n), text) for n, text in enumerate(texts[:1000])])
    assert all(index.closest(text).share < 0.6 for text in texts[1000:])
    assert index.closest(texts[7]).reference.item == "7"
    assert time.monotonic() - started < 10
