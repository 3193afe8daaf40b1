"""Training recipes: the shipped ones load, and a wrong one is refused with every problem named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval.errors import InputError
from finsight_eval.recipe import load
from finsight_train import nano, recipe
from tests.finsight_train.conftest import TINY_SFT, write_yaml

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("path", sorted(recipe.RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_load(path: Path) -> None:
    """Every shipped recipe is valid, named as its file, and is QLoRA as the project promises it."""
    found = recipe.load(path)
    assert found.name == path.stem
    assert (found.rank, found.alpha, found.target_modules) == (16, 32, "all-linear")
    assert (found.quantisation, found.double_quant) == ("nf4", True)
    header = path.read_text("utf-8").split("name:")[0]
    assert all(f"# {word}:" in header for word in ("Prerequisite", "Command", "Hardware", "Measured"))


@pytest.mark.parametrize("path", sorted(nano.RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_pretraining_recipes_load(path: Path) -> None:
    """Every shipped pretraining recipe is valid and named as its file."""
    assert load(path, nano.Recipe).name == path.stem


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"learning_rat": 1.0}, "unknown key 'learning_rat' (did you mean 'learning_rate'?)"),
        ({"quantisation": "fp4"}, "quantisation is 'fp4', allowed: nf4"),
        ({"preset": "fast"}, "preset is 'fast', allowed: auto, speed, memory"),
        ({"compute_dtype": "float16"}, "allowed: bfloat16, float32"),
        ({"device": "gpu"}, "allowed: cpu, cuda"),
        ({"epochs": 0}, "epochs is 0.0, above 0"),
        ({"step_tokens": 1023}, "step_tokens is 1023, max_length to 4194304"),
        ({"dev_items": 0}, "dev_items is 0, 1 to 10000"),
        ({"patience": 0}, "patience is 0"),
        ({"checkpoint_steps": 0}, "checkpoint_steps is 0"),
        ({"learning_rate": 2.0}, "learning_rate is 2.0"),
        ({"warmup": 1.0}, "warmup is 1.0, 0 to below 1"),
        ({"rank": 0}, "rank is 0"),
        ({"rank": "16"}, "rank is '16', int is expected"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    """A key that is unknown or out of range is named with what is allowed."""
    with pytest.raises(InputError) as caught:
        recipe.load(write_yaml(tmp_path / "r.yaml", {**TINY_SFT, "base": "a/b", **change}))
    assert says in str(caught.value)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    """Two wrong values give one error that names both."""
    with pytest.raises(InputError, match=r"device is .*rank is"):
        recipe.load(write_yaml(tmp_path / "r.yaml", {**TINY_SFT, "base": "a/b", "device": "tpu", "rank": 0}))


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("no/such/folder", "no such base model"),
        ("./finsight-nano", "no such base model"),
        ("finsight-nano", "no such base model"),
        ("{tmp}", "holds no config.json"),
    ],
)
def test_a_missing_base_is_refused(tmp_path: Path, base: str, says: str) -> None:
    """A folder that is not there, or holds no model, is named; a hub id is left to the hub."""
    made = recipe.Recipe(**{**TINY_SFT, "base": base.format(tmp=tmp_path)})
    with pytest.raises(InputError, match=says):
        recipe.base_of(made)
    assert recipe.base_of(recipe.Recipe(**{**TINY_SFT, "base": "Qwen/Qwen2.5-7B"})) == "Qwen/Qwen2.5-7B"


def test_the_shipped_base_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`finsight_train/bases/...` is found beside the installed package where the working directory has none."""
    monkeypatch.setattr(recipe, "_PACKAGE_PARENT", tmp_path / "site")
    folder = tmp_path / "site" / "finsight_train" / "bases" / "finsight-nano"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert recipe.base_of(recipe.Recipe(**{**TINY_SFT, "base": "finsight_train/bases/finsight-nano"})) == folder
