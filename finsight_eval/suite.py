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
AUTO: Final = "auto"
#: lm-eval's name for any OpenAI-compatible endpoint.
ENDPOINT: Final = "local-chat-completions"
#: What every backend that `auto` may stand for understands.
_AUTO_ARGUMENTS: Final = ("device", "dtype", "revision", "trust_remote_code")


@dataclass(frozen=True)
class Suite:
    """One evaluation recipe.

    Attributes:
        base: a folder, a Hugging Face id, or "trained": the base as training saw it, quantised and dequantised
            (runs/NAME/train/base). For an endpoint: the name it knows the model by.
        model: "auto" (vLLM where it is installed and there is a GPU, else the fast decoder of `finsight_train`, else
            `hf`), lm-eval's name of a backend, or a class of one's own as "package.module:Class".
        model_args: further arguments of that backend; for `local-chat-completions` base_url, num_concurrent ...
        batch_size: prompts handed over at a time; an endpoint gets them one by one.
        showcase: news texts that the report shows before and after training; they carry no label and no score.
        adapter: "trained" (what the training stage of the same name made), a folder or a Hugging Face id. For an
            endpoint: the name it knows the adapter by.
    """

    name: str
    tasks: tuple[str, ...]
    base: str
    model: str
    model_args: dict[str, str | int | float | bool]
    batch_size: int
    max_new_tokens: int
    showcase: tuple[str, ...]
    adapter: str = TRAINED

    def __post_init__(self) -> None:
        if not self.tasks:
            raise ValueError("tasks is empty; name at least one, such as finsight")
        for key in ("batch_size", "max_new_tokens"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key} is {getattr(self, key)}, at least 1 is expected")
        special = sorted(set(self.model_args) - set(_AUTO_ARGUMENTS))
        if self.model == AUTO and special:
            allowed = ", ".join(_AUTO_ARGUMENTS)
            raise ValueError(
                f"model_args holds {special[0]!r}; with model auto it may hold {allowed}: name the backend instead"
            )


def load(path: Path) -> Suite:
    """Return the suite in `path`; raises InputError for an unknown key, a missing one or a value out of range."""
    if not path.parent.is_dir():
        raise InputError(f"{path}: no such folder; go to the project's root, or give the path of a YAML file")
    suite = recipe.load(path, Suite)
    if suite.name != path.stem:
        raise InputError(f"{path}: name is {suite.name!r}, the file is called {path.stem!r}; make the two equal")
    return suite
