"""The fine-tuning recipe: one flat YAML, one frozen dataclass.

name: nano
base: finsight_train/bases/finsight-nano
learning_rate: 2.0e-3
compute_dtype: float32
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from finsight_eval.errors import InputError, nearest
from finsight_eval.recipe import load as load_recipe

RECIPES: Final = Path(__file__).parent / "recipes"
_PACKAGE_PARENT: Final = Path(__file__).parent.parent
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "device": ("cpu", "cuda"),
    "scheduler": ("cosine", "linear", "constant_with_warmup"),
    "quantisation": ("nf4",),
    "compute_dtype": ("bfloat16", "float32"),
    "attention": ("auto", "flash_attention_2", "sdpa", "eager"),
    "target_modules": ("all-linear",),
}
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained.

    Attributes:
        base: folder of the base model (relative to the working directory or to the installed packages) or a hub id.
        epochs: may be a fraction; the last epoch is then cut short.
        batch_size: rows per forward pass; `accumulation` of them make one step.
        warmup: share of all steps.
        max_length: tokens of prompt and completion together; a longer row is an error, never cut.
        shared_prefix: run the tokens that all prompts begin with once per batch instead of once per row. Same numbers.
        dequantised_base: dequantise the base once and keep it instead of at every use. Same numbers, more memory.
        save_base: also write the base as the adapter met it, quantised and dequantised, as an ordinary model.
    """

    name: str
    base: str
    device: str
    seed: int
    epochs: float
    batch_size: int
    accumulation: int
    learning_rate: float
    scheduler: str
    warmup: float
    weight_decay: float
    clip_norm: float
    max_length: int
    rank: int
    alpha: int
    dropout: float
    target_modules: str
    quantisation: str
    double_quant: bool
    compute_dtype: str
    attention: str
    gradient_checkpointing: bool
    shared_prefix: bool
    dequantised_base: bool
    save_base: bool

    def __post_init__(self) -> None:
        problems = [
            f"{key} is {value!r}, allowed: {', '.join(allowed)}{nearest(value, allowed)}"
            for key, allowed in _ALLOWED.items()
            if (value := getattr(self, key)) not in allowed
        ]
        problems += [
            f"{key} is {value}, {bounds} is expected" for key, value, fits, bounds in self._ranges() if not fits
        ]
        if self.shared_prefix and self.gradient_checkpointing:
            problems.append("shared_prefix needs gradient_checkpointing: false (the prefix is kept, not recomputed)")
        if self.dequantised_base and (self.compute_dtype != "float32" or self.dropout):
            problems.append("dequantised_base needs compute_dtype: float32 and dropout: 0")
        if problems:
            raise ValueError("; ".join(problems))

    def _ranges(self) -> list[tuple[str, Any, bool, str]]:
        return [
            ("base", repr(self.base), bool(self.base.strip()), "a folder or a hub id"),
            ("epochs", self.epochs, 0 < self.epochs <= 100, "above 0 and at most 100"),
            ("batch_size", self.batch_size, 1 <= self.batch_size <= 4096, "1 to 4096"),
            ("accumulation", self.accumulation, 1 <= self.accumulation <= 4096, "1 to 4096"),
            ("learning_rate", self.learning_rate, 0 < self.learning_rate <= 0.1, "above 0 and at most 0.1"),
            ("warmup", self.warmup, 0 <= self.warmup < 1, "0 to below 1"),
            ("weight_decay", self.weight_decay, 0 <= self.weight_decay < 1, "0 to below 1"),
            ("clip_norm", self.clip_norm, 0 < self.clip_norm <= 1000, "above 0 and at most 1000"),
            ("max_length", self.max_length, 16 <= self.max_length <= 131072, "16 to 131072"),
            ("rank", self.rank, 1 <= self.rank <= 512, "1 to 512"),
            ("alpha", self.alpha, 1 <= self.alpha <= 2048, "1 to 2048"),
            ("dropout", self.dropout, 0 <= self.dropout < 1, "0 to below 1"),
        ]


def load(path: Path) -> Recipe:
    """Return the recipe in `path`; raises InputError listing every problem of the file."""
    return load_recipe(path, Recipe)


def base_of(recipe: Recipe) -> Path | str:
    """Return the folder of the recipe's base model, or its hub id.

    Raises:
        InputError: a folder that is not there, or that holds no model.
    """
    for folder in (Path(recipe.base), _PACKAGE_PARENT / recipe.base):
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise InputError(f"{folder}: holds no config.json; `base` names a folder written by save_pretrained")
            return folder
    if _HUB_ID.fullmatch(recipe.base):
        return recipe.base
    raise InputError(
        f"{recipe.base}: no such base model; `base` names a folder or a hub id such as Qwen/Qwen2.5-7B-Instruct"
    )
