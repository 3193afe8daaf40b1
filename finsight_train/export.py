"""Export: the adapter merged into the weights it was trained on, checked against it, with a card; on demand as GGUF.

    python -m finsight_train.export --recipe nano                # runs/nano/merged/
    python -m finsight_train.export --recipe nano --gguf f16     # and runs/nano/gguf-f16/, for llama.cpp and Ollama

runs/NAME/merged/ is an ordinary model folder (safetensors, tokenizer, README.md) with export.json:

    {"recipe": "nano", "base": "finsight-nano", "dtype": "float32", "tensors": 98, "adapted": 56,
     "agreement": {"items": 64, "identical": 64, "same_verdicts": 64, "least": 58, ...}, "versions": {...}}

Where merged model and adapter disagree on more dev items than allowed, nothing takes its place: the files stay in
runs/NAME/merged.refused for a look, and the exit code is 1. SERVING.md tells how the result is served.
"""

from __future__ import annotations

import gc
import shutil
import sys
import warnings
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import backend, errors, jsonl, manifest, stage, suite
from finsight_train import recipe as recipes
from finsight_train.exporting import agreement, beside, card, gguf_file, job, lora, merge, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_train.exporting.job import Job
    from finsight_train.recipe import Recipe


class Disagreement(Exception):  # noqa: N818 - a verdict on the merged model, not an error of the user's
    """The merged model judges dev items otherwise than the adapter did."""


def build(task: Job, planned: stage.Plan, folder: Path) -> tuple[str, dict[str, Any]]:
    """Write the merged model with its record and card into `folder`; raises Disagreement where it judges otherwise."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    # A renamed argument that transformers itself still uses: nothing that the reader of the screen could act on.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    adapter = lora.read(planned.inputs["adapter"], task.recipe.base)
    tokenizer = AutoTokenizer.from_pretrained(task.source)
    generation = GenerationConfig.from_pretrained(task.source)
    config = AutoConfig.from_pretrained(task.source)
    lengths = (config.max_position_embeddings, task.recipe.max_length)
    served = serving.serving_of(task.name, tokenizer, generation, lengths, task.suite.max_new_tokens)
    beside.write(folder, config, tokenizer, generation, task.recipe.compute_dtype)
    items = agreement.dev_items(planned.settings["sets"], agreement.ITEMS)
    prompts = agreement.prompts_of(items, tokenizer)
    ends = set(served.stop_ids)
    tensors, said = _merge(
        task, adapter, folder, lambda model: agreement.replies(model, prompts, served.new_tokens, ends)
    )
    says = agreement.replies(_loaded(folder, task), prompts, served.new_tokens, ends)
    agreed = {
        "sets": list(planned.settings["sets"]),
        "least": job.least(len(items)),
        **agreement.comparison(items, said, says, tokenizer),
    }
    record = {
        "recipe": task.name,
        "base": _label(task.recipe.base),
        "reference": "adapter beside the dequantised base" if task.saved else "adapter beside the NF4 base",
        "device": _device(task.recipe),
        "dtype": task.recipe.compute_dtype,
        "tensors": tensors,
        "adapted": len(adapter.pairs),
        "agreement": agreed,
        "serving": asdict(served),
        "versions": manifest.versions(),
    }
    jsonl.write(folder / "export.json", record)
    jsonl.write_text(folder / "README.md", card.card(_facts(task, planned, served, agreed)))
    shown = f"{agreed['identical']} of {len(items)} replies identical, {agreed['same_verdicts']} verdicts the same"
    if agreed["same_verdicts"] < agreed["least"]:
        raise Disagreement(f"{shown}, at least {agreed['least']} are asked for")
    return f"{tensors} tensors, {len(adapter.pairs)} merged; {shown}", {"tensors": tensors, "agreement": agreed}


def _label(base: str) -> str:
    """Return what a reader elsewhere may know a base by: its hub id, or its folder's name, never a path."""
    return Path(base).name if Path(base).exists() or base.count("/") != 1 else base


