"""The installed package: tasks found from any folder without a flag, and the real command line of lm-eval."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BASE = ROOT / "finsight_train" / "bases" / "finsight-nano"


def _installed() -> bool:
    try:
        importlib.metadata.distribution("finsight-harness")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.skipif(not _installed(), reason="the package is not installed here; tox installs its wheel")
def test_the_tasks_are_found_from_any_folder_without_a_flag(tmp_path: Path) -> None:
    """The wheel lays the task YAML and its data into lm-eval's own folder; nothing generic reaches site-packages."""
    code = (
        "from lm_eval.tasks import TaskManager; manager = TaskManager(); "
        "loaded = manager.load('finsight_all')['tasks']; assert all(len(t.eval_docs) for t in loaded.values()); "
        "print(sorted(loaded))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    names = ("", "_adversarial", "_counterfactual", "_en", "_simulated", "_zh")
    assert str([f"finsight{name}" for name in names]) in done.stdout
    files = importlib.metadata.distribution("finsight-harness").files or []
    top = {
        file.parts[0]
        for file in files
        if ".dist-info" not in file.parts[0] and file.parts[0] not in ("..", "__editable__")
    }
    assert not top & {"tasks", "benchmarks", "distill", "reports", "tests"}


def test_the_command_line_of_lm_eval_and_score_agree_to_the_last_digit(tmp_path: Path) -> None:
    """`lm_eval run --model hf ... peft=... --apply_chat_template`: each figure is what `score` makes of its samples."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from finsight_eval import lm_task, score

    model = AutoModelForCausalLM.from_pretrained(BASE)
    get_peft_model(model, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")).save_pretrained(
        tmp_path / "peft"
    )
    command = [
        *(sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--tasks", "finsight_zh", "--apply_chat_template"),
        *("--model_args", f"pretrained={BASE},peft={tmp_path / 'peft'},dtype=float32", "--device", "cpu"),
        *("--include_path", str(ROOT / "tasks"), "--batch_size", "24", "--gen_kwargs", "max_gen_toks=24"),
        *("--output_path", str(tmp_path / "out"), "--log_samples"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, env=environment)
    (results,) = (tmp_path / "out").rglob("results_*.json")
    live = json.loads(results.read_text(encoding="utf-8"))["results"]["finsight_zh"]
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    assert score.main([str(samples), "--out", str(tmp_path / "score")]) == 0
    scored = json.loads((tmp_path / "score" / "metrics.json").read_text(encoding="utf-8"))["tasks"]["finsight_zh"]
    for name in lm_task.LIVE:
        value = live[f"{name},none"]
        ours = scored["metrics"][name]["value"]
        assert value == ours or (value != value and ours is None), name  # noqa: PLR0124 - NaN is lm-eval's missing
    assert scored["n"] == 112
