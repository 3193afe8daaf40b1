"""Minimal pairs: whole, alike, and labelled as their kind says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.duplicates import duplicate_problems
from benchmarks.pairs import pair_problems
from benchmarks.sets import Placed
from finsight_eval.records import Item, pair_of

TEXT = (
    "Quarrystone Cement reported a quarterly profit of $41 million on Friday; analysts polled before the release had "
    "expected $38 million, and the outlook for the year stays as it was in May."
)


def pair(kind: str = "flip_sentiment", **second: Any) -> list[Placed]:
    """Return a pair whose second text misses where the first one beats."""
    item = Item(
        "cf-en-001-a",
        "en",
        TEXT,
        "Quarrystone Cement",
        (),
        "Positive",
        "Low",
        "construction",
        "earnings",
        1,
        (kind, "amount"),
    )
    other = {"id": "cf-en-001-b", "text": TEXT.replace("$41", "$35"), "sentiment": "Negative", **second}
    values = {name: getattr(item, name) for name in Item.__slots__} | other
    return [Placed(Path("cf/test.jsonl"), number, one) for number, one in enumerate((item, Item(**values)), start=1)]


def test_a_sound_pair_passes() -> None:
    """One change, one label turned, one kind; and its members are no near-duplicates of each other."""
    assert list(pair_problems(pair())) == []
    assert list(duplicate_problems([one for one in pair() if one.item.id.endswith("a")])) == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (pair()[:1], "cf-en-001 has 1 member, -a and -b are needed"),
        (pair("flip_risk"), "Positive/Low and Negative/Low do not fit the feature 'flip_risk'"),
        (pair("same"), "do not fit the feature 'same'"),
        (pair("flip_both"), "do not fit the feature 'flip_both'"),
        (pair(sentiment="Positive"), "Positive/Low and Positive/Low do not fit the feature 'flip_sentiment'"),
        (pair(features=("flip_risk",)), "both members carry the same one of the features"),
        (pair("amount"), "both members carry the same one of the features"),
        (pair(text=TEXT), "both texts are the same"),
        (pair(text="Something else altogether was said of Quarrystone Cement by its board."), "of their pieces"),
    ],
)
def test_a_broken_pair_is_named(members: list[Placed], said: str) -> None:
    """Each fault gives a line with place and pair."""
    (problem,) = pair_problems(members)
    assert said in problem
    assert problem.startswith("cf/test.jsonl:")


@pytest.mark.parametrize(
    ("identity", "found"),
    [
        ("cf-en-001-a", "cf-en-001"),
        ("cf-zh-030-b", "cf-zh-030"),
        ("cf-en-001", None),
        ("cf-en-001-c", None),
        ("news-en-001", None),
        ("sim-test-en-000001", None),
    ],
)
def test_only_counterfactual_ids_name_a_pair(identity: str, found: str | None) -> None:
    """The suffix is -a or -b behind a number of the counterfactual set; any other id stands alone."""
    assert pair_of(identity) == found
