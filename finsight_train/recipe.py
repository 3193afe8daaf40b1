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
PRESETS: Final = ("auto", "speed", "memory")
_ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "device": ("cpu", "cuda"),
    "scheduler": ("cosine", "linear", "constant_with_warmup"),
    "quantisation": ("nf4",),
    "compute_dtype": ("bfloat16", "float32"),
    "target_modules": ("all-linear",),
    "preset": PRESETS,
}
#: Settings that change how fast and in how much memory the same steps are taken, or when they are saved: no numbers.
ARRANGEMENT: Final = ("preset", "checkpoint_steps")
_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained.

    Attributes:
        base: folder of the base model (relative to the working directory or to the installed packages) or a hub id.
        epochs: may be a fraction; the last epoch is then cut short.
        step_tokens: rows of so many tokens, prompts included, make one optimisation step, on every machine.
        warmup: share of all steps.
        max_length: tokens of prompt and completion together; a longer row is an error, never cut.
        preset: "speed" keeps the dequantised base and all activations, "memory" neither, "auto" takes what is fastest
            in the memory that is free. The numbers are the same.
        dev_sets, dev_items: benchmark sets whose dev items the adapter answers while it is trained, and how many.
        dev_evaluations: how often; 0 for never. The best adapter by these is kept, not the last.
        patience: training stops after so many evaluations without a gain.
        checkpoint_steps: after so many steps all that an exact continuation needs is saved.
        save_base: also write the base as the adapter met it, quantised and dequantised, as an ordinary model.
    """

    name: str
    base: str
    device: str
    seed: int
    epochs: float
    step_tokens: int
    learning_rate: float
    scheduler: str
    warmup: float
    weight_decay: float
    clip_norm: float
    max_length: int
    rank: int
    alpha: int
    target_modules: str
    quantisation: str
    double_quant: bool
    compute_dtype: str
    preset: str
    dev_sets: tuple[str, ...]
    dev_items: int
    dev_evaluations: int
    patience: int
    checkpoint_steps: int
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
        if problems:
            raise ValueError("; ".join(problems))

    def _ranges(self) -> list[tuple[str, Any, bool, str]]:
        return [
            ("base", repr(self.base), bool(self.base.strip()), "a folder or a hub id"),
            ("epochs", self.epochs, 0 < self.epochs <= 100, "above 0 and at most 100"),
            (
                "step_tokens",
                self.step_tokens,
                self.max_length <= self.step_tokens <= 4_194_304,
                "max_length to 4194304",
            ),
            ("learning_rate", self.learning_rate, 0 < self.learning_rate <= 0.1, "above 0 and at most 0.1"),
            ("warmup", self.warmup, 0 <= self.warmup < 1, "0 to below 1"),
            ("weight_decay", self.weight_decay, 0 <= self.weight_decay < 1, "0 to below 1"),
            ("clip_norm", self.clip_norm, 0 < self.clip_norm <= 1000, "above 0 and at most 1000"),
            ("max_length", self.max_length, 16 <= self.max_length <= 131072, "16 to 131072"),
            ("rank", self.rank, 1 <= self.rank <= 512, "1 to 512"),
            ("alpha", self.alpha, 1 <= self.alpha <= 2048, "1 to 2048"),
            ("dev_items", self.dev_items, 1 <= self.dev_items <= 10_000, "1 to 10000"),
            ("dev_evaluations", self.dev_evaluations, 0 <= self.dev_evaluations <= 1000, "0 to 1000"),
            ("patience", self.patience, 1 <= self.patience <= 1000, "1 to 1000"),
            ("checkpoint_steps", self.checkpoint_steps, self.checkpoint_steps >= 1, "1 or more"),
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
