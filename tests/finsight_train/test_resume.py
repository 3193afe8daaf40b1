"""A training that is killed goes on and takes the very steps that it would have taken, to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import jsonl
from finsight_train import checkpoint, sft
from finsight_train.loop import Training
from tests.finsight_train.conftest import TINY_SFT, write_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
#: Evaluating is switched off where only steps matter.
PLAIN: dict[str, Any] = {"dev_evaluations": 0, "save_base": False}


class _Killed(BaseException):
    """Stands in for SIGKILL within a process: nothing of ours catches it."""


def _arguments(runs: Path) -> list[str]:
    return ["--recipe", str(runs.parent / "tiny.yaml"), "--runs", str(runs)]


def _outcome(runs: Path) -> tuple[bytes, ...]:
    folder = runs / "tiny" / "train"
    names = ("loss.jsonl", "adapter/adapter_model.safetensors", "dev_replies.jsonl")
    return tuple((folder / name).read_bytes() for name in names)


def _dev(runs: Path) -> list[dict[str, Any]]:
    rows = [row for _, row in jsonl.read_lines(runs / "tiny" / "train" / "dev.jsonl")]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def _recipe(runs: Path, base: Path, **changes: Any) -> None:
    write_yaml(runs.parent / "tiny.yaml", {**TINY_SFT, "base": str(base), **changes})


def _killed_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a training die in the middle of the step after `steps`."""
    plain, calls = Training._backward, iter(range(1000))

    def backward(self: Training, numbers: Sequence[int], scale: float) -> Any:
        found = plain(self, numbers, scale)
        if next(calls) == steps:
            raise _Killed
        return found

    monkeypatch.setattr(Training, "_backward", backward)


def test_killed_in_any_step_it_ends_the_same(runs: Path, base: Path) -> None:
    """Losses, adapter, dev figures and replies are those of a training that nobody disturbed, bit for bit."""
    _recipe(runs, base)
    assert sft.main(_arguments(runs)) == 0
    expected, dev = _outcome(runs), _dev(runs)
    for steps in (1, 3, 5):
        (runs / "tiny" / "train").rename(runs / "tiny" / f"kept-{steps}")
        with pytest.MonkeyPatch.context() as patch:
            _killed_after(steps, patch)
            with pytest.raises(_Killed):
                sft.main(_arguments(runs))
        assert not (runs / "tiny" / "train").exists()
        assert sft.main(_arguments(runs)) == 0
        assert _outcome(runs) == expected
        assert _dev(runs) == dev


def _started(runs: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "finsight_train.sft", *_arguments(runs)]
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(3000):
        if path.exists():
            return
        assert process.poll() is None, process.stdout and process.stdout.read()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)])
def test_a_real_signal_costs_nothing(runs: Path, base: Path, kind: signal.Signals, code: int) -> None:
    """`kill -9` leaves the last checkpoint, SIGTERM saves one first; the same command then ends as if undisturbed."""
    _recipe(runs, base, **{**PLAIN, "epochs": 10.0, "checkpoint_steps": 4})
    process = _started(runs)
    _wait_for(runs / "tiny" / "train.checkpoint" / "step-000008", process)
    process.send_signal(kind)
    process.communicate(timeout=60)
    assert process.returncode == code
    assert checkpoint.newest(runs / "tiny" / "train.checkpoint") is not None
    assert not (runs / "tiny" / "train").exists()
    assert sft.main(_arguments(runs)) == 0
    disturbed = _outcome(runs)
    (runs / "tiny" / "train" / "manifest.json").unlink()
    assert sft.main(_arguments(runs)) == 0
    assert _outcome(runs) == disturbed


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate": 1e-3}, "learning_rate was 0.003, is 0.001"),
        ({"rank": 8}, "rank was 16, is 8"),
        ({"seed": 8}, "seed was 7, is 8"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(  # noqa: PLR0917 - fixtures
    runs: Path,
    base: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    says: str,
) -> None:
    """Before any weight is loaded: what differs, and the two ways out; nothing is lost, and --from-scratch works."""
    from finsight_train import qlora

    _recipe(runs, base, **PLAIN)
    with monkeypatch.context() as patch:
        _killed_after(3, patch)
        with pytest.raises(_Killed):
            sft.main(_arguments(runs))
    _recipe(runs, base, **PLAIN, **changes)
    with monkeypatch.context() as patch:
        patch.setattr(qlora, "quantised", lambda *_: pytest.fail("weights were loaded"))
        assert sft.main(_arguments(runs)) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert says in error
    assert "--from-scratch" in error
    assert checkpoint.newest(runs / "tiny" / "train.checkpoint") is not None
    assert sft.main([*_arguments(runs), "--from-scratch"]) == 0


def test_how_memory_is_used_is_no_other_training(runs: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training may go on under another preset: it takes the same steps."""
    _recipe(runs, base, **PLAIN)
    with monkeypatch.context() as patch:
        _killed_after(3, patch)
        with pytest.raises(_Killed):
            sft.main(_arguments(runs))
    assert sft.main([*_arguments(runs), "--preset", "memory"]) == 0
    record = jsonl.read(runs / "tiny" / "train" / "train.json")
    assert (record["steps"], record["placement"]["kept"]) == (6, False)


def test_checkpoints_are_whole_or_not_there(tmp_path: Path) -> None:
    """A torn, a changed and a half-written checkpoint are passed over for the one before; two are kept."""
    import torch

    for step in (2, 4, 6, 8):
        checkpoint.save(tmp_path, step, {"adapter": torch.full((3,), float(step))}, {"of": {"seed": 7}})
    assert [place.name for place in sorted(tmp_path.iterdir())] == ["step-000006", "step-000008"]
    tensors, state = checkpoint.load(tmp_path / "step-000008")
    assert (tensors["adapter"].tolist(), state["step"]) == ([8.0, 8.0, 8.0], 8)
    (tmp_path / "step-000010.partial").mkdir()
    with (tmp_path / "step-000008" / "state.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    newest = checkpoint.newest(tmp_path)
    assert newest is not None
    assert newest.name == "step-000006"
    (newest / "state.json").unlink()
    assert checkpoint.newest(tmp_path) is None
    assert checkpoint.matching(tmp_path, {"seed": 7}) is None
