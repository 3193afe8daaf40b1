"""The training set: the student's prompt, targets that keep the contract, no benchmark item, the same bytes twice."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from distill import export, llamafactory
from finsight_eval import jsonl, manifest, parse, prompt
from tests.distill.conftest import item, seal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.distill.conftest import House

LABELS = ("Positive", "Positive", "Positive", "Neutral", "Negative", "Negative")


def accepted(number: int, text: str, sentiment: str = "Positive", reply: str | None = None) -> jsonl.Row:
    answer = parse.Answer("orders rise -> revenue grows", "Acme", sentiment, "Low")
    return {
        "id": f"n-{number}",
        "lang": "en",
        "text": text,
        "reply": reply or parse.render(answer),
        "entity": "Acme",
        "sentiment": sentiment,
        "risk_level": "Low",
    }


def stories(count: int) -> list[jsonl.Row]:
    """Return rows that resemble neither one another nor the house's benchmark."""
    things = ("shipyard", "telescope", "bakery", "quarry", "orchestra", "vineyard")
    return [
        accepted(n, f"Acme sells {n + 2} cranes to a {things[n]}, {things[n]} owners said.", LABELS[n])
        for n in range(count)
    ]


def verified(house: House, rows: list[jsonl.Row]) -> None:
    """Write finished prepare, generate and verify stages by hand."""
    jsonl.write_lines(house.run / "verify" / "accepted.jsonl", rows)
    accounts = {"in": len(rows) + 1, "accepted": len(rows), "rejected": 1, "failed": 0, "reasons": {"no JSON": 1}}
    accounts |= {"failures": {"HTTP 500 | <b>": 1}, "how": {"as given": len(rows)}, "stated_conclusions": 1}
    accounts |= {"agreement": {"1": 4, "0.6667": 2}, "grounding": {"rows": 3, "mean": 0.9, "least": 0.7}}
    rate = {"differ": 2, "share": 0.4, "low": 0.1, "high": 0.8}
    accounts["direct"] = {"asked": 6, "unusable": 1, "compared": 5, "sentiment": rate}
    jsonl.write(house.run / "verify" / "accounts.json", accounts)
    line = {"day": "2026-11-22", "model": "`evil` | <script>alert(1)</script>", "kind": "reasoned", "peak": True}
    line |= {"answers": 3, "prompt_tokens": 1000, "cached_tokens": 10, "completion_tokens": 100, "usd": 0.1234}
    usage = {
        "source": "file",
        "teacher": {"host": "api.example", "model": "m-1"},
        "prompt": "0123456789ab",
        "price_date": "2026-11",
        "texts": len(rows) + 1,
        "attempts": 9,
        "prompt_tokens": 1000,
        "cached_tokens": 10,
        "completion_tokens": 100,
        "unmetered": 0,
        "misstated": 2,
        "usd": 0.1234,
        "served_models": {"`evil` | <script>alert(1)</script>": 3},
        "ledger": [line],
    }
    jsonl.write(house.run / "generate" / "usage.json", usage)
    prepared = {
        "read": len(rows) + 5,
        "kept": len(rows) + 1,
        "unreadable": 1,
        "removed": {"benchmark item": 1, "too long": 2},
    }
    jsonl.write(house.run / "prepare" / "accounts.json", prepared)
    pair = {"id": "n-90", "set": "little", "item": "b-1", "kind": "equal", "share": 1.0}
    jsonl.write(house.run / "prepare" / "overlap.json", {"removed": [pair]})
    for stage in ("verify", "generate", "prepare"):
        folder = house.run / stage
        jsonl.write(folder / manifest.NAME, {"outputs": manifest.outputs_of(folder)})


def exported(house: House, rows: list[jsonl.Row], **changes: Any) -> int:
    house.write_recipe("embedded", **changes)
    verified(house, rows)
    return export.main(house.arguments())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in manifest.files_below(folder)}


def test_rows_are_the_evaluation_prompt_and_a_reply_of_the_contract(house: House) -> None:
    """Prompt: the student's, as evaluation asks it. Completion: rendered anew, so an odd layout is not learnt."""
    odd = '\n<thinking>orders rise</thinking>{"sentiment":"Positive",  "risk_level":"Low","entity":" Acme "}\n'
    assert exported(house, [accepted(0, "Acme sells cranes.", reply=odd)]) == 0
    (row,) = house.rows("export/sft.jsonl")
    assert row["prompt"] == [{"role": "user", "content": prompt.student_prompt("Acme sells cranes.")}]
    wanted = '<thinking>\norders rise\n</thinking>\n{"entity": "Acme", "sentiment": "Positive", "risk_level": "Low"}'
    assert row["completion"] == [{"role": "assistant", "content": wanted}]
    assert list(row) == ["id", "prompt", "completion"]


