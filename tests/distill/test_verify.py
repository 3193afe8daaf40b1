"""Which answers may be learnt from, each reason with its nearest answer that passes, and accounts that close."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill import numerals, verify
from distill import recipe as recipes
from distill.checking import REASONS, Rejection, Verdict, judged
from distill.client import _HIDDEN
from distill.findings import Findings
from distill.mentions import names
from distill.reading import HIDDEN_KEY, Said
from finsight_eval import jsonl, manifest, prompt
from finsight_eval.errors import InputError
from finsight_eval.parse import Answer, Reason, render
from finsight_eval.records import News
from tests.distill.conftest import replaced

if TYPE_CHECKING:
    from tests.distill.conftest import House

RECIPE = recipes.load(str(Path(__file__).resolve().parents[2] / "distill/recipes/nano.yaml"))
EN = News("e", "en", "Acme Corp wins a 30% larger order worth $1,200.50 million; Ford's two affordable models gain.")
ZH = News("z", "zh", "恒岳电池（Hengyue）公告称，最大客户提前终止协议，影响收入约４０％。")


def verdict_on(news: News, text: str, finish_reason: str | None) -> Verdict:
    return judged(news, [Said("reasoned", 0, text, finish_reason)], RECIPE)


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
        (EN, "die Aufträge steigen und der Umsatz wächst", "Acme Corp", Rejection.WRONG_LANGUAGE),
        (EN, "orders rise -> owners gain, sentiment: positive", "Acme Corp", None),
        (EN, "orders rise -> owners lose, sentiment: negative", "Acme Corp", Rejection.CONTRADICTION),
        (EN, "orders rise\nrisk low", "Acme Corp", None),
        (EN, "orders rise\nrisk high", "Acme Corp", Rejection.CONTRADICTION),
        (EN, "order larger -> revenue up", "Acme Corp. (ACM)", None),
        (EN, "order helps Acme -> Ford gains", "Acme Corp", None),
        (EN, "order helps Tesla, as Boeing and Airbus know", "Acme Corp", Rejection.UNGROUNDED),
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
    verdict = verdict_on(news, reply(thinking, entity), "stop")
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
        (reply("order larger", "Acme Corp") + " Good luck!", "stop", None),  # mended
        (reply("order larger", "Acme Corp") * 2, "stop", Reason.SEVERAL_THINKING),
        (f"{HIDDEN_KEY} {reply('order larger', 'Acme Corp')}", "stop", Rejection.KEY_ECHOED),
        (reply(f"order larger {HIDDEN_KEY}", "Acme Corp"), "stop", Rejection.KEY_ECHOED),
        (reply("order larger", "Acme Corp").replace("Low", "None"), "stop", Reason.UNKNOWN_LABEL),
    ],
)
def test_contract_and_token_limit_come_first(text: str, finish_reason: str | None, reason: str | None) -> None:
    """A reply that breaks the contract keeps the parser's reason; one cut off by the limit is refused unread."""
    assert verdict_on(EN, text, finish_reason).reason == (reason or "")


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


def accounted(replies: list[str | None], **changes: Any) -> tuple[list[tuple[bool, jsonl.Row]], dict[str, Any]]:
    """Return the rows and the closed accounts of texts with these replies; None: the request failed."""
    pairs = [
        (
            News(f"n-{n}", "en", EN.text),
            {"reply": text, "finish_reason": "stop"} if text is not None else {"error": "HTTP 500"},
        )
        for n, text in enumerate(replies)
    ]
    counts, found = verify.Accounts(), Findings()
    rows = list(verify.verdict_rows(pairs, replaced(RECIPE, **changes), counts, found))
    return rows, {**counts.closed(len(replies)), **found.summary()}


def test_accounts_close_and_reasons_are_of_the_closed_list() -> None:
    """In = accepted + rejected(reason) + failed(reason), and how each answer was had is counted."""
    fenced = reply("order larger", "Acme Corp").replace("{", "```json\n{").replace("}", "}\n```")
    rows, found = accounted([reply("order larger", "Acme Corp"), "no", reply("99 orders", "Acme Corp"), None, fenced])
    assert {key: found[key] for key in ("in", "accepted", "rejected", "failed", "reasons", "failures", "how")} == {
        "in": 5,
        "accepted": 2,
        "rejected": 2,
        "failed": 1,
        "reasons": {"no thinking": 1, "ungrounded number": 1},
        "failures": {"HTTP 500": 1},
        "how": {"as given": 1, "repaired": 1},
    }
    assert [good for good, _ in rows] == [True, False, False, True]
    assert rows[2][1]["detail"] == "99"
    assert list(rows[0][1]) == ["id", "lang", "text", "reply", "entity", "sentiment", "risk_level"]
    assert rows[3][1]["how"] == "repaired"
    assert rows[3][1]["reply"] == rows[0][1]["reply"]


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.text(max_size=60),
            st.sampled_from(
                [
                    reply("order larger", "Acme Corp"),
                    reply("99 orders", "Acme Corp"),
                    reply("order larger", "Nobody"),
                    "<thinking>x",
                    reply("order larger", "Acme Corp").replace("<thinking>", "<think>"),
                    reply("risk high", "Ford"),
                ]
            ),
        )
    )
)
@settings(max_examples=150, deadline=None)
def test_accounts_close_whatever_is_replied(replies: list[str | None]) -> None:
    """No reply whatever breaks verification, and no text is lost or counted twice."""
    rows, found = accounted(replies)
    assert (
        found["in"]
        == len(replies)
        == found["accepted"] + sum(found["reasons"].values()) + sum(found["failures"].values())
    )
    assert len(rows) == found["accepted"] + found["rejected"]
    assert {row["reason"] for good, row in rows if not good} <= set(REASONS)


