"""Suites: which models a recipe evaluates, on which tasks, and how.

name: nano
tasks: [finsight, finsight_simulated]
base: trained
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from finsight_eval import recipe
from finsight_eval.errors import InputError

FOLDER: Final = Path("benchmarks/suites")
MODELS: Final = ("base", "adapter")
TRAINED: Final = "trained"


@dataclass(frozen=True)
class Suite:
    """One evaluation recipe.

    Attributes:
        base: a folder, a Hugging Face id, or "trained": the base as training saw it, quantised and dequantised
            (runs/NAME/train/base). The adapter is the one that the training stage of the same name made.
        model: lm-eval's name of the backend, such as "hf", or a class of one's own as "package.module:Class".
        model_args: further arguments of that backend.
        batch_size: prompts generated at a time.
        showcase: news texts that the report shows before and after training; they carry no label and no score.
    """

    name: str
    tasks: tuple[str, ...]
    base: str
    model: str
    model_args: dict[str, str | int | float | bool]
    batch_size: int
    max_new_tokens: int
    showcase: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.tasks:
            raise ValueError("tasks is empty; name at least one, such as finsight")
        for key in ("batch_size", "max_new_tokens"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} is {getattr(self, key)}, at least 1 is expected")


def load(path: Path) -> Suite:
    """Return the suite in `path`; raises InputError for an unknown key, a missing one or a value out of range."""
    suite = recipe.load(path, Suite)
    if suite.name != path.stem:
        raise InputError(f"{path}: name is {suite.name!r}, the file is called {path.stem!r}; make the two equal")
    return suite
