"""The report's evidence: what agreement is worth, what replies cost, what flipped; a claim only where it is borne."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from finsight_eval.parse import Answer, render
from finsight_eval.plotting.intervals import standing_of
from finsight_eval.plotting.training import smoothed
from finsight_eval.plotting.value import decades
from finsight_eval.records import PublicItem
from finsight_eval.reporting.costs import Cost, costs, costs_table, labelling_sentence, training_seconds
from finsight_eval.reporting.data import Run
from finsight_eval.reporting.layout import Section, anchor, contents, folded, noted_table
from finsight_eval.reporting.numbers import p_words
from finsight_eval.reporting.public_figures import public_table
from finsight_eval.reporting.reliability import reliability, reliability_sentence, worth
from finsight_eval.reporting.words import flips_section
from finsight_eval.scorecard import scorecard
from finsight_eval.verdicts import Labels, Verdict, verdict_of
from tests.finsight_eval.synthetic_run import make_item

WRONG = {"Positive": "Negative", "Neutral": "Positive", "Negative": "Neutral"}


def judged(number: int, *, adapter: bool, teacher: bool) -> Verdict:
    """Return the verdict on an item that adapter and teacher get right or wrong; both are wrong in different ways."""
    item = make_item(number)
    said = item.sentiment if adapter else WRONG[item.sentiment]
    taught = item.sentiment if teacher else WRONG[WRONG[item.sentiment]]
    reply = render(Answer("x", item.entity, said, item.risk_level))
    return verdict_of(item, reply, Labels(taught, item.risk_level))


def mixed(both: int, adapter: int, teacher: int, neither: int) -> list[Verdict]:
    """Return verdicts of which so many are right of both, of one alone, of neither."""
    kinds = [(True, True)] * both + [(True, False)] * adapter + [(False, True)] * teacher + [(False, False)] * neither
    return [judged(number, adapter=a, teacher=t) for number, (a, t) in enumerate(kinds)]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (mixed(60, 60, 10, 10), "**Agreeing more would make it worse here:**"),
        (mixed(60, 20, 18, 22), "Agreement is a sign of being right here."),
        (mixed(60, 5, 40, 20), "Agreement is a sign of being right here."),
        (mixed(60, 12, 8, 0)[40:], "Agreement is a sign of being right here."),
        (mixed(2, 1, 1, 0), "Agreement is not shown to be a sign"),
        (mixed(60, 0, 0, 0), "What it is worth cannot be said"),
        (mixed(0, 10, 10, 0), "What it is worth cannot be said"),
    ],
)
def test_agreement_is_worth_what_the_gold_labels_say(verdicts: list[Verdict], said: str) -> None:
    """Each outcome has its sentence, and none is claimed on a handful of items."""
    found = reliability(verdicts)
    assert found is not None
    assert worth(found).startswith(said)


def test_agreement_is_counted_over_the_items_that_the_teacher_answered() -> None:
    """Both right, adapter alone, teacher alone; an unreadable reply differs; without a teacher there is nothing."""
    verdicts = [*mixed(30, 6, 3, 1), verdict_of(make_item(50), "", Labels(*right(50))), verdict_of(make_item(51), "")]
    found = reliability(verdicts)
    assert found is not None
    counts = [(share.hits, share.n) for share in (found.agree, found.adapter, found.teacher)]
    assert counts == [(30, 30), (6, 11), (4, 11)]
    assert "right in 30 of 30 (100%, 95 % interval 89% to 100%)" in reliability_sentence(found)
    assert reliability([verdict_of(make_item(1), "")]) is None


def right(number: int) -> tuple[str, str]:
    item = make_item(number)
    return item.sentiment, item.risk_level


def run_of(task: str, verdicts: dict[str, list[Verdict]], **changes: Any) -> Run:
    """Return a run of one task, scored."""
    cards = {
        model: {"tasks": {task: {**scorecard(found, len(found)), "benchmark": None}}}
        for model, found in verdicts.items()
    }
    whole = Run("nano", cards, {m: {task: v} for m, v in verdicts.items()}, {"checks": []}, [], [], [], None, {})
    return replace(whole, **changes)


def costly(**manifests: Any) -> Run:
    """Return a run of 40 items with the manifests given, "__" standing for the slash of a stage's name."""
    verdicts = mixed(30, 6, 3, 1)
    made = {name.replace("__", "/"): found for name, found in manifests.items()}
    return run_of("finsight", {"base": verdicts, "adapter": verdicts}, manifests=made)


PAID = {"texts": 1000, "asked_now": 1000, "usd": 0.25, "unmetered": 0}


