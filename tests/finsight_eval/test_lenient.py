"""The lenient reading: what can be defended, and its nearest neighbour that cannot."""

from __future__ import annotations

import pytest

from finsight_eval.labels import RISK_WORDS, SENTIMENT_WORDS, label_of
from finsight_eval.lenient import parse_lenient
from finsight_eval.parse import Answer, Unparsed

GOOD = '{"entity": "ACME", "sentiment": "Negative", "risk_level": "High"}'

READ = [
    f"```json\n{GOOD}\n```",
    f"Here you are: {GOOD} Hope it helps!",
    f"<think>because</think>{GOOD}",
    f"<thinking>no end {GOOD.replace(' ', '')}",
    GOOD.replace('"', "'"),
    GOOD.replace("}", ",}"),
    GOOD[:-1],
    GOOD.replace("Negative", "bearish").replace("High", "high risk"),
    '{"Entity": "ACME", "Sentiment": "NEGATIVE", "Risk Level": "High"}',
    '{"实体": "ACME", "情绪": "利空", "风险等级": "高"}',
    '{"entity": "ACME", "sentiment": "看空", "risk": "高风险", "confidence": 0.9}',
    f"{GOOD}\n{GOOD}",
    f'{{"note": "draft"}} {GOOD}',
    f"<thinking>because {GOOD}</thinking>",
    f"because</think>{GOOD}",
    f'{{"answer": {GOOD}}}',
    GOOD.replace("}", ', "why": "a } or a { in a text"}'),
    GOOD.replace("}", ', "name": "another name for it"}'),
    GOOD.replace("}", ', "entity": "ACME"}'),
    GOOD.replace('"ACME"', '"ACME", "note": "the "big" order"'),
    f"{GOOD}\n}}",
    GOOD.replace('"', "“", 1).replace('"', "”", 1),
    GOOD.replace("Negative", "负面情绪"),
]


@pytest.mark.parametrize("reply", READ)
def test_a_defensible_reply_is_read(reply: str) -> None:
    """Fences, broken quotes, synonyms and other keys do not hide what the model knows."""
    answer = parse_lenient(reply)
    assert isinstance(answer, Answer)
    assert (answer.entity, answer.sentiment, answer.risk_level) == ("ACME", "Negative", "High")


UNREAD = [
    "",
    "Sentiment is clearly negative.",
    GOOD + GOOD.replace("Negative", "Positive"),
    GOOD.replace("Negative", "Positive or Negative"),
    GOOD.replace("High", "Medium/High"),
    GOOD.replace("Negative", "unclear"),
    '{"entity": "ACME", "sentiment": "Negative"}',
    GOOD.replace("ACME", " "),
    GOOD.replace('"Negative"', '["Negative"]'),
    "{" * 5000 + GOOD,
    f"<thinking>because {GOOD}</thinking>Now I am not so sure.",
    GOOD.replace("}", ', "sentiment": "Positive"}'),
    GOOD.replace("}", ', "Sentiment": "Positive",}'),
    f'{{"first": {GOOD}, "second": {GOOD.replace("High", "Low")}}}',
    f"{{'name': 'a torn draft {GOOD}",
    "sentiment: Negative, risk_level: High, entity: ACME",
]


@pytest.mark.parametrize("reply", UNREAD, ids=range(len(UNREAD)))
def test_what_would_be_a_guess_stays_unread(reply: str) -> None:
    """Two verdicts, a label for two classes, or a missing key are no answer."""
    assert isinstance(parse_lenient(reply), Unparsed)


@pytest.mark.parametrize(
    ("said", "words", "label"),
    [
        ("Positive", SENTIMENT_WORDS, "Positive"),
        (" bullish. ", SENTIMENT_WORDS, "Positive"),
        ("very bearish", SENTIMENT_WORDS, "Negative"),
        ("利好", SENTIMENT_WORDS, "Positive"),
        ("中性", SENTIMENT_WORDS, "Neutral"),
        ("not positive", SENTIMENT_WORDS, None),
        ("positive, negative", SENTIMENT_WORDS, None),
        ("", SENTIMENT_WORDS, None),
        ("High", RISK_WORDS, "High"),
        ("medium-high", RISK_WORDS, None),
        ("风险等级：中", RISK_WORDS, "Medium"),
        ("ＬＯＷ", RISK_WORDS, "Low"),
        ("5/10", RISK_WORDS, None),
    ],
)
def test_a_synonym_names_one_label_or_none(said: str, words: dict[str, str], label: str | None) -> None:
    """A label word is read through case, width and filler words; two labels at once are none."""
    assert label_of(said, words) == label
