"""The gate with a noise record: wider intervals, unstable items apart, and records of something else refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from finsight_eval import jsonl, prompt
from finsight_eval.errors import InputError
from finsight_eval.gating.noise_record import refuse_other_runs, spreads, unstable_ids
from finsight_eval.stats import Spread, half_width
from tests.finsight_eval.synthetic_run import STAMP, gold_reply, make_item, sample_row, write_samples, write_set
from tests.finsight_eval.test_gate_files import FLOOR, GAIN, SIZE, items, policy, run, samples

__all__ = ["items"]  # the fixture


def record(**changes: Any) -> dict[str, Any]:
    """Return the record of three runs whose sentiment F1 moved by about two points, and one item that flipped."""
    found = {
        "n": SIZE,
        "prompt": prompt.fingerprint(),
        "generation": {"until": [], "max_gen_toks": 200, "do_sample": False},
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
    assert after["noise"] == pytest.approx(half_width(Spread(0.02, 2)) * 2**0.5)
    side = before["value"] - before["low"]
    assert after["low"] == pytest.approx(before["value"] - (side**2 + after["noise"] ** 2) ** 0.5)
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
        (record(generation={"max_gen_toks": 7}), "generation is {'max_gen_toks': 7}, scored was {'until': []"),
        (record(runs=1), "runs is 1, a number from 2"),
        (record(runs="3"), "runs is '3'"),
        (record(metrics=None), "metrics is None"),
        (record(metrics={"sentiment_f1": [1]}), "sd of sentiment_f1 is 'missing'"),
        (record(metrics={"sentiment_f1": {"sd": -5}}), "sd of sentiment_f1 is -5"),
        (record(metrics={"sentiment_f1": {"sd": "a"}}), "sd of sentiment_f1 is 'a'"),
        (record(unstable=None), "unstable is None"),
        (record(unstable=[{}]), "unstable holds {}"),
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
    assert spreads({"runs": 2, "metrics": metrics}) == {"f1": Spread(0.0, 1)}
    assert unstable_ids(None) == frozenset()


def test_noise_of_tasks_beyond_the_policy_is_left_aside(items: list[Any]) -> None:
    """A candidate and a record may hold more than the policy asks for; what is asked for and not covered is noted."""
    samples("out", items, 0.9)
    samples("base", items, 0.7)
    for folder in ("out", "base"):
        (file,) = Path(folder).rglob("samples_*.jsonl")
        rows = file.read_bytes()
        file.with_name(file.name.replace("finsight", "finsight_simulated")).write_bytes(rows)
    both = record()
    both["tasks"]["finsight_simulated"] = both["tasks"]["finsight"]
    jsonl.write(Path("noise.json"), both)
    assert not any("noise" in note for note in gated("--noise", "noise.json")["notes"])
    jsonl.write(Path("noise.json"), {"tasks": {"finsight_simulated": {}}})
    assert any("no noise record" in note for note in gated("--noise", "noise.json")["notes"])


def test_a_task_without_noise_is_noted(items: list[Any]) -> None:
    """A policy of two tasks and a record of one: the verdict names the one that was not measured."""
    write_set(Path("../sets"), "simulated", others := [make_item(number, "simulated") for number in range(20)])
    samples("out", items, 0.9)
    rows = [sample_row(number, item, gold_reply(item)) for number, item in enumerate(others)]
    write_samples(Path("out/model") / f"samples_finsight_simulated_{STAMP}.jsonl", rows)
    jsonl.write(Path("noise.json"), record())
    text = policy(FLOOR.replace("0.5}", "0.5, finsight_simulated/json_parse_rate: 0.5}"))
    run("--policy", text, "--candidate", "out", "--noise", "noise.json")
    notes = jsonl.read(Path("finsight-gate/gate.json"))["notes"]
    assert [note[:52] for note in notes if "noise" in note] == ["the noise record does not cover finsight_simulated: "]


def test_the_noise_of_a_run_is_that_of_the_samples_that_were_scored(tmp_path: Path) -> None:
    """The manifests say which samples were measured and which were scored; anything else is measured again."""
    noise, score = tmp_path / "noise" / "noise.json", tmp_path / "score" / "metrics.json"
    jsonl.write(score.parent / "manifest.json", {"inputs": {"answers": {"sha256": "a" * 64}}})
    jsonl.write(noise.parent / "manifest.json", {"inputs": {"run_1": {"sha256": "a" * 64}, "run_2": {"sha256": "c"}}})
    refuse_other_runs(noise, score)
    jsonl.write(noise.parent / "manifest.json", {"inputs": {"run_1": {"sha256": "b" * 64}}})
    with pytest.raises(InputError, match=r"samples b{16}, scored were a{16}; measure again"):
        refuse_other_runs(noise, score)
