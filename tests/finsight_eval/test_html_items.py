"""The table's data: the marks are the scorer's, nothing is lost, what is missing says so."""

from __future__ import annotations

from typing import Any

import pytest

from finsight_eval.html.items import items
from tests.finsight_eval.html_run import run_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item


@pytest.mark.parametrize(
    ("reply", "state", "shown"),
    [
        (gold_reply(make_item(0)), "right", {"sentiment": "Positive", "risk": "High", "entity_right": True}),
        (gold_reply(make_item(0, sentiment="Neutral")), "wrong", {"sentiment": "Neutral", "entity_right": True}),
        (gold_reply(make_item(0, entity="Other")), "right", {"entity": "Other", "entity_right": False}),
        ("```json\n" + gold_reply(make_item(0)), "unreadable", {"reason": "text before the thinking"}),
        ("", "unreadable", {"reason": "empty", "reply": ""}),
    ],
)
def test_an_answer_is_right_wrong_or_unreadable(reply: str, state: str, shown: dict[str, Any]) -> None:
    """The marks are the scorer's: both labels decide, the entity is told beside them."""
    answer = items(run_of([make_item(0)], lambda _item, _model: reply))["items"][0]["answers"][1]
    assert (answer["state"], {key: answer[key] for key in shown}) == (state, shown)


def test_a_lenient_reading_stands_beside_an_unreadable_reply() -> None:
    """Obedience and knowledge are two things: what the reply would have said is shown, and counts for nothing."""
    fenced_json = gold_reply(make_item(0)).replace("{", "```json\n{") + "\n```"
    answer = items(run_of([make_item(0)], lambda _item, _model: fenced_json))["items"][0]["answers"][0]
    assert (answer["state"], answer["lenient"]["sentiment"]) == ("unreadable", "Positive")


def test_flips_are_those_of_the_adapter_against_the_base() -> None:
    """fixed: wrong before, right now; broken: the other way round; nothing where both are alike."""
    good, bad = [make_item(number) for number in (0, 1, 2)], "no form"
    right = {("news-en-000", "adapter"), ("news-en-001", "base")}
    run = run_of(good, lambda item, model: gold_reply(item) if (item.id, model) in right else bad)  # type: ignore[arg-type]
    assert [row["flip"] for row in items(run)["items"]] == ["fixed", "broken", ""]


def test_an_item_without_a_reply_is_kept_and_says_so() -> None:
    """A model that failed on an item has no answer there; the others' answers still stand."""
    run = run_of([make_item(0)], lambda item, model: None if model == "base" else gold_reply(make_item(0)))
    assert [answer and answer["state"] for answer in items(run)["items"][0]["answers"]] == [None, "right", "right"]