@pytest.mark.parametrize(
    ("manifests", "model", "seconds", "usd"),
    [
        ({"eval__adapter": {"seconds": 8.0}}, "adapter", 200.0, None),
        ({"eval__adapter": {"seconds": 8.0}}, "base", None, None),
        ({"teacher": {"seconds": 5.0, "facts": PAID}}, "teacher", 5.0, 0.25),
        ({"teacher": {"seconds": 5.0, "facts": {**PAID, "usd": 0.0}}}, "teacher", 5.0, 0.0),
        ({"teacher": {"seconds": 5.0, "facts": {**PAID, "unmetered": 3}}}, "teacher", 5.0, None),
        ({"teacher": {"seconds": 0.1, "facts": {**PAID, "asked_now": 0}}}, "teacher", None, 0.25),
        ({"teacher": {"seconds": 5.0, "facts": {**PAID, "asked_now": 500}}}, "teacher", 10.0, 0.25),
        ({"teacher": {"seconds": 5.0, "facts": {}}}, "teacher", None, None),
        ({"teacher": {"seconds": True, "facts": {"texts": "many", "usd": "dear"}}}, "teacher", None, None),
    ],
)
def test_costs_are_those_of_the_manifests(
    manifests: dict[str, Any], model: str, seconds: float | None, usd: float | None
) -> None:
    """Time per reply made now, price per reply paid for; what no manifest says is unknown, and 0 USD is not unknown."""
    found = {cost.model: cost for cost in costs(costly(**manifests))}[model]
    assert (found.seconds_per_1000(), found.usd_per_1000()) == (seconds, usd)


@pytest.mark.parametrize(
    ("train", "seconds"),
    [
        ({"seconds": 243.9, "facts": {"seconds": 223.9}}, 223.9),
        ({"seconds": 243.9, "facts": {"rows": 1500}}, 243.9),
        ({"seconds": 243.9}, 243.9),
        ({"seconds": True, "facts": {"seconds": "long"}}, None),
        ({}, None),
    ],
)
def test_training_took_its_steps_or_else_its_stage(train: dict[str, Any], seconds: float | None) -> None:
    """The same time in every page: that of the steps, without loading and saving, where it was recorded."""
    assert training_seconds(train) == seconds


@pytest.mark.parametrize(
    ("p", "words"), [(0.04, "p = 0.040"), (0.001, "p = 0.001"), (0.00099, "p < 0.001"), (1.0, "p = 1.000")]
)
def test_a_p_is_worded_alike_on_every_page(p: float, words: str) -> None:
    """Three decimals, and a bound where they would say nought."""
    assert p_words(p) == words


def test_unknown_costs_say_what_is_missing() -> None:
    """n/a with its reason; an account that is not complete says "at least"."""
    run = costly(
        teacher={"seconds": 5.0, "facts": {**PAID, "unmetered": 3}}, generate={"facts": {**PAID, "unmetered": 3}}
    )
    assert "| base | 40 | n/a ¹ | n/a ² |" in costs_table(run)
    assert "¹ no time recorded; ² no price is recorded" in costs_table(run)
    assert "not every answer came with its usage" in costs_table(run)
    assert "at least 0.25 USD (prices: n/a): 3 answers came without their usage" in labelling_sentence(run)
    assert Cost("teacher", 0, 1.0).seconds_per_1000() is None


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("The gate's verdict", "the-gates-verdict"),
        ("At a glance", "at-a-glance"),
        ("Cost, and quality (1,000)", "cost-and-quality-1000"),
        ("a_b - c", "a_b---c"),
    ],
)
def test_anchors_are_those_of_github(title: str, expected: str) -> None:
    """Lower case, hyphens for blanks, no other punctuation."""
    assert anchor(title) == expected
    assert contents([Section(title, "", "")]) == f"[{title}](#{expected})"


def test_reasons_are_noted_once() -> None:
    """Two cells of one reason share a mark; a number and a bare n/a keep their cell; no reason, no note."""
    rows = [("a", "n/a (gone)", "0.5"), ("b", "n/a (gone)", "n/a (never was)"), ("c", "n/a", "")]
    lines = noted_table(("", "x", "y"), rows).split("\n")
    assert lines[2:] == ["| a | n/a ¹ | 0.5 |", "| b | n/a ¹ | n/a ² |", "| c | n/a |  |", "", "¹ gone; ² never was."]
    assert noted_table(("x",), [("1",)]).endswith("| 1 |")
    assert "n/a (reason 9)" in noted_table(("x",), [(f"n/a (reason {i})",) for i in range(10)])


