"""Which answers may be learnt from, each reason with its nearest answer that passes, and accounts that close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from distill import numerals, verify
from distill.mentions import names
from distill.verify import REASONS, Rejection, judged, verdict_rows
from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError
from finsight_eval.parse import Answer, Reason, render
from finsight_eval.records import News

if TYPE_CHECKING:
    from tests.distill.conftest import House

EN = News("e", "en", "Acme Corp wins a 30% larger order worth $1,200.50 million; Ford's two affordable models gain.")
ZH = News("z", "zh", "恒岳电池（Hengyue）公告称，最大客户提前终止协议，影响收入约４０％。")


def reply(thinking: str, entity: str) -> str:
    return render(Answer(thinking, entity, "Positive", "Low"))


@pytest.mark.parametrize(
    ("news", "thinking", "entity", "reason"),
    [
        (EN, "order 30% larger -> revenue up", "Acme Corp", None),
        (EN, "order 35% larger -> revenue up", "Acme Corp", Rejection.UNGROUNDED_NUMBER),
        (EN, "worth 1200.5 million -> revenue up", "acme  corp", None),
        (EN, "worth 12 million -> revenue up", "Acme Corp", Rejection.UNGROUNDED_NUMBER),
        (EN, "1. two models gain\n2. revenue up", "Ford", None),
        (EN, "2 models gain", "Ford", None),
        (EN, "3 models gain", "Ford", Rejection.UNGROUNDED_NUMBER),
        (EN, "models gain -> revenue up", "Ford Motor", Rejection.ENTITY_NOT_IN_NEWS),
        (EN, "models gain -> revenue up", "afford", Rejection.ENTITY_NOT_IN_NEWS),
        (EN, "订单增加 -> 收入上升", "Acme Corp", Rejection.WRONG_LANGUAGE),
        (EN, "Acme Corp (阿克米) gains a larger order -> revenue up", "Acme Corp", None),
        (ZH, "客户终止协议 -> 收入下降约40%", "恒岳电池", None),
        (ZH, "客户终止协议 -> Hengyue 收入下降", "Hengyue", None),
        (ZH, "the customer leaves -> revenue falls", "恒岳电池", Rejection.WRONG_LANGUAGE),
        (ZH, "客户终止协议 -> 收入下降约45%", "恒岳电池", Rejection.UNGROUNDED_NUMBER),
        (ZH, "客户终止协议 -> 收入下降", "宁德时代", Rejection.ENTITY_NOT_IN_NEWS),
    ],
)
def test_answers_are_judged_by_the_news(news: News, thinking: str, entity: str, reason: str | None) -> None:
    """Entity, language and numbers must be the news' own; beside each refusal stands an answer that passes."""
    verdict = judged(news, reply(thinking, entity), "stop")
    assert verdict.reason == (reason or "")
    assert (verdict.answer is None) == (reason is not None)


@pytest.mark.parametrize(
    ("text", "finish_reason", "reason"),
    [
        (reply("order larger", "Acme Corp"), "length", Rejection.CUT_OFF),
        (reply("order larger", "Acme Corp"), "stop", None),
        (reply("order larger", "Acme Corp"), None, None),
        ("", "stop", Reason.EMPTY),
        ("    \n", "stop", Reason.EMPTY),
        ("Bullish on Acme.", "stop", Reason.NO_THINKING),
        (reply("order larger", "Acme Corp") + " Good luck!", "stop", Reason.TEXT_AFTER_JSON),
        (reply("order larger", "Acme Corp").replace("Low", "None"), "stop", Reason.UNKNOWN_LABEL),
    ],
)
def test_contract_and_token_limit_come_first(text: str, finish_reason: str | None, reason: str | None) -> None:
    """A reply that breaks the contract keeps the parser's reason; one cut off by the limit is refused unread."""
    assert judged(EN, text, finish_reason).reason == (reason or "")


