r"""What a reasoning concludes in so many words, and whether the verdict after it says the same.

    concluded("margins shrink -> sentiment negative\nrisk high") -> Conclusion("Negative", "High")
    contradicts("orders fall -> owners lose, the risk is high", Answer(..., "Negative", "Low")) -> "risk high, not Low"

Only plain statements count: the dimension's name beside one of its labels ("sentiment: negative", "a low risk",
"风险高"). The last one stands; a negated or hedged one ("not negative", "high or medium risk") states nothing. Most
reasonings state neither, and then nothing is compared: silence is no contradiction.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final, NamedTuple

from finsight_eval.labels import RISK_WORDS, SENTIMENT_WORDS

if TYPE_CHECKING:
    from finsight_eval.parse import Answer

_MOODS: Final = "positive|neutral|negative|bullish|bearish|正面|积极|利好|中性|中立|负面|消极|利空"
_LEVELS: Final = "high|elevated|medium|moderate|low|较高|高|中等|中|较低|低"
_LINK: Final = (
    r"(?:\s*(?:is|as|level|remains|stays|assessed|rated|therefore|thus|:|=|->|→|为|是|等级|级别|水平|偏|较)\s*)*\s*"
)
#: A label that belongs to another word states nothing: "high-risk loans", "高风险债券", "风险中性".
_ENDS: Final = r"(?=\s*(?:$|[.,;:!?)\]>\n、。→-]|and\b|but\b|because\b|as\b|since\b|given\b))"
_SENTIMENT: Final = (
    re.compile(rf"\b(?:overall |net )?sentiment\b{_LINK}\b({_MOODS})\b"),
    re.compile(rf"\b({_MOODS}) sentiment\b"),
    re.compile(rf"(?:情绪|情感|情感倾向){_LINK}({_MOODS})"),
)
_RISK: Final = (
    re.compile(rf"\b(?:downside )?risk\b{_LINK}\b({_LEVELS})\b"),
    re.compile(rf"\b({_LEVELS}) (?:downside )?risk\b{_ENDS}"),
    re.compile(rf"(?:下行)?风险{_LINK}({_LEVELS}){_ENDS}"),
    re.compile(rf"({_LEVELS})(?:下行)?风险{_ENDS}"),
)
#: What makes a statement none: a negation or an alternative just before it, an alternative just after it.
_UNSAID_BEFORE: Final = re.compile(
    r"(?:\bnot?|n't|\bnever|\bwithout|\bor|\bfrom|\brather than|\bless|\bif|\bhad|[不非无未若或从])\W*(?:\w+\W+)?$"
)
_UNSAID_AFTER: Final = re.compile(r"^\W{0,2}(?:or|to|than|if|unless|或|至|到)\b|^[或至到/]|^/")


class Conclusion(NamedTuple):
    """The labels that a reasoning states, None for what it does not state."""

    sentiment: str | None
    risk_level: str | None


def concluded(thinking: str) -> Conclusion:
    """Return the last plain statement of each label in `thinking`."""
    text = unicodedata.normalize("NFKC", thinking).casefold()
    return Conclusion(_last(text, _SENTIMENT, SENTIMENT_WORDS), _last(text, _RISK, RISK_WORDS))


def _last(text: str, patterns: tuple[re.Pattern[str], ...], words: dict[str, str]) -> str | None:
    said = [
        (match.end(), words[match[1]])
        for pattern in patterns
        for match in pattern.finditer(text)
        if not _UNSAID_BEFORE.search(text[max(0, match.start() - 24) : match.start()])
        and not _UNSAID_AFTER.match(text[match.end() : match.end() + 8])
    ]
    return max(said)[1] if said else None


def contradicts(thinking: str, answer: Answer) -> str:
    """Return what the reasoning states and the verdict does not, in words; "" where they agree or nothing is stated."""
    stated = concluded(thinking)
    pairs = (("sentiment", stated.sentiment, answer.sentiment), ("risk", stated.risk_level, answer.risk_level))
    return ", ".join(f"{name} {said}, not {given}" for name, said, given in pairs if said and said != given)