def test_a_folded_block_keeps_its_markdown() -> None:
    """GitHub reads Markdown inside a block only after a blank line."""
    assert folded("All", "| a |") == "<details><summary>All</summary>\n\n| a |\n\n</details>"


def flipped(run: Run, against: str) -> Run:
    rows = [
        {"id": v.item.id, "gold": "x/y", "before": "no JSON", "after": "<b>|"}
        for v in run.verdicts["adapter"]["finsight"]
    ]
    return replace(
        run, gate={"flips": {"against": against, "tasks": {"finsight": {"broken": rows[:1], "fixed": rows[1:]}}}}
    )


def test_flips_come_with_the_models_own_words() -> None:
    """Broken before fixed, a few quoted, all counted and listed; the words before are known for the base only."""
    hostile = "</details>```\n<script>"
    base = [verdict_of(make_item(number), hostile) for number in range(60)]
    run = run_of("finsight", {"base": base, "adapter": mixed(60, 0, 0, 0)})
    text = flips_section(flipped(run, "base"))
    assert "against the base: 1 broken, 59 fixed." in text
    assert [line.split(":")[0] for line in text.split("\n") if "<summary>" in line] == [
        "<details><summary>Broken",
        *["<details><summary>Fixed"] * 2,
        "<details><summary>The first 50 of 60, by label",
    ]
    assert f"````text\n{hostile}\n````" in text
    assert "&#60;b&#62;&#124;" in text
    assert "<b>" not in text
    assert hostile not in flips_section(flipped(run, "accepted baseline"))
    assert flips_section(run).startswith("n/a (gate.json lists no flips")


def test_texts_of_public_sets_are_not_quoted() -> None:
    """Other people's texts stay out of a report: their flips are listed by label."""
    items = [PublicItem(f"fpb-{number}", "en", f"secret {number}", None, "Neutral") for number in range(12)]
    verdicts = [verdict_of(item, render(Answer("x", "y", "Neutral", "Low"))) for item in items]
    run = run_of("finsight", {"base": verdicts, "adapter": verdicts})
    text = flips_section(flipped(run, "base"))
    assert "fpb-3" in text
    assert "secret" not in text


def test_published_figures_stand_beside_ours_by_kind_of_f1() -> None:
    """Macro, weighted and FinGPT's scorer are told apart, with what becomes of unreadable answers; floors have none."""
    items = [PublicItem(f"fpb-{n}", "en", f"t {n}", None, ("Neutral", "Positive")[n % 2]) for n in range(40)]
    replies = [render(Answer("x", "y", item.sentiment, "Low")) if n % 4 else "" for n, item in enumerate(items)]
    verdicts = [verdict_of(item, reply) for item, reply in zip(items, replies, strict=True)]
    text = public_table(run_of("finsight_fpb", {"base": verdicts, "adapter": verdicts}))
    rows = [line for line in text.split("\n") if "adapter" in line or "FinBERT" in line or "most frequent" in line]
    assert [[cell.strip() for cell in row.split("|")][2:4] for row in rows] == [
        ["macro F1", "counts as wrong"],
        ["weighted F1", "counts as wrong"],
        ["weighted F1, FinGPT's scorer", "counts as neutral"],
        ["macro F1", "none"],
        ["weighted F1", "none"],
        ["weighted F1", "none: a classifier, trained on FPB"],
    ]
    assert all("(n 40)" in row for row in rows[:3])
    assert rows[-1].endswith("| 0.880 |")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.6, 0.9, "above"), (0.1, 0.4, "below"), (0.4, 0.6, "within"), (0.5, 0.9, "within"), (None, None, "within")],
)
def test_a_slice_stands_out_with_its_whole_interval(low: float | None, high: float | None, expected: str) -> None:
    """Colour is for slices that chance does not explain; an interval that touches the overall figure gets none."""
    assert standing_of({"value": 0.5, "low": low, "high": high}, 0.5) == expected


def test_the_smoothed_loss_is_a_running_median() -> None:
    """One odd batch does not move it, a lasting change does, and a short curve is left as it is."""
    flat = [1.0] * 80
    assert smoothed([*flat[:40], 9.0, *flat[41:]]) == flat
    assert smoothed([*flat, *[2.0] * 80])[-1] == 2.0
    assert smoothed([3.0, 1.0, 2.0]) == [3.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("least", "most", "labels"), [(4.6, 160, ["3", "10", "30", "100", "300"]), (0.2, 0.2, ["0.1", "0.3"])]
)
def test_ticks_of_the_time_axis_cover_the_range(least: float, most: float, labels: list[str]) -> None:
    """1 and 3 in each decade, from half the least to twice the most."""
    assert decades(least, most)[1] == labels
