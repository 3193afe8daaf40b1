"""The report's sentences: honest words in every case, warnings by name, missing numbers that stay missing."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from finsight_eval.exposing.exposures import exposures
from finsight_eval.figures import Difference, figure
from finsight_eval.metrics import HEADLINE
from finsight_eval.parse import Answer, render
from finsight_eval.reporting.answer import Change, answer, change_of, exposed, ship_sentence, verdict_sentence
from finsight_eval.reporting.data import Run
from finsight_eval.reporting.numbers import plain, shown
from finsight_eval.reporting.warnings import warnings
from finsight_eval.reporting.words import severity, worst_errors
from finsight_eval.scorecard import scorecard
from finsight_eval.verdicts import Verdict, verdict_of
from tests.finsight_eval import planted
from tests.finsight_eval.planted import run_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.2, Change.BETTER),
        (-0.2, -0.01, Change.WORSE),
        (-0.1, 0.1, Change.UNCLEAR),
        (0.0, 0.1, Change.UNCLEAR),
        (None, None, Change.UNKNOWN),
    ],
)
def test_better_and_worse_need_the_whole_interval(low: float | None, high: float | None, expected: Change) -> None:
    """A difference whose interval holds nought is neither."""
    assert change_of(Difference(0.1, low, high, 10)) is expected


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({Change.BETTER}, "**Yes"),
        ({Change.BETTER, Change.UNKNOWN}, "**Yes"),
        ({Change.BETTER, Change.UNCLEAR}, "**In part"),
        ({Change.UNCLEAR}, "**Not shown"),
        ({Change.WORSE}, "**No:"),
        ({Change.WORSE, Change.UNCLEAR}, "**No:"),
        ({Change.BETTER, Change.WORSE}, "**Mixed"),
        ({Change.BETTER, Change.WORSE, Change.UNCLEAR}, "**Mixed"),
        ({Change.UNKNOWN}, "**Not known"),
        (set(), "**Not known"),
    ],
)
def test_every_outcome_has_its_sentence(changes: set[Change], start: str) -> None:
    """Better, worse, no difference, both and nothing known are each said in words of their own."""
    assert verdict_sentence(changes, above_floor=True).startswith(start)


def test_yes_is_said_in_one_case_only() -> None:
    """Only mixtures without anything worse or unclear begin with Yes, and none that does not beat one label for all."""
    for size in range(1, 5):
        for chosen in itertools.combinations(Change, size):
            yes = verdict_sentence(set(chosen), above_floor=True).startswith("**Yes")
            assert yes == (Change.BETTER in chosen and not {Change.WORSE, Change.UNCLEAR} & set(chosen))
            assert not verdict_sentence(set(chosen), above_floor=False).startswith("**Yes")


@pytest.mark.parametrize(
    ("verdict", "blocks", "said"),
    [
        ("pass", True, "**It may ship:** all 1 checks"),
        ("regressed", False, "**It may not ship:** 1 of 1 checks"),
        ("inconclusive", True, "policy `nano` does not let that ship."),
        ("inconclusive", False, "policy `nano` lets that ship, unproven."),
    ],
)
def test_the_gate_is_quoted_rightly(verdict: str, blocks: bool, said: str) -> None:
    """Pass, regressed and inconclusive, blocking or not."""
    check = {"task": "finsight", "metric": "sentiment_f1", "rule": "floor", "bound": 0.75, "verdict": verdict}
    assert said in ship_sentence(
        {"verdict": verdict, "inconclusive_blocks": blocks, "policy": "nano", "checks": [check]}
    )


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("pass", "**Not fit to ship as it stands:** 1 of 1 checks of policy `nano` passed, but the adapter is"),
        ("exposed", "**It may not ship:** 1 of 1 checks of policy `nano` passed, but the adapter is exposed by name: "),
        ("inconclusive", "**Not fit to ship as it stands:** 0 of 1 checks"),
        ("regressed", "**It may not ship:** 1 of 1 checks of policy `nano` failed"),
    ],
)
def test_nobody_exposed_is_told_that_he_may_ship(verdict: str, said: str) -> None:
    """Whatever the gate says, and whether or not the policy blocks on it; also where the gate is of an older day."""
    own = "pass" if verdict == "exposed" else verdict
    check = {"task": "finsight", "metric": "sentiment_f1", "rule": "floor", "bound": 0.75, "verdict": own}
    gate = {"verdict": verdict, "inconclusive_blocks": False, "policy": "nano", "checks": [check]}
    text = ship_sentence(gate, ["labels at random", "ignores the news"])
    assert text.startswith(said)
    assert "may ship" not in text
    assert "lets that ship" not in text
    assert ("labels at random, ignores the news" in text) == (verdict != "regressed")


def test_an_exposed_run_is_told_so_in_its_first_sentence() -> None:
    """The same adapter, its gate passed: the answer, not the ship sentence alone, holds the name and no leave."""
    run = crafted(constant_reply)
    scores = {**run.scores, "base": run.scores["adapter"]}
    gate = {"verdict": "pass", "policy": "nano", "checks": []}
    first = answer(replace(run, scores=scores, gate=gate)).split("\n\n")[0]
    assert "may ship" not in first
    assert "exposed by name: copies the majority class" in first


@pytest.mark.parametrize(
    ("figure", "cell"),
    [
        (None, "n/a (not scored)"),
        ({"value": None, "low": None, "high": None, "n": 0, "why": "no item has a value"}, "n/a (no item has a value)"),
        ({"value": 0.0, "low": 0.0, "high": 0.05, "n": 68}, "0.000 [0.000, 0.050]"),
        ({"value": 0.5, "low": 0.4, "high": 0.6, "n": 60}, "0.500 [0.400, 0.600] (n 60)"),
        ({"value": 0.5, "low": None, "high": None, "n": 68}, "0.500 (no interval)"),
    ],
)
def test_a_missing_number_is_never_nought(figure: dict[str, Any] | None, cell: str) -> None:
    """n/a with its reason; a true 0 with its interval; another n is named."""
    assert shown(figure, 68) == cell


def test_manifest_values_are_put_in_words() -> None:
    """Nested facts read as a sentence and are escaped."""
    facts = {"accepted": 11040, "reasons": {"no JSON": 3}, "ok": True, "rate": 0.002, "none": None, "x": "<b>"}
    assert plain(facts) == "accepted 11,040, reasons (no JSON 3), ok yes, rate 0.002, none n/a, x &#60;b&#62;"


def crafted(reply_of: Any, size: int = 90, **changes: Any) -> Run:
    """Return a run whose adapter replied as told and which is otherwise beyond suspicion."""
    items = [make_item(number) for number in range(size)]
    verdicts: list[Verdict] = [verdict_of(item, reply_of(item)) for item in items]
    card = {**scorecard(verdicts, size), "benchmark": None}
    made = {"seconds": 1.0, "origin": {"git": {"commit": "abc", "dirty": False}}}
    overlap: dict[str, Any] = {"removed": []}
    scores, found = {"adapter": {"tasks": {"finsight": card}}}, {"adapter": {"finsight": verdicts}}
    whole = Run("nano", scores, found, {"checks": []}, [{"step": 1, "loss": 0.4}], [], [], overlap, {"train": made})
    return replace(whole, trained=planted.taught(), **changes)


def good_reply(item: Any) -> str:
    """Return a reply that is right but for every seventh item."""
    number = int(item.id[-3:])
    wrong = {"Positive": "Negative", "Neutral": "Positive", "Negative": "Neutral"}[item.sentiment]
    level = {"High": "Low", "Medium": "High", "Low": "Medium"}[item.risk_level]
    if number % 7:
        return gold_reply(item)
    return "" if number == 7 else render(Answer(f"{item.entity} -> x", item.entity, wrong, level))


def constant_reply(item: Any) -> str:
    return render(Answer(f"{item.entity} -> x", item.entity, "Neutral", item.risk_level))


def lost_reply(item: Any) -> str:
    return render(Answer(f"{item.id} -> x", "Zzyzx", item.sentiment, item.risk_level))


def recited_reply(item: Any) -> str:
    return render(Answer("costs rise -> margins fall", item.entity, item.sentiment, item.risk_level))


def test_an_honest_run_raises_no_warning() -> None:
    """The nearest negative of all the cases below."""
    assert warnings(crafted(good_reply)) == []


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda: crafted(gold_reply), "sentiment_f1 is 1.00 over 90 items"),
        (lambda: crafted(constant_reply), "sentiment_f1 is not shown to beat the majority label"),
        (
            lambda: crafted(recited_reply),
            "90 of 90 items got one and the same reasoning, word by word (the 400 training rows hold 400 ",
        ),
        (lambda: crafted(good_reply, losses=[{"step": 9, "loss": 0.0}]), "the training loss ended at 0.0000"),
        (lambda: crafted(good_reply, overlap=None), "no overlap record"),
        (lambda: replace(crafted(good_reply), trained=None), "the run holds no training rows"),
        (lambda: crafted(lost_reply), "**Invents company names.** On Hand-written news, 90 of 90 answers"),
        (lambda: crafted(lost_reply), "Looked for by name and not found: memorised its training texts, copies the"),
        (lambda: crafted(good_reply, overlap={"removed": [{}]}), "1 training rows were benchmark items"),
        (
            lambda: crafted(good_reply, manifests={"gate": {"origin": {"git": {"commit": "a", "dirty": True}}}}),
            "in no commit",
        ),
    ],
)
def test_suspicious_runs_are_warned_of_by_name(run: Any, said: str) -> None:
    """A saturated figure, a copied label, recited reasoning, no loss, an unchecked overlap: each has its sentence."""
    assert any(said in text for text in warnings(run()))


def test_grave_exposures_open_the_report_and_others_do_not() -> None:
    """By name in the first lines, and then not among the warnings; the honest model has no such line."""
    copier = crafted(constant_reply)
    assert exposed(copier)[0].startswith("- **Copies the majority class.** On Hand-written news, sentiment is Neutral")
    assert not any("Copies the majority" in text for text in warnings(copier))
    assert exposed(crafted(lost_reply)) == exposed(crafted(good_reply)) == []


def test_a_name_that_fits_many_sets_is_told_twice_and_then_counted() -> None:
    """The first lines stay few: what is left of one name stands in the warnings."""
    run = run_of(planted.random_labels, 1, list(planted.TASKS)[:2])
    assert len(exposures(run)) == 4
    assert [line[:21] for line in exposed(run)] == ["- **Labels at random."] * 2 + ["- **Labels at random*"]
    assert "2 times more: see the warnings" in exposed(run)[2]
    figures = {name: figure(name, rows).row() for rows in run.verdicts["adapter"].values() for name in HEADLINE}
    card = {"metrics": figures, "failed": 0, "n": 320, "n_total": 320}
    cards = dict.fromkeys(run.verdicts["adapter"], card)
    told = warnings(replace(run, scores={"adapter": {"tasks": cards}}))
    assert sum(text.startswith("**Labels at random.**") for text in told) == 2


def test_failed_and_missing_items_are_warned_of() -> None:
    """Counted in the scorecard, said in the report."""
    run = crafted(good_reply)
    card = run.scores["adapter"]["tasks"]["finsight"]
    assert (
        "2 items failed"
        in warnings(replace(run, scores={"adapter": {"tasks": {"finsight": {**card, "failed": 2}}}}))[0]
    )
    assert (
        "only 90 of 120"
        in warnings(replace(run, scores={"adapter": {"tasks": {"finsight": {**card, "n_total": 120}}}}))[0]
    )


def test_the_worst_error_comes_first() -> None:
    """Opposite labels of another company are worse than one step off; an unreadable reply is counted elsewhere."""
    item = make_item(0)  # Positive, High
    wrong = verdict_of(item, render(Answer("x", "Another", "Negative", "Low")))
    near = verdict_of(item, render(Answer("x", item.entity, "Neutral", "High")))
    assert (severity(wrong), severity(near), severity(verdict_of(item, ""))) == (5, 1, 0)
    assert severity(verdict_of(item, gold_reply(item))) == 0
    assert worst_errors(crafted(gold_reply)) == "None of the readable answers is wrong."