def _device(recipe: Recipe) -> str:
    """Return where the export computes: on the recipe's device, on the CPU where the recipe's GPU is not there."""
    import torch

    return recipe.device if recipe.device == "cpu" or torch.cuda.is_available() else "cpu"


def _merge(
    task: Job, adapter: lora.Adapter, folder: Path, answers: Callable[[Any], list[list[int]]]
) -> tuple[int, list[list[int]]]:
    """Write the merged weights; return their number and the replies of the base with the adapter beside it."""
    from peft import PeftModel

    from finsight_train import qlora

    where = task.run / "train" / "adapter"
    if task.saved:
        merge.check_space(folder, sum(path.stat().st_size for path in task.saved.glob("*.safetensors")))
        count = merge.write(merge.merged_weights(merge.saved_weights(task.saved), adapter, str(task.saved)), folder)
        base = _loaded(task.saved, task)
    else:
        base = qlora.quantised(task.base, replace(task.recipe, device=_device(task.recipe)), "sdpa")
        merge.check_space(folder, merge.dequantised_size(base))
        count = merge.write(merge.merged_weights(merge.dequantised_weights(base), adapter, str(task.base)), folder)
    model = PeftModel.from_pretrained(base, where)
    said = answers(model)
    del model, base
    gc.collect()  # the merged model may need the memory
    return count, said


def _loaded(folder: Path, task: Job) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = getattr(torch, task.recipe.compute_dtype)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, device_map={"": _device(task.recipe)})


def _facts(task: Job, planned: stage.Plan, served: serving.Serving, agreed: dict[str, Any]) -> card.Facts:
    inputs = planned.inputs
    vllm = backend.arguments(replace(task.suite, model="vllm"), {"adapter": inputs["adapter"]}, adapter=True, seed=None)
    return card.Facts(
        serving=served,
        base=_label(task.recipe.base),
        saved_base=task.saved is not None,
        train=jsonl.read(inputs["record"]),
        overlap=jsonl.read(inputs["overlap"]) if "overlap" in inputs else None,
        agreement=agreed,
        scores={model: jsonl.read(inputs[f"score_{model}"]) for model in suite.MODELS if f"score_{model}" in inputs},
        room=vllm["max_lora_rank"],
    )


def build_gguf(task: Job, kind: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """Write GGUF file, Modelfile and record into `folder`."""
    model, weights = task.run / "merged", f"{task.name}-{kind}.gguf"
    told = jsonl.read(model / "export.json")["serving"]
    served = serving.read(told)
    merge.check_space(folder, sum(path.stat().st_size for path in model.glob("*.safetensors")))
    written = gguf_file.write(model, folder / weights, kind, served)
    jsonl.write_text(folder / "Modelfile", serving.modelfile(served, weights))
    jsonl.write(folder / "gguf.json", {"file": weights, "type": kind, **asdict(written)})
    size = (folder / weights).stat().st_size
    return f"{written.tensors} tensors, {size / 1e6:,.1f} MB, read back", asdict(written)


def _refused(planned: stage.Plan) -> Path:
    """Move what was built aside and return where it is."""
    built = planned.folder.with_name(planned.folder.name + ".partial")
    aside = planned.folder.with_name(planned.folder.name + ".refused")
    shutil.rmtree(aside, ignore_errors=True)
    return built.rename(aside)


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Export the adapter of a recipe; returns 0, or 1 where the merged model judges otherwise than the adapter."""
    parser = stage.arguments("Merge a recipe's adapter into the base that it was trained on.", recipes.RECIPES)
    parser.add_argument("--gguf", choices=gguf_file.TYPES, help="also write a GGUF file of this type")
    options = parser.parse_args(argv)
    task = job.job_of(options.recipe, options.runs)
    if options.gguf:
        job.check_gguf(task)
    planned = job.plan(task)
    try:
        stage.run(planned, partial(build, task, planned))
    except Disagreement as verdict:
        print(f"not exported: {verdict}; the files are in {_refused(planned)} for a look", file=sys.stderr)
        return 1
    if options.gguf:
        stage.run(job.gguf_plan(task, options.gguf), partial(build_gguf, task, options.gguf))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
