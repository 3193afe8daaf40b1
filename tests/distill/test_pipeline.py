"""From a messy corpus to a training set: samples, bare labels, follow-ups, failures, and accounts that close."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from distill import export, generate, verify
from finsight_eval import jsonl
from finsight_eval.parse import Answer, parse, render
from tests.distill.mock_teacher import MockTeacher, Say, completion, problem

if TYPE_CHECKING:
    from tests.distill.conftest import House
    from tests.distill.mock_teacher import Ask

THINGS = ("shipyard", "telescope", "bakery", "quarry", "orchestra", "vineyard", "brewery", "tannery", "foundry", "mill")
ROWS = 40


def corpus(house: House) -> None:
    """Write a CSV of forty stories, with an empty cell, a duplicate and a benchmark item among them."""
    lines = ["code,story"]
    for n in range(ROWS):
        thing, other = THINGS[n % 10], THINGS[(n // 4 + 3) % 10]
        lines.append(
            f'{n},"Acme sells cranes to the {thing} of town {n}, while a {other} nearby cancels lot {n * 37}."'
        )
    lines += ["90,", lines[3].replace("2,", "91,", 1)]
    lines += ["92,Borealis names a new auditor after the yearly tender; terms stay as they were."]
    house.corpus = house.root / "news.csv"
    house.corpus.write_text("\n".join(lines) + "\n")


def teacher(ask: Ask) -> Say:
    """Answer as teachers do: mostly well, sometimes cut, in prose, wrong, or not at all; settled by the request."""
    turns = ask.body["messages"]
    digest = int(hashlib.sha256(repr((turns, ask.number % 3)).encode()).hexdigest()[:8], 16)
    mood = ("Positive", "Positive", "Positive", "Neutral")[digest % 4]
    good = render(Answer("orders rise -> revenue grows", "Acme", mood, "Low"))
    if "JSON object alone" in turns[0]["content"]:
        return Say(body=completion(good.rpartition("\n")[2] if digest % 9 else "Positive"))
    says = {
        0: Say(400, problem("too long")),
        1: Say(body=completion("It looks fine.")),
        2: Say(body=completion(good[:30], "length")),
        3: Say(body=completion(f"Sure!\n{good}")),
        4: Say(body=completion(good.replace("orders rise", "99 orders"))),
        5: Say(body=completion(None)),
    }
    return says.get(digest % 12, Say(body=completion(good)))


@pytest.mark.parametrize("samples", [1, 3])
def test_the_accounts_close_from_the_file_to_the_training_set(house: House, samples: int) -> None:
    """Read = unreadable + removed + asked; asked = kept + rejected(reason) + failed(reason), in every stage."""
    corpus(house)
    more = {"samples": samples, "agreement": 0.6, "direct": True, "follow_ups": 2, "temperature": 0.7, "held_out": 0.2}
    with MockTeacher(teacher) as mock:
        house.write_recipe(mock.base_url, **more)
        flags = ["--corpus", str(house.corpus), "--text", "story", "--id", "code"]
        assert generate.main([*house.arguments(), *flags]) in {0, 1}
    assert verify.main(house.arguments()) == 0
    assert export.main(house.arguments()) == 0
    prepared, found = (jsonl.read(house.run / stage / "accounts.json") for stage in ("prepare", "verify"))
    assert prepared == {
        "read": ROWS + 3,
        "kept": ROWS,
        "unreadable": 1,
        "removed": {"benchmark item": 1, "duplicate": 1},
    }
    assert found["in"] == ROWS == found["accepted"] + sum(found["reasons"].values()) + sum(found["failures"].values())
    assert set(found["how"]) >= {"as given", "repaired"}
    assert found["direct"]["asked"] == found["direct"]["compared"] + found["direct"]["unusable"]
    assert ("agreement" in found) is (samples > 1)
    trained, aside = house.rows("export/sft.jsonl"), house.rows("export/held_out.jsonl")
    assert len(trained) + len(aside) == found["accepted"]
    assert all(isinstance(parse(row["completion"][0]["content"]), Answer) for row in [*trained, *aside])
    assert f"| **kept** | **{found['accepted']}** |" in (house.run / "export" / "card.md").read_text()
    facts = house.manifest("generate")["facts"]
    assert sum(line["answers"] for line in facts["ledger"]) == facts["distinct"]
    assert {"reasoned", "direct", "again"} <= {line["kind"] for line in facts["ledger"]}


def test_rows_are_read_while_others_are_appended(house: House) -> None:
    """Follow-ups look up answers in the middle of a run: each comes back whole, whatever is written meanwhile."""
    from distill.store import opened

    keys = [f"{n:032x}" for n in range(300)]
    with opened(house.run / "store") as store:
        for n, key in enumerate(keys):
            store.append({"key": key, "prompt": "p", "text": "x" * (n * 37 % 900)})
            for seen in (n, n // 2, 0):
                assert store[keys[seen]]["text"] == "x" * (seen * 37 % 900)
