"""Mending, continuing, asking again: what is a matter of form and what is not, and the questions that follow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from distill import answers, generate
from distill import recipe as recipes
from distill.conclusion import concluded
from distill.follow_up import DIRECT_TOKENS, every
from distill.reading import CUT_OFF, How, Said, chains, direct_answer, read_chain
from distill.repair import repaired
from finsight_eval import prompt
from finsight_eval.parse import Answer, Reason, parse, render
from finsight_eval.records import News
from tests.distill.conftest import replaced
from tests.distill.mock_teacher import MockTeacher, Say, completion

if TYPE_CHECKING:
    from distill.asking import Ask
    from tests.distill.conftest import House
    from tests.distill.mock_teacher import Ask as Heard

RECIPE = recipes.load(str(Path(__file__).resolve().parents[2] / "distill/recipes/finsight-7b.yaml"))
NEWS = News("n-1", "en", "Orders fall at Halden.")
ANSWER = Answer("orders fall -> owners lose", "Halden", "Negative", "High")
GOOD = render(ANSWER)
OBJECT = GOOD.partition("</thinking>\n")[2]
HEAD = GOOD.partition("</thinking>\n")[0] + "</thinking>\n"


@pytest.mark.parametrize(
    ("reply", "mended"),
    [
        (HEAD + f"```json\n{OBJECT}\n```", True),
        (HEAD + f"Here is the verdict: {OBJECT}", True),
        (GOOD + "\nHope this helps!", True),
        ("Sure!\n" + GOOD, True),
        (GOOD.replace("<thinking>", "<think>").replace("</thinking>", "</think>"), True),
        (GOOD.replace('"High"', '"high"').replace('"Negative"', '"NEGATIVE"'), True),
        (GOOD.replace('"High"}', '"High",}'), True),
        (GOOD.replace('"High"}', '"High"'), True),
        (GOOD.replace('"', "'"), True),
        (GOOD.replace("risk_level", "Risk_Level"), True),
        (HEAD + OBJECT.replace("{", "{\n").replace(", ", ",\n"), False),  # strict JSON as it is: nothing to mend
        (GOOD.replace('"High"', '"Severe"'), False),
        (GOOD.replace('"Negative"', '"bearish"'), False),
        (GOOD.replace('"Negative"', '"利空"'), False),
        (GOOD.replace('"High"', '"Medium/High"'), False),
        (GOOD.replace('"High"', '"very high"'), False),
        (GOOD.replace('"High"}', '"Hi'), False),
        (HEAD + '{"sentiment": "Negative", "risk_level": "High", "entity": "Hal', False),
        (HEAD + OBJECT + OBJECT.replace("High", "Low"), False),
        (GOOD.replace('"risk_level": "High"', '"risk_level": "High", "confidence": 0.9'), False),
        (HEAD + '{"entity": "Halden", "sentiment": "Negative"}', False),
        (OBJECT, False),
        (GOOD.replace("orders fall -> owners lose", " "), False),
        (GOOD.replace("</thinking>", ""), False),
        (f"<thinking>first</thinking>{GOOD}", False),
        ("", False),
    ],
)
def test_only_the_form_is_mended(reply: str, mended: bool) -> None:
    """What is mended is the answer as it was meant, label for label; what would have to be guessed is not."""
    found = repaired(reply)
    if parse(reply) == ANSWER:
        assert found in {None, ANSWER}
    else:
        assert found == (ANSWER if mended else None)


@pytest.mark.parametrize(
    ("said", "how"),
    [
        ([Said("reasoned", 0, GOOD, "stop")], How.AS_GIVEN),
        ([Said("reasoned", 0, GOOD, None)], How.AS_GIVEN),
        ([Said("reasoned", 0, f"Sure! {GOOD}", "stop")], How.REPAIRED),
        ([Said("reasoned", 0, GOOD[:20], "length"), Said("continue", 0, GOOD[20:], "stop")], How.CONTINUED),
        ([Said("reasoned", 0, GOOD[:20], "length"), Said("continue", 0, GOOD, "stop")], How.CONTINUED),
        ([Said("reasoned", 0, GOOD[:20], "length"), Said("continue", 0, GOOD[20:40], "length")], None),
        ([Said("reasoned", 0, "no", "stop"), Said("again", 0, GOOD, "stop")], How.ASKED_AGAIN),
        ([Said("reasoned", 0, "no", "stop"), Said("again", 0, "no", "stop")], None),
        (
            [Said("reasoned", 0, "no", "stop"), Said("again", 0, "no", "stop"), Said("reasoned", 1, GOOD, "stop")],
            How.ANOTHER_SAMPLE,
        ),
        ([Said("reasoned", 0, GOOD, "length")], None),
        ([Said("reasoned", 0, f"Sure! {GOOD[:-1]}", "length")], None),
    ],
)
def test_the_first_way_to_an_answer_is_taken(said: list[Said], how: str | None) -> None:
    """As given, mended, continued, asked again, another sample; a reply that was cut off is never mended."""
    found = read_chain(said)
    assert (found.answer, found.how) == ((ANSWER, how) if how else (None, ""))


def test_the_reason_is_that_of_the_first_reply() -> None:
    """Whatever the follow-ups say, a row is rejected for what was wrong at first."""
    assert read_chain([Said("reasoned", 0, "no", "stop"), Said("again", 0, "{}", "stop")]).reason == Reason.NO_THINKING
    assert read_chain([Said("reasoned", 0, "<thinking>", "length")]).reason == CUT_OFF


def test_replies_are_told_apart_by_sample_and_kind() -> None:
    """Each sample has its own follow-ups and its own replacement; the bare label belongs to none."""
    said = [
        Said("reasoned", 1, "b", "stop"), Said("direct", 0, OBJECT, "stop"), Said("reasoned", 0, "a", "stop"),
        Said("again", 1, "b2", "stop"), Said("reasoned", 3, "b3", "stop"),
    ]  # fmt: skip
    assert [[one.reply for one in chain] for chain in chains(said, 2)] == [["a"], ["b", "b2", "b3"]]
    bare = direct_answer(said)
    assert isinstance(bare, Answer)
    assert (bare.sentiment, bare.risk_level) == ("Negative", "High")
    assert direct_answer(said[:1]) is None
    assert direct_answer([Said("direct", 0, "Negative", "stop")]) == Reason.NO_JSON


def questions(stored: dict[tuple[str, int], tuple[str, str]], **changes: object) -> list[tuple[str, int]]:
    """Return (kind, sample) of the questions that a store with these replies calls for."""

    def said(ask: Ask) -> Said | None:
        found = stored.get((str(ask.kind), ask.sample))
        return Said(ask.kind, ask.sample, *found) if found else None

    recipe = replaced(RECIPE, **{"direct": False, **changes})
    return [(str(ask.kind), ask.sample) for ask in every(answers.asker(recipe), NEWS, recipe, said)]


@pytest.mark.parametrize(
    ("stored", "changes", "wanted"),
    [
        ({}, {}, [("reasoned", 0)]),
        ({}, {"samples": 2, "direct": True}, [("reasoned", 0), ("reasoned", 1), ("direct", 0)]),
        ({("reasoned", 0): (GOOD, "stop")}, {}, [("reasoned", 0)]),
        ({("reasoned", 0): (f"Sure! {GOOD}", "stop")}, {}, [("reasoned", 0)]),
        ({("reasoned", 0): ("no", "stop")}, {}, [("reasoned", 0), ("again", 0)]),
        ({("reasoned", 0): ("no", "stop")}, {"follow_ups": 0}, [("reasoned", 0)]),
        ({("reasoned", 0): ("<thinking>", "length")}, {}, [("reasoned", 0), ("continue", 0)]),
        (
            {("reasoned", 0): ("no", "stop"), ("again", 0): ("no", "stop")},
            {},
            [("reasoned", 0), ("again", 0), ("reasoned", 1)],
        ),
        (
            {("reasoned", 0): ("no", "stop"), ("again", 0): ("no", "stop")},
            {"follow_ups": 1},
            [("reasoned", 0), ("again", 0)],
        ),
        (
            {("reasoned", 0): ("no", "stop"), ("again", 0): ("no", "stop")},
            {"temperature": 0.0},
            [("reasoned", 0), ("again", 0)],
        ),
        ({("reasoned", 0): ("no", "stop"), ("again", 0): (GOOD, "stop")}, {}, [("reasoned", 0), ("again", 0)]),
        ({("reasoned", 0): ("", "stop")}, {}, [("reasoned", 0), ("again", 0)]),
        ({("reasoned", 1): ("no", "stop")}, {"samples": 2}, [("reasoned", 0), ("reasoned", 1), ("again", 1)]),
    ],
)
def test_a_store_calls_for_its_follow_ups(
    stored: dict[tuple[str, int], tuple[str, str]], changes: dict[str, object], wanted: list[tuple[str, int]]
) -> None:
    """Only an answer that cannot be used is asked about again, round by round, and at temperature 0 no other sample."""
    assert questions(stored, **changes) == wanted


def test_follow_ups_are_conversations() -> None:
    """The model sees its own reply and what is wrong with it; the bare label has its own prompt and limit."""
    recipe = replaced(RECIPE, direct=True)
    said = {("reasoned", 0): Said("reasoned", 0, "no", "stop")}
    asks = list(every(answers.asker(recipe), NEWS, recipe, lambda ask: said.get((str(ask.kind), ask.sample))))
    first, bare, again = asks
    assert [message["role"] for message in again.messages] == ["user", "assistant", "user"]
    assert again.messages[:1] == first.messages
    assert "(no thinking)" in again.messages[2]["content"]
    assert bare.settings["max_tokens"] == DIRECT_TOKENS
    text = bare.messages[0]["content"]
    assert text == prompt.direct_prompt(NEWS.text)
    assert "thinking>" not in text
    assert "sentiment looks at the new information only" in text
    assert len({ask.key for ask in asks}) == 3


def test_the_bare_prompt_moves_no_fingerprint() -> None:
    """The label without reasoning is asked of teachers only: recorded replies stay comparable."""
    assert prompt.fingerprint() == "e4fc23209a8e"


def test_follow_ups_are_asked_stored_and_read(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """From end to end: a broken reply is asked about again, a cut one continued, all of it stored and never twice."""

    def script(heard: Heard) -> Say:
        turns = heard.body["messages"]
        text = turns[0]["content"]
        if len(turns) == 3:
            return Say(body=completion(GOOD[20:] if "cut off" in turns[2]["content"] else GOOD))
        if "number 1 " in text:
            return Say(body=completion("no"))
        return Say(body=completion(GOOD[:20], "length") if "number 2 " in text else completion(GOOD))

    house.news(4)
    with MockTeacher(script) as mock:
        house.write_recipe(mock.base_url, follow_ups=1)
        arguments = [*house.arguments(), "--corpus", str(house.corpus)]
        assert generate.main(arguments) == 0
        rows = house.rows("generate/answers.jsonl")
        assert [[more["kind"] for more in row.get("more", [])] for row in rows] == [[], ["again"], ["continue"], []]
        assert len(mock.asked) == 4 + 2 + 2
        assert generate.main(arguments) == 0
        assert len(mock.asked) == 8
    assert [read_chain(answers.all_said(row)).how for row in rows] == [
        "as given",
        "asked again",
        "continued",
        "as given",
    ]
    assert [line["kind"] for line in house.manifest("generate")["facts"]["ledger"]] == ["again", "continue", "reasoned"]
    assert "round 2 2/2" in capsys.readouterr().err


def test_a_budget_ends_the_asking_and_not_the_run(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """What the budget does not hold is not asked, and said so with exit code 1; more money asks the rest alone."""
    house.news(40)
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url, prompt_price=1.0, cached_price=1.0, completion_price=2.0)
        arguments = [*house.arguments(), "--corpus", str(house.corpus), "--budget"]
        assert generate.main([*arguments, "0.02"]) == 1
        came = len(mock.asked)
        assert 0 < came < 42
        assert "the budget is used up" in capsys.readouterr().err
        errors = [row["error"] for row in house.rows("generate/answers.jsonl") if "error" in row]
        assert set(errors) == {generate.OVER_BUDGET}
        assert house.manifest("generate")["facts"]["usd"] <= 0.02
        assert generate.main([*arguments, "5"]) == 0
        assert len(mock.asked) == 42
    with pytest.raises(SystemExit):
        generate.main([*arguments, "-1"])


def test_a_dry_run_asks_nothing_and_needs_no_key(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate and three prompts are printed; no request, no key, no answers."""
    house.news(9)
    monkeypatch.delenv("MOCK_KEY")
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url, direct=True)
        assert generate.main([*house.arguments(), "--corpus", str(house.corpus), "--dry-run"]) == 0
        assert mock.asked == []
    said = capsys.readouterr().out
    assert "to ask    18 questions; 0 are stored already" in said
    assert said.count("\n--- ") == 3
    assert not (house.run / "generate").exists()


