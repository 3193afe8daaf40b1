"""Figures in a text: percentages with what they measure, and a result against the number that had been expected.

"profit rose 12% to $52.0 million, against the $55.1 million that analysts had forecast"  ->  gap -0.056
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from distill.teacher.text import Span

_PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)\s?(?:%|％|per ?cent\b|pc\b)|百分之([一二三四五六七八九十]+)")
#: What a share price did says nothing of the size of a loss.
_PRICE: Final = re.compile(
    r"""\b(?:shares?|stock|pre-?market|after-hours|gain\ of|holders|investors\ celebrated)\b
    |\bbid\ [\ue000-\uf8ff]\ (?:up|down)|\bmarked\ [\ue000-\uf8ff]
    |股价|股票|午盘|盘前|盘后|收盘|收高|收低|涨幅|跌幅|持有人|投资者""",
    re.VERBOSE,
)
#: Nor does what grew or shrank against the past.
_BEFORE: Final = re.compile(
    r"""\b(?:from|than)\ a\ year\ (?:before|ago|earlier)|past\ quarter|last\ quarter|year-on-year
    |looking\ back|looks?\ back|同比|上季度|上一季|刚过去|回头看|较上年""",
    re.VERBOSE,
)
_UNITS: Final = {
    "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "m": 1e6, "mln": 1e6, "billion": 1e9, "bn": 1e9, "b": 1e9,
    "crore": 1e7, "lakh": 1e5, "trillion": 1e12, "万": 1e4, "亿": 1e8, "万亿": 1e12, "": 1.0,
}  # fmt: skip
_AMOUNT: Final = re.compile(
    r"""(?:(?P<currency>us\$|[$€£¥₹]|\brs\.?\ ?|\beur\ ?|\busd\ ?|\bsek\ ?)\s?)?
    (?P<number>\d[\d,]*(?:\.\d+)?|\.\d+)
    \s?(?P<unit>thousand|million|billion|trillion|crore|lakh|mln|mn|bn|[kmb]\b|万亿|亿|万)?
    (?P<tail>\s?(?:元|港元|美元|%|percent|per\ share|cents))?""",
    re.VERBOSE,
)
_EXPECTED: Final = re.compile(
    r"""consensus|expect(?:ed|ations?)|estimates?|forecasts?\b|pencilled\ in|looked\ for|street
    |analysts?\ (?:had|were)|polled|预期|预测|等着""",
    re.VERBOSE,
)
#: Where less is better.
_BURDEN: Final = re.compile(r"\b(?:net loss|loss per share|operating loss|loss of|costs?|churn|debt)\b|净亏损|亏损")
#: Words that turn from the expected number to the reported one.
_TURN: Final = re.compile(r"\b(?:and was|brought|earned|closed)\b|实际|看到|给出")


class Percent(NamedTuple):
    """A percentage of the text: its place, its value, and whether it moves a share price or looks back."""

    start: int
    end: int
    value: float
    price: bool
    past: bool


def percents(masked: str, clauses: tuple[Span, ...]) -> list[Percent]:
    """Return the percentages of a masked text in order."""
    found = []
    for match in _PERCENT.finditer(masked):
        clause = next((c for c in clauses if c.start <= match.start() < c.end), Span(0, len(masked)))
        around = masked[clause.start : clause.end]
        value = float(match.group(1)) if match.group(1) else 10.0 * len(match.group(2) or "")
        found.append(
            Percent(match.start(), match.end(), value, bool(_PRICE.search(around)), bool(_BEFORE.search(around)))
        )
    return found


class Gap(NamedTuple):
    """A result against what was expected: the two numbers' places in the masked text, and reported / expected - 1."""

    reported: Span
    expected: Span
    ratio: float


class _Amount(NamedTuple):
    span: Span
    value: float
    kind: str


def _amounts(masked: str, sentence: Span) -> list[_Amount]:
    found = []
    for m in _AMOUNT.finditer(masked, sentence.start, sentence.end):
        tail = (m["tail"] or "").strip()
        percent = tail in {"%", "percent"}
        if not (m["currency"] or m["unit"] or tail) or percent:
            continue
        try:
            value = float(m["number"].replace(",", "")) * _UNITS[m["unit"] or ""]
        except ValueError:
            continue
        found.append(_Amount(Span(m.start(), m.end()), value, "share" if tail in {"per share", "cents"} else "money"))
    return found


def gap_in(masked: str, sentence: Span) -> Gap | None:
    """Return the comparison that one sentence makes, or None where it makes none."""
    amounts = _amounts(masked, sentence)
    marker = _EXPECTED.search(masked, sentence.start, sentence.end)
    if len(amounts) < 2 or marker is None:
        return None
    # The expected number stands nearest to its marker; "of" and "的是" lead from the marker to it.
    ranked = sorted(amounts, key=lambda a: _distance(masked, marker, a))
    expected = ranked[0]
    others = [
        a
        for a in amounts
        if a is not expected and a.kind == expected.kind and 0.05 < a.value / max(expected.value, 1e-9) < 20
    ]
    if not others or expected.value == 0:
        return None
    reported = min(others, key=lambda a: abs(a.span.start - expected.span.start))
    ratio = reported.value / expected.value - 1
    if _BURDEN.search(masked, sentence.start, sentence.end):
        ratio = -ratio
    return Gap(reported.span, expected.span, round(ratio, 6))


def _distance(masked: str, marker: re.Match[str], amount: _Amount) -> float:
    """Return how far an amount is from the marker; a comma or a full clause between them counts as far."""
    if amount.span.start >= marker.end():
        between = masked[marker.end() : amount.span.start]
    else:
        between = masked[amount.span.end : marker.start()]
    return len(between) + 40 * len(re.findall(r"[,，;；]", between)) + 25 * len(_TURN.findall(between))
