"""The training set as LLaMA-Factory reads it: both of its formats, their registry and a training recipe.

    finsight_alpaca.json    {"instruction": "You are a financial ...", "input": "", "output": "<thinking>..."}
    finsight_sharegpt.json  {"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}
    dataset_info.json       the registry: which file has which format
    train.yaml              llamafactory-cli train llamafactory/train.yaml

The whole prompt stands in `instruction`: LLaMA-Factory would join an `input` with a line break of its own, and the
training prefix would no longer be the evaluation prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from distill.recipe import Recipe

REGISTRY: Final[dict[str, Any]] = {
    "finsight_alpaca": {
        "file_name": "finsight_alpaca.json",
        "columns": {"prompt": "instruction", "query": "input", "response": "output"},
    },
    "finsight_sharegpt": {
        "file_name": "finsight_sharegpt.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations"},
        "tags": {"role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt"},
    },
}

_TRAIN: Final = """\
# QLoRA of Qwen2.5-7B-Instruct on the FinSight training set, for LLaMA-Factory 0.9.
# The settings of FinSight-7B-LoRA, with what its script left out: the quantisation that makes it QLoRA.
# Prerequisite: pip install llamafactory bitsandbytes. Hardware: one GPU with 16 GB or more.
# Command, from the folder above this file's: llamafactory-cli train llamafactory/train.yaml
### model
model_name_or_path: Qwen/Qwen2.5-7B-Instruct
quantization_bit: 4
quantization_method: bnb
quantization_type: nf4
double_quantization: true
flash_attn: sdpa            # fa2 without its package only warns; sdpa is always there

### method
stage: sft
do_train: true
finetuning_type: lora
lora_target: all
lora_rank: 16
lora_alpha: 32

### dataset
dataset_dir: llamafactory
dataset: finsight_sharegpt  # or finsight_alpaca: the same rows
template: qwen              # no reasoning template: it would put an empty <think> block before our <thinking>
cutoff_len: 1024

### train
per_device_train_batch_size: 4
gradient_accumulation_steps: 4
learning_rate: 2.0e-4
lr_scheduler_type: cosine
warmup_ratio: 0.1
num_train_epochs: 5.0
bf16: true
seed: {seed}

### output
output_dir: saves/{name}
logging_steps: 5
plot_loss: true
save_strategy: epoch
overwrite_output_dir: true
report_to: none
"""


def alpaca_row(row: jsonl.Row) -> jsonl.Row:
    """Return the alpaca form of a training row."""
    return {"instruction": row["prompt"][0]["content"], "input": "", "output": row["completion"][0]["content"]}


def sharegpt_row(row: jsonl.Row) -> jsonl.Row:
    """Return the sharegpt form of a training row."""
    turns = (("human", row["prompt"][0]["content"]), ("gpt", row["completion"][0]["content"]))
    return {"conversations": [{"from": who, "value": text} for who, text in turns]}


def write(folder: Path, rows: Sequence[jsonl.Row], recipe: Recipe) -> None:
    """Write the four files below `folder`."""
    for name, form in (("finsight_alpaca.json", alpaca_row), ("finsight_sharegpt.json", sharegpt_row)):
        # One row per line inside the array: JSON for LLaMA-Factory, readable for people.
        jsonl.write_text(folder / name, "[\n" + ",\n".join(jsonl.dumps(form(row)) for row in rows) + "\n]\n")
    jsonl.write(folder / "dataset_info.json", REGISTRY)
    jsonl.write_text(folder / "train.yaml", _TRAIN.format(seed=recipe.seed, name=recipe.name))