def test_duplicates_go_and_the_first_stays(house: House) -> None:
    """Equal texts, case and punctuation apart, are learnt once; the record says which row stood for which."""
    rows = [*stories(2), accepted(7, "ACME sells 2 cranes to a shipyard; shipyard owners said")]
    assert exported(house, rows) == 0
    assert [row["id"] for row in house.rows("export/sft.jsonl")] == ["n-0", "n-1"]
    record = jsonl.read(house.run / "export" / "overlap.json")
    assert record["duplicates"] == [{"id": "n-7", "same_as": "n-0"}]


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_benchmark_item_gets_in(house: House, split: str) -> None:
    """Items of either split are removed, and the record names row, set, item and kind."""
    theirs = {"dev": item(1, "Borealis renews a lease."), "test": item(2, "Cedar Bank names a new auditor.")}
    seal(house.root / "benchmarks" / "little", {name: [one] for name, one in theirs.items()})
    copy = accepted(9, f"Breaking: {theirs[split].text}")
    assert exported(house, [*stories(2), copy]) == 0
    assert [row["id"] for row in house.rows("export/sft.jsonl")] == ["n-0", "n-1"]
    record = jsonl.read(house.run / "export" / "overlap.json")
    before, pair = record["removed"]
    assert before["id"] == "n-90"
    assert record["removed_by_set"] == {"little": 2}
    assert record["checked"] == 4
    assert (pair["id"], pair["set"], pair["item"], pair["kind"]) == ("n-9", "little", theirs[split].id, "contained")
    assert record["sets"]["little"]["sha256"][split] == manifest.sha256(
        house.root / "benchmarks" / "little" / f"{split}.jsonl"
    )
    assert record["highest_share_kept"] < record["threshold"]


@pytest.mark.parametrize(("threshold", "kept"), [(0.6, ["n-0"]), (1.0, ["n-0", "n-9"])])
def test_threshold_of_the_recipe_decides(house: House, threshold: float, kept: list[str]) -> None:
    """A reworded item is removed where it shares more than the threshold, and only there."""
    near = accepted(9, "Borealis names a new chairman after the yearly tender; terms stay as they were.")
    assert exported(house, [*stories(1), near], overlap_threshold=threshold) == 0
    assert [row["id"] for row in house.rows("export/sft.jsonl")] == kept


def test_shared_companies_are_recorded(house: House) -> None:
    """The record says which benchmark entities the training rows mention, and which the teacher named."""
    sets = {"dev": [item(1, "A routine lease.", entity="Acme")], "test": [item(2, "A new auditor.", entity="Borealis")]}
    seal(house.root / "benchmarks" / "little", sets)
    assert exported(house, stories(2)) == 0
    found = jsonl.read(house.run / "export" / "overlap.json")["sets"]["little"]
    assert (found["entities"], found["mentioned_in_training"], found["answered_in_training"]) == (2, ["Acme"], ["acme"])


@pytest.mark.parametrize(("balance", "kept"), [(False, [3, 1, 2]), (True, [1, 1, 1])])
def test_balance_cuts_to_the_rarest_class(house: House, balance: bool, kept: list[int]) -> None:
    """With balance every sentiment has as many rows as the rarest; without it nothing is cut."""
    assert exported(house, stories(6), balance=balance) == 0
    replies = [row["completion"][0]["content"] for row in house.rows("export/sft.jsonl")]
    assert [sum(f'"{label}"' in reply for reply in replies) for label in ("Positive", "Neutral", "Negative")] == kept


@pytest.mark.parametrize("balance", [False, True])
def test_same_input_gives_the_same_bytes(house: House, balance: bool) -> None:
    """Every file of the export is identical when it is made again from scratch."""
    assert exported(house, stories(6), balance=balance) == 0
    before = contents(house.run / "export")
    (house.run / "export" / manifest.NAME).unlink()
    assert export.main(house.arguments()) == 0
    assert contents(house.run / "export") == before
    assert len(before) == 7
    assert "eval_dataset" not in before["train.yaml"].decode()


