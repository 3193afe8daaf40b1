"""The training set as LLaMA-Factory reads it: both of its formats, their registry and a training recipe.

    finsight_alpaca.json    {"instruction": "You are a financial ...", "input": "", "output": "<thinking>..."}
    finsight_sharegpt.json  {"conversations": [{"from": "human", "value": "..."}, {"from": "gpt", "value": "..."}]}
    dataset_info.json       the registry: which file has which format
    finsight_held_out.json  the rows that are held out, as conversations, where there are any
    train.yaml              llamafactory-cli train runs/NAME/export/llamafactory/train.yaml

LLaMA-Factory 0.9.5 makes the token ids and labels of `finsight_train.rows` of these files, and one token more: the line
break after <|im_end|>, which it labels. No setting of its takes that token away; the stop token before it is labelled,
too, so a model trained there stops where ours does. `tests/interop` holds its own loader to this. Decisions:

* The whole prompt stands in `instruction`: an `input` would be joined with a line break, and the training prefix would
  no longer be the evaluation prompt.
* `template: qwen` writes Qwen2.5's own default system message, as its tokenizer does. For another base: `template=null`
  on the command line reads the base's chat template; its name with `_nothink` where that is a reasoning model's, for a
  reasoning template puts an empty <think> block before our <thinking>.
* `cutoff_len` never cuts: a row that is too long would lose the prompt's end, turn marker included, and nobody be told.
  The predecessor's 1,024 is doubled until it holds the longest row's bytes, for a token is at least one byte. Batches
  are padded to their longest row, so the value itself costs nothing.
* The adapter goes beside the stages and not below this folder, which is replaced whenever the export is made anew.

Not ours to mend: a news text that holds "{{idx}}" reaches the model as "0", the number of its turn.
"""

from __future__ import annotations

import shlex
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from distill.recipe import Recipe

NAME: Final = "llamafactory"
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
#: Its losses on them tell when an epoch is one too many.
HELD_OUT: Final = "finsight_held_out"
_CUTOFF: Final = 1024
#: What the chat template adds to prompt and completion: 35 tokens in Qwen2.5's.
_MARKERS: Final = 64

_TRAIN: Final = """\
# QLoRA of Qwen2.5-7B-Instruct on the FinSight training set, for LLaMA-Factory 0.9.5.
# The settings of FinSight-7B-LoRA, with what its script left out: the quantisation that makes it QLoRA.
# Prerequisite: an environment of its own with llamafactory==0.9.5 and bitsandbytes.
# Hardware: one GPU with 16 GB or more.
# Command, from the folder that the paths below start from; KEY=VALUE after it overrides a line:
#   llamafactory-cli train {file}
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
dataset_dir: {dataset_dir}
dataset: finsight_sharegpt  # or finsight_alpaca: the same rows
template: qwen              # no reasoning template: it would put an empty <think> block before our <thinking>
cutoff_len: {cutoff}            # no row reaches it; batches are padded to their longest row

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
output_dir: {output_dir}
logging_steps: 5
plot_loss: true
save_strategy: epoch
{held_out}overwrite_output_dir: true
report_to: none
"""


def alpaca_row(row: jsonl.Row) -> jsonl.Row:
    """Return the alpaca form of a training row."""
    return {"instruction": row["prompt"][0]["content"], "input": "", "output": row["completion"][0]["content"]}


def sharegpt_row(row: jsonl.Row) -> jsonl.Row:
    """Return the sharegpt form of a training row."""
    turns = (("human", row["prompt"][0]["content"]), ("gpt", row["completion"][0]["content"]))
    return {"conversations": [{"from": who, "value": text} for who, text in turns]}


def most_tokens(row: jsonl.Row) -> int:
    """Return a number of tokens that a row cannot exceed: its bytes in the normal form that Qwen's tokenizer reads."""
    text = row["prompt"][0]["content"] + row["completion"][0]["content"]
    return len(unicodedata.normalize("NFC", text).encode()) + _MARKERS


def cutoff(rows: Sequence[jsonl.Row]) -> int:
    """Return the cutoff length that cuts no row."""
    length, longest = _CUTOFF, max(map(most_tokens, rows))
    while length < longest:
        length *= 2
    return length


_EVALUATED: Final = f"""\
eval_dataset: {HELD_OUT}
eval_strategy: epoch
per_device_eval_batch_size: 4
"""


def training_yaml(rows: Sequence[jsonl.Row], recipe: Recipe, home: Path, *, held_out: bool = False) -> str:
    """Return train.yaml; `home` is where the files will stand, `export/llamafactory` of the run."""
    return _TRAIN.format(
        file=shlex.quote((home / "train.yaml").as_posix()),
        dataset_dir=jsonl.dumps(home.as_posix()),
        output_dir=jsonl.dumps((home.parents[1] / NAME).as_posix()),
        cutoff=cutoff(rows),
        seed=recipe.seed,
        held_out=_EVALUATED if held_out else "",
    )


def write(folder: Path, splits: tuple[Sequence[jsonl.Row], Sequence[jsonl.Row]], recipe: Recipe, home: Path) -> None:
    """Write the files below `folder`, which will be moved to `home`; `splits` are the training and held-out rows."""
    rows, aside = splits
    jsonl.write_text(folder / "finsight_alpaca.json", _array(map(alpaca_row, rows)))
    jsonl.write_text(folder / "finsight_sharegpt.json", _array(map(sharegpt_row, rows)))
    registry = dict(REGISTRY)
    if aside:
        jsonl.write_text(folder / f"{HELD_OUT}.json", _array(map(sharegpt_row, aside)))
        registry[HELD_OUT] = {**REGISTRY["finsight_sharegpt"], "file_name": f"{HELD_OUT}.json"}
    jsonl.write(folder / "dataset_info.json", registry)
    jsonl.write_text(folder / "train.yaml", training_yaml([*rows, *aside], recipe, home, held_out=bool(aside)))


def _array(rows: Iterable[jsonl.Row]) -> str:
    """Return one row per line inside an array: JSON for LLaMA-Factory, readable for people."""
    return "[\n" + ",\n".join(map(jsonl.dumps, rows)) + "\n]\n"
