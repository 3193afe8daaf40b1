"""The base as the adapter saw it: quantised to NF4 and back, written as an ordinary model that anything can load.

    runs/nano/train/base/{config.json, generation_config.json, model-00001-of-00002.safetensors, tokenizer.json, ...}

An adapter learns to work on the NF4 weights, rounding errors included. Put on the original weights it meets others: for
finsight-nano that costs readable replies and risk accuracy (DIARY.md has the figures). So base and adapter are
evaluated on these weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_train.recipe import Recipe


def write_base(base: Path | str, recipe: Recipe, tokenizer: Any, folder: Path) -> None:
    """Write `base`, quantised as `recipe` says and dequantised in its compute dtype, into `folder`."""
    from transformers import GenerationConfig

    from finsight_train import qlora

    model = qlora.quantised(base, recipe, "sdpa").dequantize()
    model.config.use_cache = True
    model.generation_config = GenerationConfig.from_pretrained(base)
    model.save_pretrained(folder, max_shard_size="1GB")
    tokenizer.save_pretrained(folder)
