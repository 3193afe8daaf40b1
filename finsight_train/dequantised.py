"""The base as the adapter saw it: quantised to NF4 and back, written as an ordinary model that anything can load.

    runs/nano/train/base/{config.json, generation_config.json, model-00001-of-00002.safetensors, tokenizer.json, ...}

An adapter learns to work on the NF4 weights, rounding errors included. Put on the original weights it meets others: for
finsight-nano that costs readable replies and risk accuracy (DIARY.md has the figures). So base and adapter are
evaluated on these weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finsight_train.exporting import beside, merge

if TYPE_CHECKING:
    from pathlib import Path


def write_base(model: Any, base: Path | str, tokenizer: Any, dtype: str, folder: Path) -> None:
    """Write the NF4 `model`, made from `base`, dequantised in `dtype` into `folder`: a tensor in memory at a time."""
    from transformers import AutoConfig, GenerationConfig

    folder.mkdir(parents=True, exist_ok=True)
    merge.check_space(folder, merge.dequantised_size(model))
    merge.write(merge.dequantised_weights(model), folder)
    beside.write(folder, AutoConfig.from_pretrained(base), tokenizer, GenerationConfig.from_pretrained(base), dtype)
