"""Repetitions: what is varied, where the runs lie, and that the noise they show is the noise that is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from finsight_eval import evaluate, jsonl, noise, suite
from finsight_eval.errors import InputError
from finsight_eval.repeat import Repetition, repetitions
from tests.finsight_eval.test_journal import ROOT, arguments, asked, suite_in

NANO = suite.load(ROOT / "benchmarks" / "suites" / "nano.yaml")


def test_greedy_runs_halve_the_batch_and_the_first_is_the_ordinary_one() -> None:
    """Every run has a batch size of its own, until none is left."""
    found = repetitions(NANO, 7, 0.0)
    assert [run.batch_size for run in found] == [64, 32, 16, 8, 4, 2, 1]
    run = Path("runs/nano")
    assert [one.folder(run, "adapter") for one in found[:2]] == [run / "eval/adapter", run / "eval/adapter-repeat/2"]
    assert all(not one.generation() and one.seed is None for one in found)


def test_sampled_runs_have_a_seed_each_and_leave_the_ordinary_one_alone() -> None:
    """At a temperature all k are sampled: none of them is the greedy evaluation."""
    found = repetitions(NANO, 3, 0.7)
    assert [(run.seed, run.batch_size) for run in found] == [(1, 64), (2, 64), (3, 64)]
    assert found[0].folder(Path("r"), "base") == Path("r/eval/base-repeat/t0.7-1")
    assert found[0].generation() == {"do_sample": True, "temperature": 0.7}


def test_an_endpoint_is_asked_the_same_again() -> None:
    """It batches as it likes, so no batch size of ours would change anything."""
    live = replace(NANO, base="m", model=suite.ENDPOINT, batch_size=1)
    assert repetitions(live, 3, 0.0) == [Repetition(number, 1) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("k", "temperature", "words"),
    [(0, 0.0, "at least 1"), (8, 0.0, "gives 7 runs at most"), (2, -1.0, "0 .greedy. to 2"), (2, float("nan"), "to 2")],
)
def test_what_cannot_be_repeated_is_refused(k: int, temperature: float, words: str) -> None:
    """A run like another would hide the noise that is looked for."""
    with pytest.raises(InputError, match=words):
        repetitions(NANO, k, temperature)


def test_repeat_evaluates_k_times_and_the_record_finds_what_flips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run is a stage of its own, skipped when unchanged; runs under other conditions make no record together."""
    monkeypatch.chdir(ROOT)
    path = suite_in(tmp_path, flips=0.25)
    given = ["--runs", str(tmp_path / "runs"), "--recipe", str(path), "--model", "base"]
    assert noise.main(given) == 2
    assert "no repetitions there" in capsys.readouterr().err
    assert evaluate.main([*arguments(path), "--repeat", "3"]) == 0
    assert "finsight_eval.noise --recipe" in capsys.readouterr().out
    assert len(asked(tmp_path)) == 3 * 50
    assert noise.main(given) == 0
    record = jsonl.read(tmp_path / "runs" / "fake" / "noise" / "base" / "noise.json")
    assert record["batch_size"] == [8, 4, 2]
    found = record["tasks"]["finsight_adversarial"]
    assert (found["runs"], found["n"]) == (3, 48)
    assert 0 < len(found["unstable"]) < 24
    assert found["metrics"]["risk_accuracy"]["sd"] > 0
    assert found["metrics"]["json_parse_rate"]["sd"] == 0
    assert evaluate.main([*arguments(path), "--repeat", "3"]) == 0
    assert len(asked(tmp_path)) == 3 * 50
    suite_in(tmp_path, flips=0.5)
    assert evaluate.main(arguments(path)) == 0
    assert noise.main(given) == 2
    assert "is not that of" in capsys.readouterr().err


def test_a_temperature_is_asked_for_and_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sampled runs differ, say at which temperature they were made, and leave no greedy evaluation behind."""
    monkeypatch.chdir(ROOT)
    path = suite_in(tmp_path)
    warm = ["--temperature", "0.7"]
    assert evaluate.main([*arguments(path), "--repeat", "2", *warm]) == 0
    folder = tmp_path / "runs" / "fake" / "eval"
    assert sorted(one.name for one in folder.iterdir()) == ["base-repeat"]
    assert noise.main([*arguments(path), *warm]) == 0
    record = jsonl.read(tmp_path / "runs" / "fake" / "noise" / "base-t0.7" / "noise.json")
    assert (record["temperature"], record["seed"], record["batch_size"]) == (0.7, [1, 2], [8, 8])
    found = record["tasks"]["finsight_adversarial"]
    assert (found["generation"]["temperature"], found["generation"]["do_sample"]) == (0.7, True)
    assert found["unstable_share"] > 0.5
