"""Checkpoints: all that an exact continuation needs, written so that a kill at any moment leaves a whole one.

    runs/nano/train.checkpoint/step-000150/{state.safetensors, state.json}

state.safetensors holds the adapter, the optimiser's two moments and the best adapter so far, float32 as they were;
state.json the step, the curves so far, what the training is of (recipe, rows, base) and the hash of the tensors. Data
order and learning rate follow from the step; nothing in the training draws random numbers. The newest two are kept.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_TENSORS, _STATE = "state.safetensors", "state.json"
_KEPT: Final = 2


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write a checkpoint, drop those that are older than the newest two, and return its place."""
    from safetensors.torch import save_file

    place = folder / f"step-{step:06d}"
    partial = folder / f"{place.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial / _TENSORS)
    jsonl.write(partial / _STATE, {"step": step, **state, "tensors": manifest.sha256(partial / _TENSORS)})
    for file in partial.iterdir():
        with file.open("rb") as held:
            os.fsync(held.fileno())
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)
    for old in sorted(folder.glob("step-??????"))[:-_KEPT]:
        shutil.rmtree(old)
    return place


def newest(folder: Path) -> Path | None:
    """Return the newest whole checkpoint, None where there is none."""
    return next((place for place in sorted(folder.glob("step-??????"), reverse=True) if _whole(place)), None)


def matching(folder: Path, wanted: Mapping[str, Any]) -> Path | None:
    """Return the newest whole checkpoint, None where there is none; `wanted` is what the training is of.

    Raises:
        InputError: it is of another recipe, base or data set; says in what they differ.
    """
    place = newest(folder)
    if place is not None and (differing := _differences(jsonl.read(place / _STATE)["of"], wanted)):
        raise InputError(
            f"{place}: a checkpoint of another training: {'; '.join(differing)}; finish that one with its own "
            f"settings, or start over with --from-scratch, which drops {folder}"
        )
    return place


def load(place: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the state of a checkpoint."""
    from safetensors.torch import load_file

    return load_file(place / _TENSORS), jsonl.read(place / _STATE)


def _whole(place: Path) -> dict[str, Any] | None:
    """Return the state of a checkpoint, None for one that a power cut or a full disk has harmed."""
    try:
        state = jsonl.read(place / _STATE)
        return state if state["tensors"] == manifest.sha256(place / _TENSORS) else None
    except (InputError, OSError, KeyError):
        return None


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    keys = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
    return [f"{key} was {printable(str(found.get(key)), 80)}, is {printable(str(wanted.get(key)), 80)}" for key in keys]
