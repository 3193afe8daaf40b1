"""Hostile replies: a million of them, the worst shapes at growing length, and nothing accepted that should not be."""

from __future__ import annotations

import json
import random
import re
import time
from itertools import islice
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finsight_eval import parse as strict_reading
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.lenient import parse_lenient
from finsight_eval.parse import CLOSE, OPEN, Answer, Unparsed, parse, render
from finsight_eval.schema import KEYS, conforms
from tests.finsight_eval.authority import VALIDATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

THOUGHT = "<thinking>orders fall -> owners lose</thinking>\n"
GOOD = '{"entity": "Halden Motors", "sentiment": "Negative", "risk_level": "High"}'
PIECES = (
    *(
        THOUGHT,
        THOUGHT + GOOD,
        GOOD,
        GOOD[:-1],
        GOOD.replace('"', "'"),
        GOOD.replace("}", ",}"),
        "<thinking>",
        "</thinking>",
    ),
    *(
        "<think>",
        "</think>",
        "<THINKING>",
        "{",
        "}",
        "{{",
        '{"',
        "[",
        "]",
        '"',
        "'",
        "“",
        "”",
        ":",
        "：",
        ",",
        "\\",
        '\\"',
    ),
    *(
        "\\ud800",
        "\ud800",
        "\udfff",
        "\u202e",
        "\u200f",
        "\x00",
        "\x1b[31m",
        "\u2028",
        "\ufeff",
        "```json\n",
        "```",
        "//",
        "/*",
    ),
    *(
        "entity",
        '"sentiment": ',
        '"risk_level": ',
        "sentiment:",
        "risk:",
        "Positive",
        "利好",
        "高风险",
        "null",
        "NaN",
        "-1e999",
    ),
    *(" ", "\n", "好", "é", "9", "<script>", "|", "<|im_end|>"),
)


def hostile_replies(seed: int) -> Iterator[str]:
    """Yield short replies without end: pieces in any order, every other one a sound reply that was cut or spliced."""
    rng = random.Random(seed)
    sound = THOUGHT + GOOD
    while True:
        made = "".join(rng.choices(PIECES, k=rng.randrange(1, 7)))
        yield made
        place = rng.randrange(len(sound))
        yield sound[:place] + made[:12] + sound[place + rng.randrange(4) :]


def checked(reply: str) -> bool:
    """Read `reply` both ways, hold what is accepted against schema and round trip, and tell whether it was accepted."""
    strict = parse(reply)
    lenient = parse_lenient(reply, strict)
    if not isinstance(strict, Answer):
        return False
    assert lenient == strict
    assert VALIDATOR.is_valid(json.loads(reply.partition(CLOSE)[2].strip())), reply
    assert parse(render(strict)) == strict, reply
    return True


def test_a_million_hostile_replies_are_read_without_an_exception() -> None:
    """None raises, none hangs; every accepted one keeps the schema and comes back from rendering as it was."""
    accepted = sum(checked(reply) for reply in islice(hostile_replies(20_261_123), 1_000_000))
    assert accepted > 1_000  # the mutations do not merely break everything


TEXT = st.text(max_size=8) | st.sampled_from(PIECES)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from([*SENTIMENTS, *RISK_LEVELS]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
NEAR = st.fixed_dictionaries(
    {
        "entity": TEXT | VALUES,
        "sentiment": st.sampled_from(SENTIMENTS) | VALUES,
        "risk_level": st.sampled_from(RISK_LEVELS) | VALUES,
    }
)
OBJECTS = NEAR | st.dictionaries(st.sampled_from(KEYS) | TEXT, VALUES, max_size=4)


@given(OBJECTS)
@example({"entity": "A", "sentiment": "Positive", "risk_level": "Low"})
@example({"entity": "\x1f\u3000", "sentiment": "Positive", "risk_level": "Low"})
@example({"entity": "A", "sentiment": "Positive", "risk_level": "Low", "more": 1})
def test_the_fast_check_is_the_schema(value: dict[str, Any]) -> None:
    """What `conforms` says of an object is what jsonschema says of it, both ways."""
    assert conforms(value) == VALIDATOR.is_valid(value)


@given(
    OBJECTS, st.sampled_from([(", ", ": "), (",", ":"), (",\n", ":\t")]), st.booleans(), st.sampled_from(["", " ", "x"])
)
def test_strict_accepts_an_object_exactly_where_the_schema_does(
    value: dict[str, Any], separators: tuple[str, str], ascii_only: bool, after: str
) -> None:
    """Whatever its spacing and escapes; half a surrogate pair, which no file holds, is refused besides."""
    reply = THOUGHT + json.dumps(value, separators=separators, ensure_ascii=ascii_only) + after
    entity = value.get("entity")
    whole = not (isinstance(entity, str) and re.search("[\ud800-\udfff]", entity))
    no_tags = OPEN not in reply.removeprefix(THOUGHT) and CLOSE not in reply.removeprefix(THOUGHT)
    accepted = VALIDATOR.is_valid(value) and whole and no_tags and not after.strip()
    assert isinstance(parse(reply), Answer) == accepted
    checked(reply)


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
@example(THOUGHT + GOOD.replace("Halden Motors", "\ud800"))
@example(THOUGHT + GOOD.replace("Halden Motors", " "))
def test_the_shortcut_for_plain_objects_changes_no_reading(reply: str) -> None:
    """With and without the pattern that spares the decoder, every reply is read the same."""
    for text in (reply, THOUGHT + reply, THOUGHT + GOOD.replace("Halden Motors", reply)):
        short = parse(text)
        with mock.patch.object(strict_reading, "_PLAIN", re.compile("(?!)")):
            assert parse(text) == short


UNITS = (
    *(
        "{",
        "}",
        "{}",
        "[",
        '"',
        "'",
        "\\",
        '\\"',
        '{"',
        '{"a":',
        '{"a":[',
        '{"a":"}","b":',
        '{"a":"}{","":',
        "{/*",
        "{//\n",
    ),
    *("<thinking>", "</thinking>", "<think", "```json\n", "\u202e", "\x00", "\ud800", "好", " ", "9", "“:", "\\ud83d"),
    *(GOOD, GOOD.replace("}", ",}"), GOOD.replace('"', "'"), "sentiment: risk: ", '{"sentiment": "a, "risk": '),
)
BEGINNINGS = ("", THOUGHT, THOUGHT + '{"entity": "', '{"sentiment": "x", "risk": "y", ')


def seconds(reply: str) -> float:
    """Return the least processor time of three readings, strict and lenient together."""
    took = []
    for _ in range(3):
        started = time.process_time()
        assert isinstance(parse(reply), Unparsed)
        parse_lenient(reply)
        took.append(time.process_time() - started)
    return min(took)


@pytest.mark.parametrize("unit", UNITS, ids=[repr(unit)[:20] for unit in UNITS])
def test_reading_time_grows_no_faster_than_the_reply(unit: str) -> None:
    """Four times the length takes at most some four times as long, whatever the reply is made of."""
    for beginning in BEGINNINGS:
        short, long = (beginning + unit * (size // len(unit)) for size in (100_000, 400_000))
        # A constant stands for the bounded work of the repair and for what timers cannot tell apart.
        assert seconds(long) <= 8 * seconds(short) + 0.2, beginning


def test_the_worst_that_can_be_repaired_is_bounded() -> None:
    """Broken objects just short enough to be repaired, as many as are looked at, take little over a second."""
    for unit in ("“:", ":“", "\nhttp://#", "é:("):
        body = '{"sentiment": "x", "risk": "y", ' + unit * 1_000
        assert seconds((body[:990] + "}") * 8) < 3
