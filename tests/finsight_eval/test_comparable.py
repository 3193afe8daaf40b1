"""Refusals: what is not alike is not compared, and each refusal says what differs, both values and what to do."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from finsight_eval import CONTRACT, prompt
from finsight_eval.errors import InputError
from finsight_eval.gating import comparable

CARD: dict[str, Any] = {
    "benchmark": {"set": "news", "sha256": "3f4d76b6a6dfbe7f" + "0" * 48},
    "prompt": prompt.fingerprint(),
    "generation": {"until": [], "max_gen_toks": 512, "do_sample": False},
    "task_version": 1.1,
    "chat_template": True,
    "n_shot": 0,
    "system_instruction": "none",
    "limit": None,
    "n": 320,
    "n_total": 320,
    "failed": 0,
    "errors": {},
}

GOOD: dict[str, Any] = {
    "sets": {"news": {"sha256": {"test": CARD["benchmark"]["sha256"]}}},
    "rows": 9,
    "checked": 9,
}


def scores(**changes: Any) -> dict[str, comparable.Score]:
    """Return the scores of two models; the candidate's card has `changes`."""
    whole = {"contract": CONTRACT, "prompt": prompt.fingerprint(), "tasks": {"finsight": CARD}}
    other = copy.deepcopy(whole)
    other["tasks"]["finsight"] |= changes  # type: ignore[index]
    return {"reference": whole, "candidate": other}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"task_version": None, "chat_template": None, "n_shot": None, "system_instruction": None},
        {"chat_template": "9f0e276ab90bb7e2"},
        {"generation": {"do_sample": False, "max_gen_toks": 512, "until": []}},
        {"benchmark": {**CARD["benchmark"], "version": "1.0"}},
        {"limit": 400},
    ],
)
def test_what_is_alike_is_compared(changes: dict[str, Any]) -> None:
    """Equal conditions pass; what one side does not know, the order of keys and a limit above the set do not matter."""
    comparable.refuse_unequal(scores(**changes), ["finsight"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task_version": 1.0}, "task version is 1.1 in reference, 1.0 in candidate"),
        (
            {"benchmark": {"set": "news", "sha256": "a" * 64}},
            "benchmark is news 3f4d76b6a6dfbe7f in reference, news aaaaaaaaaaaaaaaa in candidate",
        ),
        ({"prompt": "other"}, "candidate: finsight: the samples were made with another prompt than this version's"),
        (
            {"generation": {"until": [], "max_gen_toks": 96, "do_sample": False}},
            "generation setting max_gen_toks is 512 in reference, 96 in candidate",
        ),
        (
            {"generation": {**CARD["generation"], "temperature": 0.7}},
            "generation setting temperature is not set in reference, 0.7 in candidate",
        ),
        (
            {"generation": {**CARD["generation"], "until": ["\n\n"]}},
            r"generation setting until is \[\] in reference, \['\\n\\n'\] in candidate",
        ),
        ({"n_shot": 5}, "n shot is 0 in reference, 5 in candidate"),
        ({"system_instruction": "9f0e"}, "system instruction is none in reference, 9f0e in candidate"),
        ({"chat_template": False}, "chat template is applied in reference, not applied in candidate"),
        ({"n": 20, "limit": 20}, r"candidate: finsight: 20 of 320 items were evaluated \(--limit 20\)"),
        ({"n": 319}, "319 of 320 items were evaluated .a limited run, or samples are missing."),
        ({"n": 319, "failed": 1, "errors": {"HTTP 500": 1}}, r"1 items failed \(HTTP 500 x 1\).*retry it"),
        ({"benchmark": None}, "not checked against a benchmark"),
    ],
)
def test_what_is_not_alike_is_not_compared(changes: dict[str, Any], said: str) -> None:
    """Each condition is named with both values, on one line, whatever the figures say."""
    with pytest.raises(InputError, match=said) as caught:
        comparable.refuse_unequal(scores(**changes), ["finsight"])
    assert "\n" not in str(caught.value)


def test_every_difference_is_listed_at_once() -> None:
    """Whoever repeats an evaluation learns all that has to change, not one thing at a time."""
    with pytest.raises(InputError, match=r"task version is .*chat template is"):
        comparable.refuse_unequal(scores(task_version=2, chat_template=False), ["finsight"])


def test_another_contract_and_a_missing_task_are_refused() -> None:
    """Figures of another contract are never compared, nor are tasks without samples."""
    with pytest.raises(InputError, match=r"no figures for task finsight_zh, .*there are: finsight; evaluate that task"):
        comparable.refuse_unequal(scores(), ["finsight_zh"])
    foreign = scores()
    foreign["reference"]["contract"] = 0
    with pytest.raises(InputError, match=f"scored under contract 0, this is contract {CONTRACT}"):
        comparable.refuse_unequal(foreign, ["finsight"])


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (
            {"sets": {"news": {"sha256": {"test": "b" * 64}}}},
            "with benchmark news bbbbbbbbbbbbbbbb, scored was news 3f4d",
        ),
        ({"sets": {"simulated": {"sha256": {"test": "b" * 64}}}}, "compared the training data not with news"),
        ({"sets": {"news": None}}, "not with news"),
        ({"sets": {"news": {"sha256": "b"}}}, "not with news"),
        ({"sets": []}, "no overlap record: key 'sets' is missing"),
        ({}, "no overlap record"),
        ({"sets": GOOD["sets"], "rows": 0, "checked": 0}, "rows is 0, at least 1 is expected"),
        ({"sets": GOOD["sets"], "rows": 9}, "checked is None, at least 1"),
    ],
)
def test_an_overlap_record_of_another_benchmark_is_none(record: dict[str, Any], said: str) -> None:
    """The record must have looked at the very items that were scored."""
    score = scores()["candidate"]
    comparable.refuse_other_overlap("overlap.json", GOOD, score, ["finsight"])
    with pytest.raises(InputError, match=said):
        comparable.refuse_other_overlap("overlap.json", record, score, ["finsight"])
