"""Scoring speed: a floor far below what is measured, so that only a change of kind is noticed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.speed import scoring
from finsight_eval.rescore import rescored
from finsight_eval.samples import read_samples
from finsight_eval.verdicts import verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

REPLIES = 2_000


def rate(work: Callable[[], Any]) -> float:
    """Return replies per second of processor time, the best of three."""
    took = []
    for _ in range(3):
        started = time.process_time()
        work()
        took.append(time.process_time() - started)
    return REPLIES / min(took)


def test_replies_are_read_by_the_thousand(tmp_path: Path) -> None:
    """Reading verdicts keeps 8,000 a second and reading files with re-scoring 3,000, on the busiest of machines."""
    path = tmp_path / f"samples_speed_{scoring.STAMP}.jsonl"
    answered = scoring.write(path, REPLIES, 0.2)
    assert rate(lambda: [verdict_of(item, reply) for item, reply in answered]) > 8_000
    assert rate(lambda: rescored(read_samples(path))) > 3_000


def test_the_benchmark_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints a figure for each stage and for the whole."""
    assert scoring.main(["--replies", "640"]) == 0
    out = capsys.readouterr().out
    assert out.count("replies/s") == 7
    assert "2 files of 320" in out
    assert out.count("of start") == 2
