"""How fast an adapter is trained, and in how much memory, by the project's own command on rows like real ones.

    python -m benchmarks.speed.training --model FOLDER --work WORK --presets speed memory --out training.jsonl

FOLDER holds config.json and a tokenizer; without weights it gets random ones, seeded. Rows are random words, 250 to 470
tokens, of which 40 % are labelled, without a beginning that they share. One line a run:

    {"preset": "speed", "gib": null, "steady_tokens_per_second": 20110, "peak_gib": 90.2, "flop_utilisation": 0.69, ...}

TRAINING.md holds what was measured, beside other trainers, and how to read it.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from finsight_eval import jsonl, stage
from finsight_eval.errors import InputError, command
from finsight_eval.recipe import read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT: Final = Path(__file__).parents[2]
LENGTHS: Final = (250, 470)
LABELLED: Final = 0.4
#: The dense bfloat16 peak that utilisation refers to, in FLOP/s: an H100's or H200's data sheet.
PEAK: Final = 989e12
GIB: Final = 2**30


def weighted(model: Path, work: Path, device: str) -> Path:
    """Return a folder with weights: `model` itself, or a copy with random ones."""
    if list(model.glob("*.safetensors")):
        return model
    made = work / "base"
    if not list(made.glob("*.safetensors")):
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.manual_seed(0)
        with torch.device(device):
            network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model), dtype=torch.bfloat16)
        network.save_pretrained(made, max_shard_size="4GB")
        for path in model.iterdir():
            if path.name != "config.json":
                shutil.copy(path, made / path.name)
    return made


def rows(tokenizer: Any, count: int) -> list[jsonl.Row]:
    """Return training rows of random words, each of as many tokens as it should have, give or take some."""
    rng = random.Random(0)
    ids = [rng.randrange(1000, len(tokenizer) - 1000) for _ in range(6000)]
    words = [word for word in (tokenizer.decode([i]).strip() for i in ids) if word.isascii() and word.isalpha()]
    whole = " ".join(rng.choices(words, k=5000))
    per_word = len(tokenizer(whole).input_ids) / 5000

    def text(tokens: float) -> str:
        return " ".join(rng.choices(words, k=max(1, round(tokens / per_word))))

    found = []
    for number in range(count):
        length = rng.randint(*LENGTHS)
        labelled = length * LABELLED
        prompt = [{"role": "user", "content": text(length - labelled - 30)}]  # 30: the chat template's own
        completion = [{"role": "assistant", "content": text(labelled)}]
        found.append({"id": f"row-{number}", "prompt": prompt, "completion": completion})
    return found


def export(base: Path, run: Path, count: int) -> None:
    """Write `count` rows as the stage that training reads."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        jsonl.write_lines(folder / "sft.jsonl", rows(tokenizer, count))
        return f"{count:,} rows", {}

    stage.run(stage.Plan("export", run / "export", "benchmarks.speed.training", settings={"rows": count}), build)


def flops_per_token(config: jsonl.Row, rank: int) -> float:
    """Return the floating-point operations that a token of these rows needs, there and back, none computed twice.

    4 for each weight of a layer (its gradient is never needed) and of the head on labelled tokens, 6 for each number of
    the adapter, and 8 for each pair of places that attention looks at, half of them, in each of its numbers.
    """
    hidden, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    width = hidden // config["num_attention_heads"]
    keys = width * config["num_key_value_heads"]
    products = [(hidden, hidden), (hidden, keys), (hidden, keys), (hidden, hidden)] + [(hidden, inner)] * 3
    weights = sum(a * b for a, b in products)
    adapter = rank * sum(a + b for a, b in products)
    attention = 8 * hidden * (sum(LENGTHS) / 2) / 2
    return float(layers * (4 * weights + 6 * adapter + attention) + 4 * LABELLED * hidden * config["vocab_size"])


def measured(options: argparse.Namespace, base: Path, preset: str, gib: float | None) -> jsonl.Row:
    """Train by the project's command and return what its record says; raises InputError where it fails."""
    runs, name = options.work / "runs", f"{preset}{'' if gib is None else f'-{gib:g}'}"
    settings = read_yaml(ROOT / "finsight_train" / "recipes" / f"{options.recipe}.yaml")
    settings |= {"name": name, "base": str(base), "dev_evaluations": 0, "save_base": False, "epochs": 1.0}
    settings |= {"device": options.device, "preset": preset}
    recipe = options.work / f"{name}.yaml"
    recipe.write_text(yaml.safe_dump(settings), "utf-8")
    export(base, runs / name, round(options.steps * settings["step_tokens"] / (sum(LENGTHS) / 2)))
    shutil.rmtree(runs / name / "train", ignore_errors=True)
    wanted = [
        sys.executable,
        "-m",
        "finsight_train.sft",
        "--recipe",
        str(recipe),
        "--runs",
        str(runs),
        "--from-scratch",
    ]
    done = subprocess.run([*wanted, *(["--gib", str(gib)] if gib else [])], cwd=ROOT, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise InputError(f"preset {preset}: training ended with exit code {done.returncode}; its own words stand above")
    record = jsonl.read(runs / name / "train" / "train.json")
    needed = flops_per_token(jsonl.read(base / "config.json"), settings["rank"])
    rate = record["steady_tokens_per_second"]
    return {
        "preset": preset,
        "gib": gib,
        "steady_tokens_per_second": rate,
        "peak_gib": round(record["peak_memory_bytes"] / GIB, 2),
        "flop_utilisation": round(rate * needed / PEAK, 3) if options.device == "cuda" else None,
        "first_step_seconds": record["first_step_seconds"],
        "minutes_for_20000_rows_3_epochs": round(60_000 * record["tokens_seen"] / record["rows"] / rate / 60, 1),
        **{key: record[key] for key in ("attention", "placement", "layers", "hardware", "tokens_seen", "steps")},
        "versions": record["versions"],
    }


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure each preset; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="folder with config.json and tokenizer")
    parser.add_argument("--work", type=Path, required=True, help="folder for weights, rows and runs")
    parser.add_argument("--recipe", default="finsight-7b", help="whose other settings are taken (default: finsight-7b)")
    parser.add_argument("--presets", nargs="+", default=["speed", "memory"], help="auto:24 plans for a card of 24 GiB")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--steps", type=int, default=20, help="optimisation steps, about (default: 20)")
    parser.add_argument("--out", type=Path, required=True, help="a line a run is added to this file")
    options = parser.parse_args(argv)
    options.work.mkdir(parents=True, exist_ok=True)
    base = weighted(options.model, options.work, options.device)
    for preset in options.presets:
        name, _, gib = preset.partition(":")
        found = measured(options, base, name, float(gib) if gib else None)
        with options.out.open("a", encoding="utf-8") as stream:
            stream.write(jsonl.dumps(found) + "\n")
        print(jsonl.dumps(found), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
