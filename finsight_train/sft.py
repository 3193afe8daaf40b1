"""Fine-tune: QLoRA on the teacher's verified answers, through TRL, PEFT and bitsandbytes.

    python -m finsight_train.sft --recipe nano

It reads runs/NAME/export/sft.jsonl and writes runs/NAME/train/: adapter/, train.json and loss.jsonl with rows such as

    {"step": 12, "epoch": 0.17, "loss": 2.3104, "learning_rate": 0.00182, "grad_norm": 0.91}

Whatever can be wrong with recipe, rows, tokenizer or machine is found before any weight is loaded.
"""

from __future__ import annotations

import time
import warnings
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import errors, jsonl, manifest, prompt, stage
from finsight_train import recipe as recipes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_train.recipe import Recipe
    from finsight_train.rows import Row


@dataclass(frozen=True)
class Material:
    """All that training needs besides weights: checked, before any weight is loaded."""

    tokenizer: Any
    rows: list[Row]
    prefix: list[int]
    attention: str


def checked(recipe: Recipe, base: Path | str, sft: Path) -> Material:
    """Return the material of a training run; raises InputError for whatever recipe, base, rows or machine lack."""
    # Renamed arguments that TRL still uses: nothing that the reader of the screen could act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    from transformers import AutoTokenizer

    from finsight_train import qlora, rows

    qlora.check_device(recipe)
    attention = qlora.attention_for(recipe)
    qlora.check_base(base, recipe)
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows.check_tokenizer(tokenizer, str(base))
    data = rows.read_rows(sft, tokenizer, recipe.max_length)
    prefix = rows.shared_prefix(data) if recipe.shared_prefix else []
    total = sum(len(row.input_ids) for row in data)
    shared = f", {len(prefix)} of each row's shared by all" if prefix else ""
    print(f"  {len(data):,} rows, {total:,} tokens{shared}", flush=True)
    return Material(tokenizer, data, prefix, attention)


def train(recipe: Recipe, base: Path | str, material: Material, folder: Path) -> dict[str, Any]:
    """Train an adapter on `material`, write it and its loss curve below `folder`, and return the record."""
    import torch
    from transformers import set_seed
    from transformers.utils import logging

    from finsight_train import dequantised, fused, machine, qlora, trainer

    logging.disable_progress_bar()
    set_seed(recipe.seed)
    model = qlora.quantised(base, recipe, material.attention)
    cached = model.config.use_cache
    model = qlora.adapted(model, recipe)
    settings = trainer.configuration(recipe, folder)
    running, progress = trainer.trainer_of(model, material.tokenizer, material.rows, material.prefix, settings)
    dtype = getattr(torch, recipe.compute_dtype)
    started = time.monotonic()
    with fused.dequantised_base(model, dtype) if recipe.dequantised_base else nullcontext():
        running.train()
    seconds = time.monotonic() - started
    model.config.use_cache = cached  # off only while training: saved off, it would make generation crawl
    qlora.save_adapter(model, folder / "adapter", recipe.base)
    jsonl.write_lines(folder / "loss.jsonl", progress.curve)
    if recipe.save_base:
        dequantised.write_base(base, recipe, material.tokenizer, folder / "base")
    return {
        "attention": model.config._attn_implementation,  # noqa: SLF001 - what runs, not what was asked for
        "hardware": machine.hardware(recipe.device),
        "rows": len(material.rows),
        "shared_prefix_tokens": len(material.prefix),
        "trainable_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "steps": running.state.global_step,
        "tokens_seen": running.tokens_seen,
        "labelled_tokens": running.labelled_seen,
        "tokens_per_second": round(running.tokens_seen / seconds),
        "peak_memory_bytes": machine.peak_memory(recipe.device),
        "seconds": round(seconds, 1),
        "first_loss": progress.curve[0]["loss"],
        "final_loss": progress.curve[-1]["loss"],
    }


def plan(recipe: Recipe, base: Path | str, run: Path) -> stage.Plan:
    """Return the stage: the rows, the base and the settings that decide the adapter."""
    inputs, sources = {"sft": run / "export" / "sft.jsonl"}, {}
    if isinstance(base, Path):
        if (base / manifest.NAME).is_file():
            inputs["base"] = base
        else:
            sources["base_config"] = base / "config.json"
    return stage.Plan(
        name="train",
        folder=run / "train",
        module="finsight_train.sft",
        inputs=inputs,
        sources=sources,
        settings={**asdict(recipe), "prompt": prompt.fingerprint()},
    )


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Train the adapter of a recipe; returns the exit code."""
    parser = stage.arguments("Fine-tune a base model by QLoRA on runs/NAME/export/sft.jsonl.", recipes.RECIPES)
    options = parser.parse_args(argv)
    recipe = recipes.load(stage.recipe_path(options.recipe, recipes.RECIPES))
    base = recipes.base_of(recipe)
    planned = plan(recipe, base, stage.run_folder(options.runs, options.recipe))

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        record = train(recipe, base, checked(recipe, base, planned.inputs["sft"]), folder)
        jsonl.write(folder / "train.json", {"settings": asdict(recipe), "versions": manifest.versions(), **record})
        loss = f"loss {record['first_loss']:.3f} -> {record['final_loss']:.3f}"
        return f"{record['steps']} steps, {loss}, {record['tokens_per_second']:,} tokens/s", record

    stage.run(planned, build)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