def test_llamafactory_files_hold_the_same_rows(house: House) -> None:
    """Both forms and the registry agree with sft.jsonl, and the YAML says what the predecessor's left out."""
    assert exported(house, stories(3)) == 0
    folder = house.run / "export" / "llamafactory"
    rows = house.rows("export/sft.jsonl")
    registry = jsonl.read(folder / "dataset_info.json")
    alpaca = json.loads((folder / registry["finsight_alpaca"]["file_name"]).read_text())
    sharegpt = json.loads((folder / registry["finsight_sharegpt"]["file_name"]).read_text())
    asked = [row["prompt"][0]["content"] for row in rows]
    told = [row["completion"][0]["content"] for row in rows]
    assert [(row["instruction"], row["input"], row["output"]) for row in alpaca] == [
        (prompt_, "", reply) for prompt_, reply in zip(asked, told, strict=True)
    ]
    assert [[turn["value"] for turn in row["conversations"]] for row in sharegpt] == [
        list(pair) for pair in zip(asked, told, strict=True)
    ]
    train = yaml.safe_load((folder / "train.yaml").read_text())
    assert train["dataset"] in registry
    assert (train["quantization_bit"], train["quantization_type"], train["double_quantization"]) == (4, "nf4", True)
    assert (train["lora_rank"], train["lora_alpha"], train["learning_rate"]) == (16, 32, 2e-4)
    assert train["dataset_dir"] == folder.as_posix()
    assert train["output_dir"] == (house.run / "llamafactory").as_posix()
    assert registry == llamafactory.REGISTRY


def test_card_states_what_is_in_the_set(house: House) -> None:
    """Counts, mix, reasons, teacher and cost are on the card; a served model's name cannot break out of its cell."""
    assert exported(house, stories(6)) == 0
    card = (house.run / "export" / "card.md").read_text()
    for line in (
        "6 rows; news of the user's own",
        "| Positive | 3 | 50.0 % |",
        "| Neutral | 1 | 16.7 % |",
        "| rejected: no JSON | 1 |",
        "| failed: HTTP 500  b | 1 |",
        "| rows read | 11 |",
        "| before asking: too long | 2 |",
        "| too close to a benchmark item since | 0 |",
        "| 2026-11-22 | `evil  scriptalert(1)/script` | reasoned | peak | 3 | 1,000 | 10 | 100 | 0.1234 |",
        "2 answers reported a usage that contradicts itself.",
        "Share of the samples of a text that agree: 1 in 4, 0.6667 in 2 texts.",
        "| sentiment | 2 | 40.0% | 10.0% to 80.0% |",
        "90.0% on average over 3 rows that have any, 70% at least",
        "Not checked, for their files were absent: fpb, fiqa,",
        "| **kept** | **6** |",
        "0.1234 USD at the prices of `2026-11`",
        "`evil  scriptalert(1)/script` (3)",
    ):
        assert line in card
    assert "<script" not in card


def test_the_split_is_fixed_by_id(house: House) -> None:
    """A row is held out for its id alone: more rows move none, another share only adds; both files are disjoint."""
    names = [f"n-{n}" for n in range(4000)]
    small = {name for name in names if export.is_held_out(name, 0.1)}
    large = {name for name in names if export.is_held_out(name, 0.2)}
    assert small < large
    assert 320 < len(small) < 480
    assert not any(export.is_held_out(name, 0.0) for name in names)
    rows = [
        {**row, "id": name}
        for row, name in zip(stories(3), [*sorted(small)[:1], *sorted(set(names) - small)[:2]], strict=True)
    ]
    assert exported(house, rows, held_out=0.1) == 0
    assert [row["id"] for row in house.rows("export/held_out.jsonl")] == sorted(small)[:1]
    assert [row["id"] for row in house.rows("export/sft.jsonl")] == sorted(set(names) - small)[:2]
    folder = house.run / "export" / "llamafactory"
    registry = jsonl.read(folder / "dataset_info.json")
    aside = json.loads((folder / registry[llamafactory.HELD_OUT]["file_name"]).read_text())
    train = yaml.safe_load((folder / "train.yaml").read_text())
    assert len(aside) == 1
    assert (train["eval_dataset"], train["eval_strategy"]) == (llamafactory.HELD_OUT, "epoch")
    assert "| of these held out | 1 |" in (house.run / "export" / "card.md").read_text()


def test_all_rows_held_out_is_an_error(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A training set without training rows is not written."""
    name = next(f"n-{n}" for n in range(4000) if export.is_held_out(f"n-{n}", 0.1))
    assert exported(house, [{**stories(1)[0], "id": name}], held_out=0.1) == 2
    assert "all 1 rows are held out" in capsys.readouterr().err


def test_nothing_left_is_an_error(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A training set without rows is not written."""
    text = "Borealis names a new auditor after the yearly tender; terms stay as they were."
    assert exported(house, [accepted(0, text)]) == 2
    assert "no row is left to learn from (1 were accepted)" in capsys.readouterr().err
    assert not (house.run / "export").exists()


def test_no_benchmark_no_export(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a benchmark to keep apart from there is no training set: an empty check is no check."""
    (house.root / "benchmarks" / "little" / manifest.NAME).unlink()
    assert exported(house, stories(1)) == 2
    assert "no benchmark set" in capsys.readouterr().err
