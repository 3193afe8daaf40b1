"""What a training is made of besides weights, checked before any weight is loaded.

1,500 rows, 430,751 tokens, 161 of each row's shared by all; 375 steps
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finsight_eval import jsonl, manifest

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_eval import stage
    from finsight_train.devset import Exam
    from finsight_train.network import Placement
    from finsight_train.processes import Processes
    from finsight_train.recipe import Recipe
    from finsight_train.rows import Row


@dataclass(frozen=True)
class Where:
    """What a training runs on: this process among others, and how much of its GPU's memory it may use (None: all)."""

    processes: Processes
    gib: float | None


@dataclass(frozen=True)
class Material:
    """All that training needs besides weights: checked, before any weight is loaded."""

    tokenizer: Any
    rows: list[Row]
    prefix: list[int]
    steps: list[tuple[float, list[int]]]
    exam: Exam | None
    kernel: str
    placement: Placement
    of: dict[str, Any]
    checkpoints: Path


def checked(recipe: Recipe, base: Path | str, planned: stage.Plan, checkpoints: Path, where: Where) -> Material:
    """Return the material of a training run; raises InputError for whatever recipe, base, rows or machine lack."""
    # Renamed arguments of libraries: nothing that the reader of the screen could act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    import torch
    from transformers import AutoConfig, AutoTokenizer

    from finsight_train import checkpoint, devset, documents, memory, packing, qlora, rows

    qlora.check_device(recipe)
    qlora.check_base(base, recipe)
    config, dtype = AutoConfig.from_pretrained(base), getattr(torch, recipe.compute_dtype)
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows.check_tokenizer(tokenizer, str(base))
    data = rows.read_rows(planned.inputs["sft"], tokenizer, recipe.max_length)
    prefix = rows.shared_prefix(data)
    steps = packing.steps_of([len(row.input_ids) for row in data], recipe.step_tokens, recipe.epochs, recipe.seed)
    exam = None
    if recipe.dev_evaluations:
        budget, positions = devset.reply_budget(data), getattr(config, "max_position_embeddings", 2**31)
        exam = devset.exam_of(recipe.dev_sets, recipe.dev_items, tokenizer, budget, positions)
    of = training_of(planned)
    checkpoint.matching(checkpoints, of)
    placement = memory.on_cpu(recipe.preset, config)
    if recipe.device == "cuda":
        shape = memory.shape_of(config, recipe.rank, dtype.itemsize)
        sizes = {number: len(row.input_ids) - len(prefix) for number, row in enumerate(data)}
        widest = packing.widest_share([step for _, step in steps], sizes, where.processes.count)
        load = memory.Load(widest, max(sizes.values()), len(prefix))
        placement = memory.placed(recipe.preset, shape, load, memory.free(where.gib))
        if where.processes.first:
            print(f"  preset {recipe.preset}: {memory.in_words(placement, shape)}", flush=True)
    kernel = documents.kernel_for(recipe.device, dtype, memory.head_width(config))
    return Material(tokenizer, data, prefix, steps, exam, kernel, placement, of, checkpoints)


def training_of(planned: stage.Plan) -> dict[str, Any]:
    """Return what makes one training differ from another: settings that decide its numbers, rows and base."""
    homes = {name: manifest.home_of(path) for name, path in planned.inputs.items()}
    hashes = {name: manifest.sha256(home / manifest.NAME) for name, home in homes.items() if home}
    hashes |= {name: manifest.sha256(path) for name, path in planned.sources.items()}
    return jsonl.loads(jsonl.dumps({**planned.settings, **hashes}))  # type: ignore[no-any-return] # as a file gives it back


def in_words(material: Material) -> str:
    """Return the line above."""
    total = sum(len(row.input_ids) for row in material.rows)
    shared = f", {len(material.prefix)} of each row's shared by all" if material.prefix else ""
    return f"{len(material.rows):,} rows, {total:,} tokens{shared}; {len(material.steps):,} steps"
