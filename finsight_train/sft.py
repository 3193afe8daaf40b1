"""Fine-tune: QLoRA on the teacher's verified answers, through transformers, PEFT and bitsandbytes.

    python -m finsight_train.sft --recipe nano
    accelerate launch --num_processes 2 -m finsight_train.sft --recipe finsight-7b

It reads runs/NAME/export/sft.jsonl and writes runs/NAME/train/: adapter/, train.json, dev.jsonl and dev_replies.jsonl
(what the adapter answered on dev items on the way) and loss.jsonl with rows such as

    {"step": 12, "epoch": 0.17, "loss": 2.3104, "learning_rate": 0.00182, "grad_norm": 0.91}

Whatever can be wrong with recipe, rows, tokenizer or machine is found before any weight is loaded. A killed training
goes on from its last checkpoint by the same command.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import errors, jsonl, manifest, prompt, stage
from finsight_train import processes as groups
from finsight_train import recipe as recipes
from finsight_train.material import Where, checked, in_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_train.loop import Training
    from finsight_train.material import Material
    from finsight_train.processes import Processes
    from finsight_train.recipe import Recipe


def trained(recipe: Recipe, base: Path | str, material: Material, processes: Processes) -> tuple[Any, Training]:
    """Return the model with its best adapter, and the training that led there."""
    import torch
    from transformers import set_seed
    from transformers.utils import logging

    from finsight_train import adapter, loop, network, qlora, task

    logging.disable_progress_bar()
    set_seed(recipe.seed)
    model = qlora.adapted(qlora.quantised(base, recipe, "sdpa"), recipe)
    numbers = adapter.Adapter(model)
    dtype = getattr(torch, recipe.compute_dtype)
    running = network.Network(model, material.placement, dtype, material.kernel)
    made_of = task.Task(
        recipe=recipe,
        rows=material.rows,
        prefix=material.prefix,
        steps=material.steps,
        exam=material.exam,
        checkpoints=material.checkpoints,
        of=material.of,
        processes=processes,
    )
    training = loop.Training(made_of, running, numbers)
    if processes.first:
        print(f"  {in_words(material)}", flush=True)
    training.run()
    return model, training


def write(base: Path | str, material: Material, model: Any, training: Training, folder: Path) -> dict[str, Any]:
    """Write the adapter and its curves below `folder`, and return the record."""
    from finsight_train import dequantised, machine, qlora, timetable

    done, recipe = training.progress, training.task.recipe
    qlora.save_adapter(model, folder / "adapter", recipe.base)
    jsonl.write_lines(folder / "loss.jsonl", done.curve)
    jsonl.write_lines(folder / "dev.jsonl", done.dev)
    jsonl.write_lines(folder / "dev_replies.jsonl", done.replies)
    if recipe.save_base:
        dequantised.write_base(model.unload(), base, material.tokenizer, recipe.compute_dtype, folder / "base")
    dear = timetable.too_dear(done.dev_seconds, done.seconds, len(done.dev)) if done.dev else None
    for said in (dear, done.warning):
        if said:
            print(f"  note: {said}", flush=True)
    return {
        "attention": material.kernel,
        "layers": training.network.form,
        "placement": asdict(material.placement),
        "hardware": machine.hardware(recipe.device),
        "processes": training.task.processes.count,
        "rows": len(material.rows),
        "shared_prefix_tokens": len(material.prefix),
        "trainable_parameters": training.adapter.values.numel(),
        "steps": done.step,
        "planned_steps": len(training.steps),
        "best_step": training.best_step,
        "stopped": done.stopped,
        "warning": done.warning,
        "tokens_seen": done.tokens,
        "tokens_computed": done.computed,
        "labelled_tokens": done.labelled,
        "tokens_per_second": round(done.tokens / done.seconds),
        "steady_tokens_per_second": done.steady,
        "peak_memory_bytes": machine.peak_memory(recipe.device),
        "seconds": round(done.seconds, 1),
        "first_step_seconds": round(done.first_step_seconds, 1),
        "dev_seconds": round(done.dev_seconds, 1),
        "first_loss": done.curve[0]["loss"],
        "final_loss": done.curve[-1]["loss"],
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
        settings={
            **{key: value for key, value in asdict(recipe).items() if key not in recipes.ARRANGEMENT},
            "prompt": prompt.fingerprint(),
        },
    )


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Train the adapter of a recipe; returns the exit code."""
    parser = stage.arguments("Fine-tune a base model by QLoRA on runs/NAME/export/sft.jsonl.", recipes.RECIPES)
    parser.add_argument("--preset", choices=recipes.PRESETS, help="memory against speed; overrides the recipe's")
    parser.add_argument("--from-scratch", action="store_true", help="drop the checkpoints of a killed training")
    parser.add_argument(
        "--gib", type=float, metavar="N", help="use at most N GiB of the GPU's memory (default: all free)"
    )
    options = parser.parse_args(argv)
    recipe = recipes.load(stage.recipe_path(options.recipe, recipes.RECIPES))
    recipe = replace(recipe, preset=options.preset or recipe.preset)
    base = recipes.base_of(recipe)
    planned = plan(recipe, base, stage.run_folder(options.runs, options.recipe))
    processes = groups.joined(recipe.device)
    where = Where(processes, options.gib)
    checkpoints = planned.folder.with_name(f"{planned.folder.name}.checkpoint")
    if options.from_scratch and processes.first:
        shutil.rmtree(checkpoints, ignore_errors=True)
    processes.wait()

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        material = checked(recipe, base, planned, checkpoints, where)
        model, training = trained(recipe, base, material, processes)
        record = write(base, material, model, training, folder)
        jsonl.write(folder / "train.json", {"settings": asdict(recipe), "versions": manifest.versions(), **record})
        loss = f"loss {record['first_loss']:.3f} -> {record['final_loss']:.3f}"
        return f"{record['steps']} steps, {loss}, {record['tokens_per_second']:,} tokens/s", record

    if processes.first:
        stage.run(planned, build)
        shutil.rmtree(checkpoints, ignore_errors=True)
    elif not stage.finished(planned.folder, stage.identity(planned)):
        trained(recipe, base, checked(recipe, base, planned, checkpoints, where), processes)
    groups.leave(processes)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
