"""The labels of the answer contract, and the words that the lenient reading takes for them.

    label_of("bullish", SENTIMENT_WORDS) -> "Positive"      label_of("高风险", RISK_WORDS) -> "High"

The strict reading knows only the six labels themselves. The tables below serve the lenient figure, which is reported
beside the strict one and never instead of it.
"""

from __future__ import annotations

import unicodedata
from typing import Final, Literal, get_args

Sentiment = Literal["Positive", "Neutral", "Negative"]
RiskLevel = Literal["High", "Medium", "Low"]

SENTIMENTS: Final[tuple[str, ...]] = get_args(Sentiment)
#: From the worst to the mildest: the position serves as the rank in the ordinal agreement (quadratic kappa).
RISK_LEVELS: Final[tuple[str, ...]] = get_args(RiskLevel)

_SENTIMENT_SYNONYMS = {
    "Positive": "positive bullish optimistic favourable favorable good upbeat 正面 积极 利好 看多 看涨 乐观 正向 偏多",
    "Neutral": "neutral mixed balanced unchanged 中性 中立 持平 无影响 多空均衡",
    "Negative": "negative bearish pessimistic unfavourable unfavorable bad 负面 消极 利空 看空 看跌 悲观 负向 偏空",
}
_RISK_SYNONYMS = {
    "High": "high severe elevated critical significant substantial extreme 高 较高 很高 极高 重大 严重",
    "Medium": "medium moderate mid middle intermediate 中 中等 适中 一般 中度",
    "Low": "low minor minimal limited negligible none no slight 低 较低 很低 极低 轻微 有限 无",
}
#: Words that carry no level of their own: "High risk", "风险等级: 高", "very bullish".
_FILLERS = (
    *("sentiment", "outlook", "level", "risk", "very", "slightly", "strongly", "somewhat"),
    *("风险", "等级", "水平", "情绪", "级"),
)


def _table(synonyms: dict[str, str]) -> dict[str, str]:
    return {word: label for label, words in synonyms.items() for word in words.split()}


SENTIMENT_WORDS: Final = _table(_SENTIMENT_SYNONYMS)
RISK_WORDS: Final = _table(_RISK_SYNONYMS)


def label_of(value: str, words: dict[str, str]) -> str | None:
    """Return the label that `value` stands for, or None where it names none or more than one ("Medium/High")."""
    plain = unicodedata.normalize("NFKC", value).casefold().strip(" \t\r\n.,;:!?*_`'\"。，；：！“”‘’()（）[]【】")
    if plain in words:
        return words[plain]
    for filler in _FILLERS:
        plain = plain.replace(filler, " ")
    found = {words.get(word) for word in plain.replace("-", " ").replace(":", " ").split()}
    return found.pop() if len(found) == 1 else None
