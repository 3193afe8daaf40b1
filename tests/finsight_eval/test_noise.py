"""The noise record: what varies between runs that differ in nothing that matters."""

from __future__ import annotations

import json
import random
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finsight_eval import noise
from finsight_eval.errors import InputError
from finsight_eval.parse import Answer, render
from finsight_eval.verdicts import Verdict, failed_verdict, verdict_of
from tests.finsight_eval.synthetic_run import gold_reply, make_item, noisy_reply, sample_row, write_samples

ITEMS = [make_item(number) for number in range(60)]


def run(right: float = 0.8, seed: int = 1) -> list[Verdict]:
    rng = random.Random(seed)
    return [verdict_of(item, noisy_reply(item, rng, right, 0.9)) for item in ITEMS]


def said(verdict: Verdict, **changes: str) -> Verdict:
    """Return the verdict with another answer to the same item."""
    item = verdict.item
    assert item.entity
    answer = Answer("x -> y", item.entity, item.sentiment, item.risk_level or "Low")
    return verdict_of(item, render(replace(answer, **changes)))


def test_identical_runs_have_no_noise() -> None:
    """Standard deviation 0 for every metric that has a value, and not one unstable item."""
    found = noise.task_noise([run(), run(), run()])
    assert (found["n"], found["runs"], found["unstable"], found["unstable_share"]) == (60, 3, [], 0.0)
    metrics = found["metrics"]
    assert metrics["sentiment_f1"]["sd"] == 0
    assert {metric["sd"] for metric in metrics.values()} <= {0.0, None}
    assert metrics["teacher_agreement"] == {
        "values": [None] * 3,
        "mean": None,
        "sd": None,
    }  # no teacher: missing, not 0


def test_planted_flips_are_found_exactly() -> None:
    """Sentiment, risk, entity and form: each flip is listed with its outcomes, and reworded reasoning is none."""
    first = [said(verdict) for verdict in run()]
    second, third = list(first), list(first)
    item = first[3].item
    other = "Neutral" if item.sentiment != "Neutral" else "Positive"
    second[3] = said(first[3], sentiment=other)
    third[7] = verdict_of(first[7].item, "")
    second[11] = said(first[11], entity="Someone Else")
    third[11] = said(first[11], risk_level="High" if first[11].item.risk_level != "High" else "Low")
    second[20] = said(first[20], thinking="quite another chain -> the same end")
    flips = {row["id"]: row["outcomes"] for row in noise.task_noise([first, second, third])["unstable"]}
    assert set(flips) == {ITEMS[3].id, ITEMS[7].id, ITEMS[11].id}
    gold = f"{item.sentiment}, {item.risk_level}, right entity"
    assert flips[ITEMS[3].id] == {gold: 2, f"{other}, {item.risk_level}, right entity": 1}
    assert flips[ITEMS[7].id] == {noise.outcome(first[7]): 2, "unparsed: empty": 1}
    assert len(flips[ITEMS[11].id]) == 3
    assert all(sum(outcomes.values()) == 3 for outcomes in flips.values())


def test_mean_and_deviation_are_those_of_the_values() -> None:
    """The n - 1 form, as for a sample of runs."""
    found = noise.task_noise([run(right, seed) for seed, right in enumerate((0.9, 0.7, 0.5))])["metrics"]
    for metric in ("json_parse_rate", "sentiment_f1", "risk_accuracy"):
        values = found[metric]["values"]
        assert len({*values}) > 1
        assert found[metric]["mean"] == pytest.approx(sum(values) / 3)
        assert found[metric]["sd"] == pytest.approx(statistics.stdev(values))


def test_what_is_no_repetition_is_refused() -> None:
    """One run alone, other items, a changed gold label, and a request without a reply."""
    whole = run()
    changed = replace(ITEMS[5], sentiment="Neutral" if ITEMS[5].sentiment != "Neutral" else "Positive")
    refused: list[tuple[list[list[Verdict]], str]] = [
        ([whole], "1 run: noise needs two at least"),
        ([whole, whole[:-1]], "run 2 did not answer the items of run 1"),
        ([whole, [*whole[:5], verdict_of(changed, ""), *whole[6:]]], "run 2 did not answer"),
        ([whole, whole, [failed_verdict(ITEMS[0], "HTTP 500"), *whole[1:]]], "run 3: 1 items have no reply"),
    ]
    for runs, words in refused:
        with pytest.raises(InputError, match=words):
            noise.task_noise(runs)


def sample_file(folder: Path, wrong: int = 0, **generation: Any) -> Path:
    """Write one run: gold replies, of which the first `wrong` say nothing."""
    rows = [sample_row(n, item, "" if n < wrong else gold_reply(item)) for n, item in enumerate(ITEMS)]
    for row in rows:
        row["arguments"]["gen_args_0"]["arg_1"] |= generation
    return write_samples(folder / "samples_finsight_2026-11-22T18-15-40.123456.jsonl", rows).parent


def test_runs_of_other_seeds_are_given_as_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record is written where --out says, and names the runs; like runs only, each once."""
    first, second = sample_file(tmp_path / "seed7"), sample_file(tmp_path / "seed8", wrong=6)
    out = tmp_path / "seeds.json"
    assert noise.main([str(first), str(second), "--out", str(out)]) == 0
    found = json.loads(out.read_text(encoding="utf-8"))["tasks"]["finsight"]
    assert found["runs"] == 2
    assert found["metrics"]["json_parse_rate"]["values"] == [1.0, 0.9]
    assert [row["id"] for row in found["unstable"]] == [item.id for item in ITEMS[:6]]
    assert "json_parse_rate 0.9500 (sd 0.0707)" in capsys.readouterr().out
    assert noise.main([str(first), str(first)]) == 2
    assert "stands twice" in capsys.readouterr().err
    assert noise.main([str(first)]) == 2
    warm = sample_file(tmp_path / "warm", temperature=0.7, do_sample=True)
    assert noise.main([str(first), str(warm)]) == 2
    assert "noise is between runs made the same way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"chat_template": None, "versions": {"finsight": 1.1}}, "chat template is not applied, in"),
        ({"chat_template": "x", "versions": {"finsight": 0.9}}, "task version is 0.9, in"),
        ({"chat_template": "x", "versions": {"finsight": 1.1}}, ""),
    ],
)
def test_runs_under_other_conditions_are_no_repetition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], results: dict[str, Any], said: str
) -> None:
    """A chat template or a task version apart is no noise; both values are named."""
    like = {"chat_template": "x", "versions": {"finsight": 1.1}}
    for name, made in (("first", like), ("second", results)):
        folder = sample_file(tmp_path / name)
        (folder / "results_2026-11-22T18-15-40.123456.json").write_text(json.dumps(made), encoding="utf-8")
    assert noise.main([str(tmp_path / "first"), str(tmp_path / "second")]) == (2 if said else 0)
    assert said in capsys.readouterr().err
