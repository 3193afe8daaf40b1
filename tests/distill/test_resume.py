"""The real process and the real signal: kill -9, Ctrl-C, and two processes on one store."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

from distill import generate
from finsight_eval import benchmark, manifest
from tests.distill.conftest import KEY, House
from tests.distill.mock_teacher import MockTeacher, Say, completion, problem

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
    deadline = time.monotonic() + 60
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
        _, said = process.communicate(timeout=90)
        assert process.returncode == 0, said
        assert len(mock.asked) - paid_before == 200 - len(kept) + ITEMS
    assert journalled(house)[: len(kept)] == kept
    assert len({row["id"] for row in house.rows("generate/answers.jsonl") if "reply" in row}) == 200


def _generate(root: Path, arguments: list[str]) -> None:
    """Run the command in a process that was forked for it."""
    os.environ["MOCK_KEY"] = KEY
    os.chdir(ROOT)
    benchmark._homes = lambda: [root / "benchmarks"]
    manifest.origin = dict
    sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - ends with the process
    os._exit(generate.main(arguments))


def test_twenty_kills_at_random_moments_lose_nothing_and_pay_little_twice(house: House) -> None:
    """After each of 20 kill -9 every journalled answer is still there, and at most those in flight are asked again."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["distill.generate", "distill.fill", "distill.purse", __name__])
    rng, in_flight, kept = random.Random(5), 8, list[str]()
    texts = house.news(400)
    with MockTeacher(lambda _: Say(body=completion(), delay=rng.random() / 50)) as mock:
        house.write_recipe(mock.base_url, concurrency=in_flight)
        arguments = [*house.arguments(), "--corpus", str(house.corpus)]
        for number in range(20):
            before = len(mock.asked)
            process = context.Process(target=_generate, args=(house.root, arguments))
            process.start()
            until(lambda before=before: len(mock.asked) > before)  # type: ignore[misc]
            time.sleep(rng.random() / 20)
            process.kill()
            process.join()
            now = journalled(house)
            assert now[: len(kept)] == kept
            assert len(mock.asked) - len(now) <= in_flight * (number + 1)
            kept = now
        assert len(kept) < 400, "killed too late to show anything"
        process = context.Process(target=_generate, args=(house.root, arguments))
        process.start()
        process.join(120)
        assert process.exitcode == 0
        assert Counter(Counter(mock.news)[text] >= 1 for text in texts) == {True: 400}
        assert len(mock.asked) <= 400 + ITEMS + 20 * in_flight
    assert len(journalled(house)) == len(set(journalled(house))) == 400 + ITEMS
    assert len({row["id"] for row in house.rows("generate/answers.jsonl") if "reply" in row}) == 400


def test_second_interrupt_gives_up_what_is_in_flight(house: House) -> None:
    """Ctrl-C twice ends a run whose requests hang, at once and without a traceback."""
    house.news(100)
    with MockTeacher(lambda _: Say(body=completion(), delay=30)) as mock:
        house.write_recipe(mock.base_url, timeout_seconds=60)
        process = start(house)
        until(lambda: len(mock.asked) >= 8)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "8 requests in flight; Ctrl-C again gives them up" in said
    assert "Traceback" not in said


def test_interrupt_does_not_wait_for_pauses(house: House) -> None:
    """A row that waits for its next attempt is no request in flight: Ctrl-C ends the run without it."""
    house.news(4)
    with MockTeacher(lambda _: Say(429, problem("slow down"), headers={"retry-after": "60"})) as mock:
        house.write_recipe(mock.base_url)
        process = start(house)
        until(lambda: len(mock.asked) >= 4)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130


def test_interrupt_keeps_what_is_in_flight(house: House) -> None:
    """Ctrl-C takes no more rows, lets the ones in flight arrive and journals them; exit code 130."""
    house.news(100)
    with MockTeacher(lambda _: Say(body=completion(), delay=0.2)) as mock:
        house.write_recipe(mock.base_url)
        process = start(house)
        until(lambda: len(mock.asked) >= 16)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
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
