"""The strict reading: what keeps the contract, and for everything else the one reason from the closed list."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finsight_eval.lenient import parse_lenient
from finsight_eval.parse import Answer, Reason, Unparsed, parse, render
from tests.finsight_eval.authority import VALIDATOR

GOOD = '{"entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}'
THOUGHT = "<thinking>\nGPT-5 -> more computing -> more orders\n</thinking>\n"
ANSWER = Answer("GPT-5 -> more computing -> more orders", "NVIDIA", "Positive", "Low")

ACCEPTED = {
    "the contract's own example": THOUGHT + GOOD,
    "white space around it": f"\n  {THOUGHT}\n\n{GOOD}\n \n",
    "no white space at all": THOUGHT.strip().replace("\n", "") + GOOD,
    "keys in another order": THOUGHT + '{"risk_level": "Low", "sentiment": "Positive", "entity": "NVIDIA"}',
    "white space inside the JSON": THOUGHT + json.dumps(json.loads(GOOD), indent=2),
    "the entity padded": THOUGHT + GOOD.replace('"NVIDIA"', '" NVIDIA "'),
    "braces in the reasoning": THOUGHT.replace("GPT-5", "GPT-5 {draft}") + GOOD,
}


@pytest.mark.parametrize("reply", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_reply_that_keeps_the_contract_is_an_answer(reply: str) -> None:
    """White space and key order are free; nothing else is."""
    answer = parse(reply)
    assert isinstance(answer, Answer)
    assert (answer.entity, answer.sentiment, answer.risk_level) == ("NVIDIA", "Positive", "Low")


def test_rendering_and_parsing_are_inverse() -> None:
    """A rendered answer is read back unchanged, Chinese and quotes included."""
    for entity in ("NVIDIA", "宁德时代", 'The "A" Co', "back\\slash", "new\nline"):
        answer = Answer("因 -> 果", entity, "Neutral", "Medium")
        assert parse(render(answer)) == answer


REFUSED = [
    ("", Reason.EMPTY),
    (" \n\t", Reason.EMPTY),
    (GOOD, Reason.NO_THINKING),
    ("<think>x</think>" + GOOD, Reason.NO_THINKING),
    ("<Thinking>x</Thinking>" + GOOD, Reason.NO_THINKING),
    ("1. NVIDIA will rise. 2. Risk is low.", Reason.NO_THINKING),
    ("Sure! " + THOUGHT + GOOD, Reason.TEXT_BEFORE_THINKING),
    (GOOD + THOUGHT, Reason.TEXT_BEFORE_THINKING),
    ("<thinking>GPT-5 -> more", Reason.TRUNCATED),
    (THOUGHT + '{"entity": "NVID', Reason.TRUNCATED),
    (THOUGHT + '{"entity": "NVIDIA", "sentiment": "Positive"', Reason.TRUNCATED),
    (THOUGHT + '{"entity": "NVIDIA",', Reason.TRUNCATED),
    (THOUGHT + "{", Reason.TRUNCATED),
    (THOUGHT + THOUGHT + GOOD, Reason.SEVERAL_THINKING),
    ("<thinking>a<thinking>b</thinking>" + GOOD, Reason.SEVERAL_THINKING),
    (THOUGHT + GOOD + "</thinking>", Reason.SEVERAL_THINKING),
    ("<thinking></thinking>" + GOOD, Reason.EMPTY_THINKING),
    ("<thinking> \n </thinking>" + GOOD, Reason.EMPTY_THINKING),
    (THOUGHT, Reason.NO_JSON),
    (THOUGHT + "NVIDIA, Positive, Low", Reason.NO_JSON),
    (THOUGHT + "```json\n" + GOOD + "\n```", Reason.FENCED_JSON),
    (THOUGHT + "Answer: " + GOOD, Reason.TEXT_BEFORE_JSON),
    (THOUGHT + "[" + GOOD + "]", Reason.NOT_AN_OBJECT),
    (THOUGHT + GOOD.replace('"', "'"), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace("}", ",}"), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace('"Low"', "NaN"), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace("NVIDIA", "NVI\nDIA"), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace("NVIDIA", "\\ud800"), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace('"NVIDIA"', '{"a":' * 100_000), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace('"NVIDIA"', "9" * 10_000), Reason.MALFORMED_JSON),
    (THOUGHT + GOOD.replace("}", ', "sentiment": "Negative"}'), Reason.DUPLICATE_KEY),
    (THOUGHT + GOOD.replace("}", ', "sentiment": "Positive"}'), Reason.DUPLICATE_KEY),
    (THOUGHT + '{"entity": "NVIDIA", "sentiment": "Positive"}', Reason.MISSING_KEY),
    (THOUGHT + "{}", Reason.MISSING_KEY),
    (THOUGHT + GOOD.replace("risk_level", "risk"), Reason.MISSING_KEY),
    (THOUGHT + GOOD.replace("}", ', "confidence": 0.9}'), Reason.UNKNOWN_KEY),
    (THOUGHT + GOOD.replace('"Low"', "1"), Reason.WRONG_TYPE),
    (THOUGHT + GOOD.replace('"Low"', "null"), Reason.WRONG_TYPE),
    (THOUGHT + GOOD.replace('"NVIDIA"', '["NVIDIA"]'), Reason.WRONG_TYPE),
    (THOUGHT + GOOD.replace("NVIDIA", "  "), Reason.EMPTY_ENTITY),
    (THOUGHT + GOOD.replace("Positive", "Bullish"), Reason.UNKNOWN_LABEL),
    (THOUGHT + GOOD.replace("Positive", "positive"), Reason.UNKNOWN_LABEL),
    (THOUGHT + GOOD.replace("Low", "None"), Reason.UNKNOWN_LABEL),
    (THOUGHT + GOOD + GOOD, Reason.SEVERAL_OBJECTS),
    (THOUGHT + GOOD + "\nI hope this helps.", Reason.TEXT_AFTER_JSON),
    (THOUGHT + GOOD + ".", Reason.TEXT_AFTER_JSON),
]


@pytest.mark.parametrize(("reply", "reason"), REFUSED, ids=[f"{i}-{r}" for i, (_, r) in enumerate(REFUSED)])
def test_a_reply_that_breaks_the_contract_has_its_reason(reply: str, reason: Reason) -> None:
    """Each way of breaking the contract is counted under its own name."""
    assert parse(reply) == Unparsed(reason)


def test_every_reason_is_reached() -> None:
    """A reason that nothing leads to would be a lie in the report's table."""
    assert {reason for _, reason in REFUSED} == set(Reason)


PIECES = ["<thinking>", "</thinking>", "{", "}", '"', ":", ",", "\\", "entity", GOOD, " ", "好", "\ud800", "```"]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join))
def test_no_reply_makes_the_parsers_raise(reply: str) -> None:
    """Hostile replies are read or refused, and whatever is accepted validates against the schema."""
    strict, lenient = parse(reply), parse_lenient(reply)
    if isinstance(strict, Answer):
        assert lenient == strict
        verdict = {"entity": strict.entity, "sentiment": strict.sentiment, "risk_level": strict.risk_level}
        assert VALIDATOR.is_valid(verdict)


@pytest.mark.parametrize("piece", ["{", "<thinking>", "</thinking>", '{"', "```", "[", GOOD])
def test_a_reply_of_a_megabyte_takes_no_longer_than_its_length(piece: str) -> None:
    """One megabyte of the worst pieces is read in well under two seconds by both parsers."""
    reply = THOUGHT + piece * (1_000_000 // len(piece))
    started = time.perf_counter()
    assert isinstance(parse(reply), Unparsed)
    parse_lenient(reply)
    assert time.perf_counter() - started < 2