@pytest.mark.parametrize(
    ("thinking", "sentiment", "risk"),
    [
        ("orders fall -> sentiment: negative\nrisk high", "Negative", "High"),
        ("The overall sentiment is therefore positive.", "Positive", None),
        ("a negative sentiment, but low risk", "Negative", "Low"),
        ("risk level: Medium.", None, "Medium"),
        ("high risk at first, then low risk", None, "Low"),
        ("the risk is not high", None, None),
        ("not a high risk", None, None),
        ("the risk is high or medium", None, None),
        ("risk falls from high to low", None, None),
        ("low risk of default", None, None),
        ("high-risk loans, a high risk appetite", None, None),
        ("sentiment had been negative", None, None),
        ("股东受损 -> 情绪偏负面，下行风险较高", "Negative", "High"),
        ("风险高", None, "High"),
        ("风险等级：中等。", None, "Medium"),
        ("无高风险", None, None),
        ("高风险债券", None, None),
        ("风险中性策略", None, None),
        ("owners lose -> nothing else", None, None),
        ("", None, None),
    ],
)
def test_conclusions_are_read_where_they_are_plain(thinking: str, sentiment: str | None, risk: str | None) -> None:
    """A label beside its name is a statement; negated, hedged or part of another word it is none."""
    assert concluded(thinking) == (sentiment, risk)