def test_the_key_is_looked_for_as_the_client_blots_it_out() -> None:
    """Verification and client mean the same mark."""
    assert HIDDEN_KEY == _HIDDEN


def test_answers_to_other_rows_are_refused() -> None:
    """Answers that do not belong to the corpus are an error, not a smaller set."""
    for rows in ([{"id": "other"}], [], [{"id": EN.id}, {"id": "more"}]):
        with pytest.raises(InputError, match="different rows"):
            list(verify.paired([EN], rows))
    assert list(verify.paired([EN], [{"id": "e"}])) == [(EN, {"id": "e"})]


@pytest.mark.parametrize(
    ("moods", "agreement", "kept"),
    [
        (["Positive", "Positive", "Neutral"], 0.6, "Positive"),
        (["Neutral", "Positive", "Positive"], 0.6, "Positive"),
        (["Positive", "Positive", "Neutral"], 0.7, None),
        (["Positive", "Neutral", "Negative"], 0.3, None),  # a tie
        (["Positive", "Positive", None], 0.6, "Positive"),
        (["Positive", None, None], 0.6, None),
        (["Positive", None, None], 0.3, "Positive"),
        ([None, None, None], 0.3, None),
    ],
)
def test_samples_must_agree(moods: list[str | None], agreement: float, kept: str | None) -> None:
    """The share counts all samples asked for; a tie keeps none; a sample that cannot be used votes for nobody."""
    texts = [reply("order larger", "Acme Corp").replace("Positive", mood) if mood else "no" for mood in moods]
    said = [Said("reasoned", sample, text, "stop") for sample, text in enumerate(texts)]
    verdict = judged(EN, said, replaced(RECIPE, samples=3, agreement=agreement))
    assert (verdict.answer.sentiment if verdict.answer else None) == kept
    if not kept and any(moods):
        assert verdict.reason == Rejection.DISAGREE
        assert verdict.detail


def test_of_the_samples_that_won_one_with_a_sound_reasoning_is_kept() -> None:
    """Two say Positive and one of them invents a number: the other one is learnt from."""
    texts = [reply("99 orders", "Acme Corp"), reply("order larger", "Acme Corp"), "no"]
    said = [Said("reasoned", sample, text, "stop") for sample, text in enumerate(texts)]
    verdict = judged(EN, said, replaced(RECIPE, samples=3, agreement=0.6))
    assert verdict.answer
    assert verdict.answer.thinking == "order larger"
    assert verdict.told() == {"agreement": 0.6667}


def test_the_bare_label_is_compared_with_the_reasoned_one() -> None:
    """How often they differ is told with an interval; a bare reply that cannot be read is counted, not compared."""
    found = Findings()
    bare = '{"entity": "Acme Corp", "sentiment": "%s", "risk_level": "Low"}'
    for text in [bare % "Positive"] * 7 + [bare % "Negative"] * 3 + ["no", None]:
        said = [Said("reasoned", 0, reply("order larger", "Acme Corp"), "stop")]
        found.add(judged(EN, said + ([Said("direct", 0, text, "stop")] if text else []), RECIPE))
    direct = found.summary()["direct"]
    assert (direct["asked"], direct["unusable"], direct["compared"]) == (11, 1, 10)
    assert (direct["sentiment"]["differ"], direct["sentiment"]["share"]) == (3, 0.3)
    assert direct["sentiment"]["low"] < 0.3 < direct["sentiment"]["high"]
    assert direct["risk_level"]["differ"] == 0


def _answered(house: House, replies: list[str], version: str = "") -> None:
    """Write a finished generate stage by hand."""
    folder = house.run / "generate"
    jsonl.write_lines(
        folder / "corpus.jsonl", [{"id": f"n-{n}", "lang": "en", "text": EN.text} for n in range(len(replies))]
    )
    rows = [{"id": f"n-{n}", "reply": r, "finish_reason": "stop"} for n, r in enumerate(replies)]
    jsonl.write_lines(folder / "answers.jsonl", rows)
    jsonl.write(folder / "usage.json", {"prompt": version or prompt.fingerprint()})
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


def test_answers_to_another_prompt_are_refused(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A store of another prompt version teaches nothing under this one; the error names both."""
    house.write_recipe("embedded")
    _answered(house, [reply("order larger", "Acme Corp")], version="0123456789ab")
    assert verify.main(house.arguments()) == 2
    said = capsys.readouterr().err
    assert f"prompt version 0123456789ab, this is version {prompt.fingerprint()}; run distill.generate again" in said
