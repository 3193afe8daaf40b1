"""The losses that TRL's SFTTrainer reports for the same rows in the same order, and two processes for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from finsight_eval import jsonl
from finsight_train import packing, qlora, recipe, rows, sft
from tests.finsight_train.conftest import NEWS, TINY_SFT, sft_row, write_yaml

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = {
    "dev_evaluations": 0,
    "save_base": False,
    "scheduler": "constant_with_warmup",
    "warmup": 0.0,
    "epochs": 1.0,
}


def test_the_losses_are_those_of_trl(runs: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step, gradients clipped, through PEFT, bitsandbytes and TRL's own loss: equal to rounding."""
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    values = {**TINY_SFT, "base": str(base), **SETTINGS}
    write_yaml(runs.parent / "tiny.yaml", values)
    assert sft.main(["--recipe", str(runs.parent / "tiny.yaml"), "--runs", str(runs)]) == 0
    ours = [row for _, row in jsonl.read_lines(runs / "tiny" / "train" / "loss.jsonl")]
    theirs = _losses_of_trl(recipe.load(runs.parent / "tiny.yaml"), base, runs)
    assert len(ours) == len(theirs) == 4
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert mine["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)


def _losses_of_trl(settings: recipe.Recipe, base: Path, folder: Path) -> list[dict[str, Any]]:
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, set_seed
    from trl import SFTConfig, SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(base)
    jsonl.write_lines(folder / "rows.jsonl", [sft_row(n, news) for n, news in enumerate(NEWS)])
    data = rows.read_rows(folder / "rows.jsonl", tokenizer, settings.max_length)
    steps = packing.steps_of([len(row.input_ids) for row in data], settings.step_tokens, 1.0, settings.seed)
    order = [row for _, step in steps for row in step]
    assert {len(step) for _, step in steps} == {2}
    set_seed(settings.seed)
    model = qlora.adapted(qlora.quantised(base, settings, "sdpa"), settings)
    arguments = SFTConfig(
        output_dir=str(folder / "trl"),
        num_train_epochs=1,
        per_device_train_batch_size=2,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip_norm,
        optim="adamw_torch",
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        train_sampling_strategy="sequential",
        max_length=None,
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        save_strategy="no",
    )
    rows_in_order = [{"input_ids": data[row].input_ids, "labels": data[row].labels} for row in order]
    trainer = SFTTrainer(
        model=model, args=arguments, train_dataset=Dataset.from_list(rows_in_order), processing_class=tokenizer
    )
    for parameter in model.parameters():
        if parameter.requires_grad:  # TRL makes the adapter of a quantised model bfloat16
            parameter.data = parameter.data.to(torch.float32)
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row]


def test_two_processes_take_the_steps_of_one(runs: Path, base: Path) -> None:
    """Started by torchrun on two CPU processes, each with its share of the rows, the losses are those of one."""
    arguments = ["--recipe", str(runs.parent / "tiny.yaml"), "--runs", str(runs)]
    write_yaml(runs.parent / "tiny.yaml", {**TINY_SFT, "base": str(base), "save_base": False})
    assert sft.main(arguments) == 0
    alone = _curves(runs)
    (runs / "tiny" / "train").rename(runs / "tiny" / "alone")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, "-m", "finsight_train.sft", *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert jsonl.read(runs / "tiny" / "train" / "train.json")["processes"] == 2
    for mine, other in zip(_curves(runs), alone, strict=True):
        assert mine == pytest.approx(other, rel=1e-4)


def _curves(runs: Path) -> list[list[float]]:
    rows_ = [row for _, row in jsonl.read_lines(runs / "tiny" / "train" / "loss.jsonl")]
    return [[row["loss"], row["grad_norm"]] for row in rows_]
