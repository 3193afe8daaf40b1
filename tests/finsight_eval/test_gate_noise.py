"""The gate with a noise record: wider intervals, unstable items apart, and records of something else refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finsight_eval import jsonl, prompt
from finsight_eval.gating.noise_record import half_widths, unstable_ids
from finsight_eval.stats import student
from tests.finsight_eval.test_gate_files import GAIN, SIZE, items, policy, run, samples

__all__ = ["items"]  # the fixture


def record(**changes: Any) -> dict[str, Any]:
    """Return the record of three runs whose sentiment F1 moved by about two points, and one item that flipped."""
    found = {
        "n": SIZE,
        "prompt": prompt.fingerprint(),
        "runs": 3,
        "metrics": {"sentiment_f1": {"values": [0.80, 0.82, 0.84], "mean": 0.82, "sd": 0.02}},
        "unstable": [{"id": "news-en-000", "outcomes": {"Positive, Low": 2, "unparsed: truncated": 1}}],
        "unstable_share": 1 / SIZE,
    }
    return {"tasks": {"finsight": {**found, **changes}}}


def gated(*more: str) -> dict[str, Any]:
    """Gate the candidate, whatever comes of it, and return gate.json."""
    run("--policy", policy(GAIN), "--candidate", "out", "--reference", "base", *more)
    return jsonl.read(Path("finsight-gate/gate.json"))


def test_noise_widens_what_the_gate_decides_on(items: list[Any]) -> None:
    """Both sides of a difference are one run each: the half-width grows by the noise of two, and the note goes."""
    samples("base", items, 0.7)
    samples("out", items, 0.9)
    plain = gated()
    jsonl.write(Path("noise.json"), record())
    wide = gated("--noise", "noise.json")
    before, after = plain["checks"][-1], wide["checks"][-1]
    assert (before["value"], before["noise"]) == (after["value"], None)
    assert after["noise"] == pytest.approx(0.02 * student(2) * 2**0.5)
    assert after["low"] == pytest.approx(
        before["value"] - ((before["value"] - before["low"]) ** 2 + after["noise"] ** 2) ** 0.5
    )
    assert any("noise" in note for note in plain["notes"])
    assert not any("noise" in note for note in wide["notes"])


def test_items_that_flip_by_themselves_stand_apart(items: list[Any]) -> None:
    """An unstable item is neither broken nor fixed; all others stay where they were."""
    samples("base", items, 0.5)
    samples("out", items, 0.9)
    plain = gated()["flips"]["tasks"]["finsight"]
    unstable = plain["fixed"][0]["id"]
    jsonl.write(Path("noise.json"), record(unstable=[{"id": unstable, "outcomes": {}}]))
    apart = gated("--noise", "noise.json")["flips"]["tasks"]["finsight"]
    assert [row["id"] for row in apart["unstable"]] == [unstable]
    assert [row["id"] for row in apart["fixed"]] == [row["id"] for row in plain["fixed"]][1:]
    assert apart["broken"] == plain["broken"]
    assert "1 unstable" in Path("finsight-gate/summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (record(n=SIZE - 1), f"n is {SIZE - 1}, scored was {SIZE}"),
        (record(prompt="old"), "prompt is old"),
        ({"tasks": [1]}, "no noise record"),
        ({}, "no noise record"),
    ],
)
def test_the_noise_of_something_else_is_refused(
    items: list[Any], written: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record of another benchmark, another prompt or of nothing ends with exit code 2 and both values."""
    samples("out", items, 0.9)
    samples("base", items, 0.7)
    jsonl.write(Path("noise.json"), written)
    gate_it = ("--policy", policy(GAIN), "--candidate", "out", "--reference", "base", "--noise", "noise.json")
    assert run(*gate_it) == 2
    assert message in capsys.readouterr().err


def test_a_metric_without_a_deviation_widens_nothing() -> None:
    """Missing stays missing: where a run had no value there is no half-width, and no item is unstable unmeasured."""
    metrics = {"risk_kappa": {"values": [0.1, None], "mean": None, "sd": None}, "f1": {"sd": 0.0}}
    assert half_widths({"runs": 2, "metrics": metrics}) == {"f1": 0.0}
    assert unstable_ids(None) == frozenset()
