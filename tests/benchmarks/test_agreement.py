"""Agreement of two readers: figures before settlement, and nothing unaccounted for."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from benchmarks import agreement, readings, sets
from finsight_eval import jsonl
from finsight_eval.labels import RISK_LEVELS
from finsight_eval.records import Item

ROOT = Path(__file__).parents[2]
SETS = ("news", "counterfactual", "adversarial")


def item(number: int, **changes: Any) -> Item:
    values: dict[str, Any] = {
        "id": f"news-en-{number:03}", "lang": "en", "text": f"Text {number}.", "entity": "Acme", "aliases": (),
        "sentiment": "Positive", "risk_level": "Low", "sector": "retail", "event": "recall", "order": 1, "features": (),
    }  # fmt: skip
    return Item(**(values | changes))


def reading(of: Item, **changes: str) -> dict[str, str]:
    row = {
        "id": of.id, "text": readings.text_mark(of.text), "entity": of.entity, "sentiment": of.sentiment,
        "risk_level": of.risk_level, "reader": "reader-01", "date": "2026-11-22", "why": "rule 7",
    }  # fmt: skip
    return row | changes


ITEM = item(1)
SECOND = reading(ITEM, risk_level="Medium")


def problems(first: list[dict[str, str]], second: list[dict[str, str]], dispute: dict[str, str] | None) -> list[str]:
    disputes = {ITEM.id: {"id": ITEM.id, "reason": "why", **dispute}} if dispute else {}
    return readings.problems([ITEM], readings.Readings({ITEM.id: first}, {ITEM.id: second}, disputes))


OLD = reading(ITEM, text="00000000")


@pytest.mark.parametrize(
    ("first", "second", "dispute"),
    [
        ([reading(ITEM)], [reading(ITEM)], None),
        ([reading(ITEM)], [reading(ITEM, entity="Acme plc")], None),
        ([reading(ITEM)], [SECOND], {"settled": "first"}),
        ([SECOND], [reading(ITEM)], {"settled": "second"}),
        ([OLD, reading(ITEM)], [OLD, reading(ITEM)], {"settled": "rewritten"}),
    ],
)
def test_what_is_accounted_for_passes(
    first: list[dict[str, str]], second: list[dict[str, str]], dispute: dict[str, str] | None
) -> None:
    """Readers that agree, and disputes that are settled for the gold."""
    assert problems(first, second, dispute) == []


@pytest.mark.parametrize(
    ("first", "second", "dispute", "said"),
    [
        ([reading(ITEM)], [SECOND], None, "the readers differ and readings/disputes.jsonl does not settle it"),
        ([reading(ITEM)], [SECOND], {"settled": "second"}, "settled for the second reader's Positive/Medium, the gold"),
        ([SECOND], [SECOND], None, "both readers say Positive/Medium, the gold is Positive/Low"),
        ([OLD], [reading(ITEM)], None, "the first reader's last reading is of another text"),
        ([reading(ITEM)], [OLD], None, "the second reader's last reading is of another text"),
        ([OLD, reading(ITEM)], [OLD, reading(ITEM)], None, "an item is read again where, and only where"),
        ([OLD, reading(ITEM)], [OLD, SECOND], {"settled": "rewritten"}, "the readers differ and"),
    ],
)
def test_what_is_not_accounted_for_is_named(
    first: list[dict[str, str]], second: list[dict[str, str]], dispute: dict[str, str] | None, said: str
) -> None:
    """Each open end is a line with the item's id."""
    found = problems(first, second, dispute)
    assert any(said in one for one in found)
    assert all(one.startswith(ITEM.id) for one in found)


def test_an_unread_item_and_a_stray_reading_are_named() -> None:
    """Every item was read twice, and nothing else was read."""
    found = readings.problems([item(2)], readings.Readings({ITEM.id: [reading(ITEM)]}, {}, {}))
    assert found == [
        "news-en-002: read by 0 of two readers; let the other one read it",
        "news-en-001: stands in readings but is no item of the set; remove it",
    ]


def test_the_figures_are_those_of_scikit_learn_before_settlement() -> None:
    """Kappa is over the first readings, quadratic for risk; later readings of rewritten items do not improve it."""
    levels = ["High", "Low", "Low", "Medium", "High", "Medium"]
    others = ["High", "Low", "Medium", "Low", "High", "Medium"]
    items = [item(number, risk_level=level) for number, level in enumerate(levels)]
    first = {one.id: [reading(one), reading(one)] for one in items}
    second = {one.id: [reading(one, risk_level=o), reading(one)] for one, o in zip(items, others, strict=True)}
    found = agreement.figures(items, readings.Readings(first, second, {}))["risk_level"]
    ranks = [[RISK_LEVELS.index(level) for level in side] for side in (levels, others)]
    assert found["kappa"] == pytest.approx(cohen_kappa_score(*ranks, weights="quadratic"))
    assert found["same"] == pytest.approx(4 / 6)


@pytest.mark.parametrize("name", SETS)
def test_the_shipped_sets_are_accounted_for(name: str) -> None:
    """Every item of ours was read twice, every dispute is settled, the aims are met and the page is today's."""
    folder = ROOT / "benchmarks" / name
    placed, wrong = sets.read_set(folder)
    assert wrong == []
    items, found = [one.item for one in placed], readings.read(folder)
    assert readings.problems(items, found) == []
    figures = agreement.figures(items, found)
    assert figures["sentiment"]["kappa"] >= 0.80
    assert figures["risk_level"]["kappa"] >= 0.70
    assert (folder / agreement.PAGE).read_text(encoding="utf-8") == agreement.page(name, items, found)


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("first", '{"id": "news-en-001"}', "the keys are id, text"),
        ("second", jsonl.dumps(reading(ITEM, risk_level="None")), "risk_level 'None' is not one of High, Medium, Low"),
        ("disputes", '{"id": "news-en-001", "settled": "dropped", "reason": "x"}', "settled first or second or rewr"),
    ],
)
def test_a_broken_reading_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, line: str, said: str
) -> None:
    """File, line and what is expected; exit code 2."""
    shutil.copytree(ROOT / "benchmarks" / "adversarial", tmp_path / "adversarial")
    path = tmp_path / "adversarial" / "readings" / f"{file}.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    assert agreement.main([str(tmp_path / "adversarial")]) == 2
    assert f"{file}.jsonl:1: " in (err := capsys.readouterr().err)
    assert said in err
