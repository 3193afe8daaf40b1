"""The real process and the real signal: kill -9, Ctrl-C, and two processes on one store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

from distill import generate
from tests.distill.conftest import KEY, House
from tests.distill.mock_teacher import MockTeacher, Say, completion

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The two items of the house's benchmark set, which the teacher answers after the corpus.
ITEMS = 2


def start(house: House) -> subprocess.Popen[str]:
    """Start the command as a process of its own, its benchmark sets being the house's."""
    code = (
        "import sys, pathlib; from finsight_eval import benchmark; home = pathlib.Path(sys.argv.pop(1)); "
        "benchmark._homes = lambda: [home]; from distill.generate import main; sys.exit(main(sys.argv[1:]))"
    )
    given = [str(house.root / "benchmarks"), *house.arguments(), "--corpus", str(house.corpus)]
    environment = {**os.environ, "MOCK_KEY": KEY}
    line = [sys.executable, "-c", code, *given]
    return subprocess.Popen(line, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE, text=True)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def journalled(house: House) -> list[str]:
    """Return the ids of the whole lines of the journal, as they stand there now."""
    path = house.run / "store" / "journal.jsonl"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line)["id"] for line in text.split("\n")[:-1]]


def test_kill_in_mid_run_loses_no_journalled_answer(house: House) -> None:
    """After kill -9 every whole journal line is used, and at most the requests in flight are paid twice."""
    house.news(200)
    with MockTeacher(lambda _: Say(body=completion(), delay=0.01)) as mock:
        house.write_recipe(mock.base_url)
        for stop_at in (20, 90):
            process = start(house)
            until(lambda at=stop_at: len(mock.asked) >= at)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
            process.communicate()
        kept = journalled(house)
        paid_before = len(mock.asked)
        assert paid_before - len(kept) <= 2 * 8
        process = start(house)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        assert len(mock.asked) - paid_before == 200 - len(kept) + ITEMS
    assert journalled(house)[: len(kept)] == kept
    assert len({row["id"] for row in house.rows("generate/answers.jsonl") if "reply" in row}) == 200


def test_interrupt_keeps_what_is_in_flight(house: House) -> None:
    """Ctrl-C takes no more rows, lets the ones in flight arrive and journals them; exit code 130."""
    house.news(100)
    with MockTeacher(lambda _: Say(body=completion(), delay=0.2)) as mock:
        house.write_recipe(mock.base_url)
        process = start(house)
        until(lambda: len(mock.asked) >= 16)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 130
        assert len(journalled(house)) == len(mock.asked) < 100
    assert "interrupted" in said
    assert "Traceback" not in said


def test_second_process_on_one_store_is_refused(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """While one process fills the store another one ends with a line and exit code 2, and asks nothing."""
    house.news(20)
    with MockTeacher(lambda _: Say(body=completion(), delay=30)) as mock:
        house.write_recipe(mock.base_url, timeout_seconds=60)
        process = start(house)
        until(lambda: len(mock.asked) >= 8)
        assert generate.main([*house.arguments(), "--corpus", str(house.corpus)]) == 2
        process.kill()
        process.communicate()
    assert f"in use by process {process.pid}" in capsys.readouterr().err
    assert len(mock.asked) == 8