@pytest.mark.parametrize(
    ("text", "entity", "there"),
    [
        ("Ford's output", "Ford", True),
        ("affordable cars", "Ford", False),
        ("Ford2 output", "Ford", False),
        ("Seaford output", "Ford", False),
        ("S&P 500 fell", "S&P 500", True),
        ("宁德时代公告", "宁德时代", True),
        ("ＮＶＩＤＩＡ涨8%", "NVIDIA", True),
        ("the Fed\nReserve", "fed reserve", True),
        ("C++ maker", "C++", True),
        ("anything", " ", False),
        ("a.b", "a+b", False),
    ],
)
def test_entity_must_stand_as_whole_words(text: str, entity: str, *, there: bool) -> None:
    """Width, case and white space do not matter; a part of a word is not the entity."""
    assert names(text, entity) is there


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rose 12.50% to 1,200", {"12.5", "1200"}),
        ("０.５ 亿", {"0.5"}),
        ("in 2026, 3rd plant", {"2026", "3"}),
        ("two of 两家", {"2"}),
        ("三十五家，十二亿，五十", {"35", "12", "50"}),
        ("约四成", {"4", "40"}),
        ("成立于九月", {"9"}),
        ("1,2 and 3", {"1", "2", "3"}),
        ("version 1.2.3", {"1.2", "3"}),
        ("none", set()),
    ],
)
def test_numbers_are_written_one_way(text: str, found: set[str]) -> None:
    """Separators, trailing zeros and width do not make another number."""
    assert numerals.figures(text) == found


def test_invented_numbers_are_named_in_order() -> None:
    """What is reported is what the reasoning states and the news does not, once each."""
    assert numerals.invented("7% and 9% of 30 -> 7%", "30 plants") == ["7", "9"]


def test_accounts_close_and_reasons_are_of_the_closed_list() -> None:
    """In = accepted + rejected + failed, whatever the mix."""
    corpus = [News(f"n-{n}", "en", EN.text) for n in range(4)]
    replies = [reply("order larger", "Acme Corp"), "no", reply("99 orders", "Acme Corp")]
    answers: list[jsonl.Row] = [{"id": f"n-{n}", "reply": r, "finish_reason": "stop"} for n, r in enumerate(replies)]
    answers.append({"id": "n-3", "error": "HTTP 500 after 8 attempts"})
    accepted, rejected, failed = verdict_rows(corpus, answers)
    found = verify.accounts(accepted, rejected, failed)
    assert found == {
        "in": 4,
        "accepted": 1,
        "rejected": 2,
        "failed": 1,
        "reasons": {"no thinking": 1, "ungrounded number": 1},
    }
    assert rejected[1]["detail"] == "99"
    assert {row["reason"] for row in rejected} <= set(REASONS)
    assert list(accepted[0]) == ["id", "lang", "text", "reply", "entity", "sentiment", "risk_level"]


def test_answers_to_other_rows_are_refused() -> None:
    """Answers that do not belong to the corpus are an error, not a smaller set."""
    with pytest.raises(InputError, match="different rows"):
        verdict_rows([EN], [{"id": "other", "reply": "", "finish_reason": "stop"}])


def _answered(house: House, replies: list[str]) -> None:
    """Write a finished generate stage by hand."""
    folder = house.run / "generate"
    jsonl.write_lines(
        folder / "corpus.jsonl", [{"id": f"n-{n}", "lang": "en", "text": EN.text} for n in range(len(replies))]
    )
    rows = [{"id": f"n-{n}", "reply": r, "finish_reason": "stop"} for n, r in enumerate(replies)]
    jsonl.write_lines(folder / "answers.jsonl", rows)
    jsonl.write(folder / manifest.NAME, {"outputs": manifest.outputs_of(folder)})


def test_command_writes_both_files_and_says_when_nothing_is_left(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 with accepted rows, 1 without any, and the files are there either way."""
    house.write_recipe("embedded")
    _answered(house, [reply("order larger", "Acme Corp"), "no"])
    assert verify.main(house.arguments()) == 0
    assert [row["id"] for row in house.rows("verify/accepted.jsonl")] == ["n-0"]
    assert [row["reason"] for row in house.rows("verify/rejected.jsonl")] == ["no thinking"]
    assert house.manifest("verify")["facts"]["accepted"] == 1
    _answered(house, ["no", "no"])
    assert verify.main(house.arguments()) == 1
    assert "no answer was accepted: {'no thinking': 2}" in capsys.readouterr().err
    assert len(house.rows("verify/rejected.jsonl")) == 2


def test_changed_answers_are_refused(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers that were edited after they were written do not become training data."""
    house.write_recipe("embedded")
    _answered(house, [reply("order larger", "Acme Corp")])
    path = house.run / "generate" / "answers.jsonl"
    path.write_text(path.read_text().replace("Positive", "Negative"))
    assert verify.main(house.arguments()) == 2
    assert "its manifest" in capsys.readouterr().err
