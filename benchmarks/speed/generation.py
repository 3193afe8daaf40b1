"""How fast replies are written, by lm-eval's `hf` and by our decoder, and whether they are the same replies.

    python -m benchmarks.speed.generation --model FOLDER --device cuda --dtype bfloat16 --out speed.jsonl
    python -m benchmarks.speed.generation --model runs/nano/train/base --new 96 --batches 64 --out speed.jsonl

A folder without weights (config.json, generation_config.json and tokenizer) gets random ones, seeded. Prompts are
held-out simulated news under the project's own instruction. One line a measurement, as it is made:

    {"model": "hf 256", "run": 1, "seconds": 20.93, "docs_per_second": 12.23, "first_reply": 20.91, ...}

Run 0 is cold: graphs are captured, libraries load. GENERATION.md holds what was measured and how to read it.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.speed.replies import Heard, Parting, listening, partings, shared
from finsight_eval import benchmark, jsonl, prompt
from finsight_eval.backend import FAST, model_class
from finsight_eval.errors import command

if TYPE_CHECKING:
    from collections.abc import Sequence


def loaded(options: argparse.Namespace) -> tuple[Any, Any]:
    """Return model and tokenizer; random weights, and a random adapter, where a folder holds none."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig

    dtype = getattr(torch, options.dtype)
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    folder = Path(options.model)
    if folder.is_dir() and not list(folder.glob("*.safetensors")):
        torch.manual_seed(0)
        with torch.device(options.device):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=dtype)
        model.generation_config = GenerationConfig.from_pretrained(folder)
    else:
        model = AutoModelForCausalLM.from_pretrained(folder if folder.is_dir() else options.model, dtype=dtype)
    model = model.to(options.device).eval()
    return (adapted(model, options.adapter) if options.adapter else model), tokenizer


def adapted(model: Any, adapter: str) -> Any:
    """Return the model with an adapter: the folder's, or random numbers in the shape that we train ("random")."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model

    if adapter != "random":
        return PeftModel.from_pretrained(model, adapter).eval()
    shape = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    made = get_peft_model(model, shape)
    torch.manual_seed(1)
    for name, weights in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.005)
    return made.eval()


def contexts(model: Any, sets: Sequence[str], count: int) -> list[str]:
    """Return the prompts of held-out items as the model is given them."""
    items = [item for name in sets for item in benchmark.read(name, "test")][:count]
    return [model.apply_chat_template(prompt.messages(prompt.student_prompt(item.text))) for item in items]


def timed(model: Any, texts: Sequence[str], new_tokens: int) -> tuple[dict[str, Any], dict[str, Heard]]:
    """Let the model reply to all texts; return figures and replies."""
    import torch
    from lm_eval.api.instance import Instance

    wanted = {"until": [], "max_gen_toks": new_tokens, "do_sample": False}
    requests = [Instance("generate_until", {}, (text, dict(wanted)), n) for n, text in enumerate(texts)]
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with listening(model) as heard:
        started = time.perf_counter()
        model.generate_until(requests, disable_tqdm=True)
        seconds = time.perf_counter() - started
    figures = {
        "seconds": round(seconds, 2),
        "docs_per_second": round(len(texts) / seconds, 2),
        "first_reply": round(min(reply.seconds for reply in heard.values()), 2),
        "tokens": sum(len(reply.tokens) for reply in heard.values()),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 1) if on_gpu else None,
    }
    return figures, dict(heard)


def agreement(model: Any, left: dict[str, Heard], right: dict[str, Heard]) -> dict[str, Any]:
    """Return how far two models' replies to the same prompts are the same, and what made them part."""
    parted = [parting for parting in partings(model, left, right) if isinstance(parting, Parting)]
    tokens = sum(len(reply.tokens) for reply in left.values())
    same = sum(shared(reply.tokens, right[text].tokens) for text, reply in left.items())
    found: dict[str, Any] = {"replies": len(left), "identical": len(left) - len(parted)}
    found["tokens_before_parting"] = round(same / tokens, 4)
    if parted:
        found["gap_median"] = round(median(p.gap for p in parted), 5)
        found["gap_largest"] = round(max(p.gap for p in parted), 5)
        found["ranks"] = {f"{a}/{b}": n for (a, b), n in Counter(p.ranks for p in parted).most_common(4)}
    return found


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure `hf` at several batch sizes and our decoder, and compare their replies; returns the exit code."""
    parser = argparse.ArgumentParser(description="Measure how fast replies are written, and whether they agree.")
    parser.add_argument("--model", required=True, help="a folder, or a Hugging Face id")
    parser.add_argument("--adapter", help="a folder, or `random`")
    parser.add_argument("--device", default="cpu", help="torch's name of it, such as cuda")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"], help="of the weights")
    parser.add_argument("--sets", nargs="+", default=["simulated"], help="benchmark sets whose test items are asked")
    parser.add_argument("--prompts", type=int, default=256, help="how many items are asked at most")
    parser.add_argument("--new", type=int, default=200, help="tokens per reply at most")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128, 256], help="of `hf`; the last is compared")
    parser.add_argument("--runs", type=int, default=3, help="of each, after a cold one")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines")
    options = parser.parse_args(argv)
    base, tokenizer = loaded(options)
    lines: list[jsonl.Row] = []
    replies: dict[str, dict[str, Heard]] = {}

    def note(row: jsonl.Row) -> None:
        lines.append(row)
        print(jsonl.dumps(row), flush=True)
        jsonl.write_lines(options.out, lines)

    for name, batch in [*(("hf", batch) for batch in options.batches), (FAST, options.batches[-1])]:
        model = model_class(name)(pretrained=base, tokenizer=tokenizer, batch_size=batch)
        texts = contexts(model, options.sets, options.prompts)
        label = f"{name} {batch}" if name == "hf" else "ours"
        for run in range(options.runs + 1):
            if name == "hf" and run == 0:  # a batch's worth of tokens is enough to warm what `hf` uses
                timed(model, texts[:batch], 8)
                continue
            figures, replies[label] = timed(model, texts, options.new)
            note({"model": label, "run": run, **figures})
        first, _ = timed(model, texts, 1)
        note({"model": label, "first_token": first["first_reply"], "all_first_tokens": first["seconds"]})
    last = f"hf {options.batches[-1]}"
    for label, found in replies.items():
        if label != last:
            note({"compared": [label, last], **agreement(model, found, replies[last])})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
