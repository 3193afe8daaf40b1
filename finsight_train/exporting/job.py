"""What is exported: recipe, run, suite and base of one name, and the stages that follow from them.

    Job(name="nano", recipe=..., base=Path("runs/nano/train/base"), run=Path("runs/nano"), suite=..., saved=...)

Of training only what it leaves on disk is read. Whatever can be missing or can have changed since is found here, before
any weight is loaded.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from finsight_eval import jsonl, manifest, prompt, stage, suite
from finsight_eval.errors import InputError
from finsight_train import recipe as recipes
from finsight_train.exporting import agreement, gguf_file

if TYPE_CHECKING:
    from finsight_eval.suite import Suite
    from finsight_train.recipe import Recipe

#: The share of verdicts that may differ. On finsight-nano a right merge kept 64 of 64 in float32 and 61 in bfloat16
#: (whose own rounding keeps 60 of float32's); a merge into the original weights kept 39, one with half the scale 3.
MOST_CHANGED: Final = 0.1
#: What decides the weights that an adapter was trained on; a recipe that says otherwise since describes others.
_DECIDING: Final = ("base", "quantisation", "double_quant", "compute_dtype")
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Job:
    """What is exported: the recipe, its run and suite, the base as named, and the dequantised base if it was saved."""

    name: str
    recipe: Recipe
    base: Path | str
    run: Path
    suite: Suite
    saved: Path | None

    @property
    def source(self) -> Path | str:
        """Where configuration and tokenizer come from."""
        return self.saved or self.base


def job_of(given: str, runs: Path) -> Job:
    """Return what `--recipe` and `--runs` name; raises InputError where recipe, suite, adapter or base is missing."""
    name, run = stage.named(given), stage.run_folder(runs, given)
    if not _NAME.fullmatch(name):
        raise InputError(f"--recipe is {name!r}; a model is named after it: letters, digits, '.', '-' and '_' only")
    recipe = recipes.load(stage.recipe_path(given, recipes.RECIPES))
    settings = suite.load(stage.recipe_path(name, suite.FOLDER))
    train = run / "train"
    if not (train / "adapter").is_dir():
        raise InputError(f"{train / 'adapter'}: no adapter; run `python -m finsight_train.sft --recipe {given}` first")
    _check_settings(recipe, train / "train.json")
    saved = train / "base" if (train / "base").is_dir() else None
    return Job(name, recipe, saved or recipes.base_of(recipe), run, settings, saved)


def _check_settings(recipe: Recipe, record: Path) -> None:
    trained = jsonl.read(record).get("settings") or {}
    for key in _DECIDING:
        if trained.get(key) != (wanted := getattr(recipe, key)):
            raise InputError(
                f"{record}: the adapter was trained with {key} {trained.get(key)!r}, the recipe says {wanted!r}; set "
                "the recipe back, or train again"
            )


def plan(job: Job) -> stage.Plan:
    """Return the stage: the adapter, what it was trained on, the dev items, and the figures that the card tells."""
    inputs = {"adapter": job.run / "train" / "adapter", "record": job.run / "train" / "train.json"}
    if job.saved:
        inputs["base"] = job.saved
    elif isinstance(job.base, Path) and (job.base / manifest.NAME).is_file():
        inputs["base"] = job.base
    for model in suite.MODELS:
        if (job.run / "score" / model).is_dir():
            inputs[f"score_{model}"] = job.run / "score" / model / "metrics.json"
    if (job.run / "export").is_dir():
        inputs["overlap"] = job.run / "export" / "overlap.json"
    sets = agreement.dev_sets(job.suite.tasks)
    return stage.Plan(
        name="merge",
        folder=job.run / "merged",
        module="finsight_train.export",
        inputs=inputs,
        sources={f"dev_{name}": path for name, path in agreement.dev_files(sets).items()},
        settings={
            **{key: getattr(job.recipe, key) for key in (*_DECIDING, "device", "max_length")},
            "sets": sets,
            "max_new_tokens": job.suite.max_new_tokens,
            "prompt": prompt.fingerprint(),
            "most_changed": MOST_CHANGED,
        },
    )


def least(items: int) -> int:
    """Return on how many of `items` dev items the verdicts have to be the same."""
    return items - int(items * MOST_CHANGED)


def gguf_plan(job: Job, kind: str) -> stage.Plan:
    """Return the stage that writes the merged model as GGUF."""
    return stage.Plan(
        name=f"gguf {kind}",
        folder=job.run / f"gguf-{kind}",
        module="finsight_train.export",
        inputs={"merged": job.run / "merged"},
        settings={"kind": kind},
    )


def check_gguf(job: Job) -> None:
    """Raise InputError for what a GGUF file cannot be written for, before anything is merged."""
    if importlib.util.find_spec("gguf") is None:
        raise InputError("--gguf needs the package gguf: pip install 'finsight-harness[gguf]'")
    if isinstance(job.source, Path):
        gguf_file.check_architecture(jsonl.read(job.source / "config.json"), str(job.source))
