"""Weights: which folders an evaluation reads, those that other stages made and those that a suite names.

    inputs(suite, "adapter", Path("runs/nano")) ->
        {"base": Path("runs/nano/train/base"), "adapter": Path("runs/nano/train/adapter"), "teacher": ...}

A recipe has one name across stages: `base: trained` is what training of the suite's own name made. Weights of another
run are named by their folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finsight_eval import manifest, stage, suite
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finsight_eval.suite import Suite


def inputs(settings: Suite, model: str, run: Path) -> dict[str, Path]:
    """Return the folders that other stages made: weights that training wrote, and the teacher's answers."""
    places = {"base": (settings.base, run / "train" / "base")}
    if model == "adapter":
        places["adapter"] = (settings.adapter, run / "train" / "adapter")
    found = {}
    for name, (given, trained) in places.items():
        path = trained if given == suite.TRAINED else Path(given)
        if settings.model != suite.ENDPOINT and (given == suite.TRAINED or manifest.home_of(path)):
            found[name] = path
        elif given == suite.TRAINED:
            raise InputError(f"{name} is {given!r}; with model {settings.model} it is the endpoint's name of the model")
    return found | ({"teacher": run / "teacher"} if (run / "teacher").is_dir() else {})


def refuse_untrained(settings: Suite, made: Mapping[str, Path]) -> None:
    """Raise InputError where the suite asks for weights that training of its name has not made; names other runs'."""
    asked = {"base": settings.base, "adapter": settings.adapter}
    missing = {name: path for name, path in made.items() if asked.get(name) == suite.TRAINED and not path.exists()}
    if not missing:
        return
    first = next(iter(missing.values()))
    others = sorted(folder for folder in first.parents[2].glob("*/train") if manifest.home_of(folder))
    instead = ""
    if others:
        named = ", ".join(f"{name}: {(others[0] / name).as_posix()}" for name in missing)
        instead = f"; to evaluate the weights of another run write them into the suite ({named})"
    raise InputError(
        f"{first}: not there; run the stage that writes it first (`finsight-train --recipe {settings.name}`): the "
        f"suite {settings.name!r} asks for `trained`, which is what training of the same name made{instead}"
    )


def folders(settings: Suite, model: str, made: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    """Return what tells the weights of a model folder that no stage of ours wrote: its files as they are now."""
    given = {"base": settings.base, **({"adapter": settings.adapter} if model == "adapter" else {})}
    if settings.model == suite.ENDPOINT:
        return {}
    return {
        name: stage.files_in(Path(folder))
        for name, folder in given.items()
        if name not in made and Path(folder).is_dir()
    }
