"""The journal: a killed evaluation goes on where it stopped, and asks nothing twice that had been written down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from finsight_eval import evaluate, jsonl, manifest
from finsight_eval.errors import InputError
from finsight_eval.journal import Journal, Journalled, key_of, storable
from tests.finsight_eval.fake_model import FakeLM, digest

ROOT = Path(__file__).parents[2]
SUITE = """\
name: fake
tasks: [finsight_adversarial]
base: some/base
adapter: some/adapter
model: tests.finsight_eval.fake_model:FakeLM
model_args: {{log: {log}, pretrained: p, seconds: {seconds}, flips: {flips}}}
batch_size: 8
max_new_tokens: 96
showcase: [one, two]
"""


def suite_in(folder: Path, seconds: float = 0.0, flips: float = 0.0) -> Path:
    """Write a suite whose model logs to `folder`/asked.txt."""
    folder.mkdir(exist_ok=True)
    text = SUITE.format(log=folder / "asked.txt", seconds=seconds, flips=flips)
    (folder / "fake.yaml").write_text(text, encoding="utf-8")
    return folder / "fake.yaml"


def arguments(path: Path) -> list[str]:
    return ["--recipe", str(path), "--runs", str(path.parent / "runs"), "--model", "base"]


def samples(folder: Path) -> list[dict[str, Any]]:
    """Return what lm-eval wrote of every item, and the showcase."""
    (path,) = folder.rglob("samples_finsight_adversarial_*.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [*rows, *(row for _, row in jsonl.read_lines(folder / "showcase.jsonl"))]


def asked(folder: Path) -> list[str]:
    return (folder / "asked.txt").read_text(encoding="utf-8").split()


def test_a_killed_evaluation_resumes_and_asks_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill -9 in the middle: the resumed run's samples are those of an undisturbed one, no journalled reply is lost."""
    monkeypatch.chdir(ROOT)
    whole = suite_in(tmp_path / "whole")
    assert evaluate.main(arguments(whole)) == 0
    cut = suite_in(tmp_path / "cut", seconds=0.5)
    command = [sys.executable, "-m", "finsight_eval.evaluate", *arguments(cut)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not (cut.parent / "asked.txt").is_file() or len(asked(cut.parent)) < 24:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (path,) = (cut.parent / "runs" / "fake" / "eval").glob("base.journal/*.jsonl")
    kept = path.read_bytes().count(b"\n")
    before = asked(cut.parent)
    assert 16 <= kept <= len(before) < 48
    with path.open("ab") as stream:
        stream.write(b'{"key": "torn')  # what a kill in the middle of a write leaves
    suite_in(tmp_path / "cut", seconds=0.5)
    assert evaluate.main(arguments(cut)) == 0
    assert f"{kept} of 48 replies taken from the journal" in capsys.readouterr().out
    after = asked(cut.parent)[len(before) :]
    assert len(after) == 48 - kept + 2
    assert not set(before[:kept]) & set(after)
    folders = [tmp_path / name / "runs" / "fake" / "eval" / "base" for name in ("cut", "whole")]
    assert samples(folders[0]) == samples(folders[1])
    facts = jsonl.read(folders[0] / manifest.NAME)["facts"]
    assert (facts["from_journal"], facts["asked"], facts["failed"]) == (kept, 50 - kept, 0)
    assert not path.parent.exists()


class Request:
    """What the journal needs of lm-eval's Instance."""

    def __init__(self, context: str, **generation: Any) -> None:
        self.args = (context, {"max_gen_toks": 8} | generation)


def fake(folder: Path) -> FakeLM:
    return FakeLM(log=str(folder / "asked.txt"), pretrained="p", batch_size=2)


def test_equal_requests_have_a_line_each(tmp_path: Path) -> None:
    """Two tasks may hold one item, and a sampled reply belongs to one of them: the n-th line answers the n-th."""
    requests = [Request("a"), Request("b"), Request("a"), Request("a", temperature=0.7)]
    for kept in (0, 4):
        with Journal(tmp_path / "j.jsonl", 2) as journal:
            said: list[str] = []
            replies = Journalled(fake(tmp_path), journal, said.append).replies(requests)
            assert (journal.taken, journal.added) == (kept, 4 - kept)
            assert said == (["4 of 4 replies taken from the journal"] if kept else [])
    assert replies[0] == replies[2]
    assert sorted(asked(tmp_path)) == sorted(digest(context) for context in "abaa")
    with Journal(tmp_path / "j.jsonl", 2) as journal:
        Journalled(fake(tmp_path), journal, print).replies([*requests, Request("a"), Request("c")])
        assert (journal.taken, journal.added) == (4, 2)


def test_what_a_backend_does_not_report_is_journalled_at_its_end(tmp_path: Path) -> None:
    """lm-eval's hook is a courtesy; a failed request (no text) is never written down, and asked again."""

    class Silent:
        def set_cache_hook(self, hook: Any) -> None: ...

        def generate_until(self, requests: list[Request]) -> list[str | None]:
            return [None if request.args[0] == "bad" else request.args[0] for request in requests]

    requests = [Request("good"), Request("bad")]
    for kept in (0, 1):
        with Journal(tmp_path / "j.jsonl", 2) as journal:
            assert Journalled(Silent(), journal, print).replies(requests) == ["good", None]
            assert (journal.taken, journal.added) == (kept, 1 - kept)


def test_a_torn_line_is_dropped_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    """The end of a killed write costs one reply; anything else wrong with the file is not passed over."""
    path = tmp_path / "j.jsonl"
    with Journal(path, 1) as journal:
        journal.add("k", "one")
        journal.add("k", "two \u2028 \n")
    path.write_bytes(path.read_bytes() + b'{"key": "k", "rep')
    with Journal(path, 1) as journal:
        journal.add("k", "three")
    with Journal(path, 1) as journal:
        assert [journal.take("k") for _ in range(4)] == ["one", "two \u2028 \n", "three", None]
    path.write_bytes(b"\x00\x00\n" + path.read_bytes())
    with pytest.raises(InputError, match=r"j\.jsonl:1: no journalled reply; delete the file"):
        Journal(path, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", {"max_gen_toks": 8}), ("a", {"max_gen_toks": 9})),
        (("a", {"do_sample": False}), ("b", {"do_sample": False})),
        ((("[]",), {}), ("[]", {})),
    ],
)
def test_other_requests_have_other_keys(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    """Text, kind of request and generation settings all count; half a surrogate pair is no obstacle."""
    assert key_of(*one) == key_of(*one) != key_of(*other)
    assert key_of("\ud800", {})
    assert storable("\ud800x") == "\\ud800x"
    assert storable(None) is None
