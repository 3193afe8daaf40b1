"""Grounding: what the reasoning claims must stand in the news."""

from __future__ import annotations

import random
import re
import time
import unicodedata

import pytest

from finsight_eval.grounding import grounding

#: What words, numbers, sentences and wide forms are made of, and what they are taken for by mistake.
PIECES = [
    *"aAbZ12059&-'’.,;:(>% \n", "Nvidia", "NVIDIA", "nvidia's", "GPT-5", "q3", "iPhone", "1,200.50", "İ", "\u212a", "é",
    "e\u0301", "ß", "９", "Ａ", "，", "％", "中国", "٣", "\ud800", "①", "’s", "'S", "->", "—", " The ", "\u3000",
]  # fmt: skip
NEWS = "OpenAI announced GPT-5, and NVIDIA's stock jumped 8% to $1,200.50 in New York."


@pytest.mark.parametrize(
    ("reasoning", "share"),
    [
        ("GPT-5 lifts demand -> NVIDIA gains 8%", 1.0),
        ("GPT-5 lifts demand -> AMD gains 8%", 2 / 3),
        ("GPT-5 lifts demand -> NVIDIA gains 9%", 2 / 3),
        ("a price of 1200.5 dollars", 1.0),
        ("Demand rises. Orders follow.\nMargins grow -> Good for all", None),
        ("the shares trade in New York and in Tokyo", 2 / 3),
        ("英伟达上涨8%，OpenAI发布新模型", 1.0),
        ("英伟达上涨９%", 0.0),
        ("", None),
    ],
)
def test_grounding_is_the_share_of_claims_that_the_news_contains(reasoning: str, share: float | None) -> None:
    """Invented figures and names lower the share; opening words are no names; without claims there is no figure."""
    assert grounding(reasoning, NEWS) == (share if share is None else pytest.approx(share))


def plainly(reasoning: str, news: str) -> float | None:
    """Return the grounding as its definition reads: all words of both texts, one after the other."""
    claims = numbers_in(reasoning) | {plain for word, plain, opens in words_in(reasoning) if is_name(word, opens)}
    known = numbers_in(news) | {plain for _, plain, _ in words_in(news)}
    return len(claims & known) / len(claims) if claims else None


def numbers_in(text: str) -> set[str]:
    found = re.findall(r"(?<![A-Za-z\d])(?<![A-Za-z]-)\d+(?:,\d{3})*(?:\.\d+)?", unicodedata.normalize("NFKC", text))
    plain = [number.replace(",", "") for number in found]
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in plain}


def words_in(text: str) -> list[tuple[str, str, bool]]:
    """Return (word, how it is compared, whether it opens a sentence or a step)."""
    text = unicodedata.normalize("NFKC", text)
    opening = re.compile(r"(?:^|[.!?;:\n\"“(>→*•\-–—]|->|\d[.)])\s*$")
    found = []
    for match in re.finditer(r"[A-Za-z][A-Za-z0-9&\-]*(?:['’][A-Za-z]+)?", text):
        plain = re.sub(r"['’]s?$", "", match[0]).casefold().strip("-&")
        found.append((match[0], plain, bool(opening.search(text, max(0, match.start() - 4), match.start()))))
    return found


def is_name(word: str, opens: bool) -> bool:
    stem = re.split(r"['’]", word)[0]
    emphatic = len(stem) > 1 and re.search(r"[A-Z0-9]", stem[1:]) is not None
    return emphatic or (word[0].isupper() and not opens)


def test_the_short_cuts_change_no_share() -> None:
    """Looking at words with a capital or a digit only, and for the claims only, gives what all words would give."""
    rng = random.Random(4)
    for _ in range(3_000):
        reasoning = "".join(rng.choices(PIECES, k=rng.randrange(20)))
        news = "".join(rng.choices(PIECES, k=rng.randrange(20))) + rng.choice(["", " "]) + reasoning[rng.randrange(9) :]
        assert grounding(reasoning, news) == plainly(reasoning, news), (reasoning, news)


@pytest.mark.parametrize("piece", ["a'", "A", "-", "a-", "1a", "A b ", "aB", "，９", "A-'"])
def test_a_reply_of_a_megabyte_takes_seconds(piece: str) -> None:
    """Whatever a hostile reply repeats, time grows with its length, not with the square of it."""
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    grounding(text, text)
    assert time.process_time() - started < 20
