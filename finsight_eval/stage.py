"""Stages: skipped when nothing changed, built aside, and moved into place as a whole.

    [verify] 1,104 accepted, 96 rejected -> runs/nano/verify (0.9 s)
    [verify] unchanged, skipped -> runs/nano/verify

A stage writes into `<folder>.partial`; the manifest is written there last, and only then does the folder take its
place. A kill or a full disk at any moment leaves the old folder or none, never a half-written one.

An input is what it is called in the plan and the hash of what it holds. Where it lies is written down and does not
count: the task YAML of a checkout and its copy in an installed package are the same input.
"""

from __future__ import annotations

import argparse
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, jsonl, manifest
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The project's root in a checkout; recipes, suites and runs are found from the working directory first.
RUNS: Final = Path("runs")
#: A file in a folder without a manifest counts by its hash below this many bytes: weights take minutes to read.
_HASHED: Final = 1_000_000


@dataclass(frozen=True)
class Plan:
    """What one stage is about to do.

    Attributes:
        name: the word in brackets on the screen, such as "verify".
        folder: where its products go.
        module: the module whose source, with all that it imports of ours, counts as an input.
        inputs: products of other stages; each must stand in a complete folder and match its manifest.
        sources: files of the user's, hashed but without a manifest.
        settings: the resolved configuration, JSON values only and never a secret.
    """

    name: str
    folder: Path
    module: str
    inputs: Mapping[str, Path] = field(default_factory=dict)
    sources: Mapping[str, Path] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def identity(plan: Plan) -> dict[str, Any]:
    """Return all that decides whether a stage must run again, and the paths of its inputs, which do not.

    Raises:
        InputError: an input that is missing or cannot be trusted.
    """
    inputs = {key: {"path": path.as_posix(), "sha256": manifest.verified(path)} for key, path in plan.inputs.items()}
    for key, path in plan.sources.items():
        if not path.is_file():
            raise InputError(f"{path}: no such file; check the path")
        inputs[key] = {"path": path.as_posix(), "sha256": manifest.sha256(path)}
    return {
        "stage": plan.name,
        "contract": CONTRACT,
        "settings": jsonl.loads(jsonl.dumps(plan.settings)),  # as a manifest gives them back: lists, not tuples
        "inputs": inputs,
        "code": manifest.code_digest(plan.module),
    }


def files_in(folder: Path) -> dict[str, str]:
    """Return name -> state of the files in a folder without a manifest, for `settings`: a hash, or size and time."""
    return {path.relative_to(folder).as_posix(): _state(path) for path in manifest.files_below(folder)}


def _state(path: Path) -> str:
    found = path.stat()
    return manifest.sha256(path) if found.st_size < _HASHED else f"{found.st_size} bytes, changed {found.st_mtime_ns}"


def finished(folder: Path, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the manifest of `folder` if it is complete, unharmed and was made from `wanted`; otherwise None."""
    found = made_in(folder)
    if not found or _deciding(found) != _deciding(wanted):
        return None
    return found if manifest.outputs_of(folder) == found.get("outputs") else None


def made_in(folder: Path) -> dict[str, Any]:
    """Return the manifest of `folder`; {} where there is none, or a damaged one."""
    try:
        return jsonl.read(folder / manifest.NAME) if (folder / manifest.NAME).is_file() else {}
    except InputError:
        return {}


def input_hashes(made: Mapping[str, Any]) -> dict[str, Any]:
    """Return name -> hash of the inputs in a manifest or an identity, wherever they lay; {} in a damaged one."""
    inputs = made.get("inputs")
    rows = inputs.items() if isinstance(inputs, dict) else ()
    return {name: one.get("sha256") if isinstance(one, dict) else None for name, one in rows}


def _deciding(made: Mapping[str, Any]) -> dict[str, Any]:
    return {"inputs": input_hashes(made)} | {key: made.get(key) for key in ("stage", "contract", "settings", "code")}


def run(plan: Plan, build: Callable[[Path], tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Build `plan` unless its folder is finished already, and return its manifest.

    `build(folder)` writes the products below `folder` and returns (product, facts): a phrase for the screen and the
    figures that belong into the manifest.
    """
    wanted = identity(plan)
    if found := finished(plan.folder, wanted):
        print(f"[{plan.name}] unchanged, skipped -> {plan.folder}", flush=True)
        return found
    print(f"[{plan.name}] ...", flush=True)
    partial = plan.folder.with_name(plan.folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    started = time.monotonic()
    product, facts = build(partial)
    seconds = round(time.monotonic() - started, 1)
    made = {
        **wanted,
        "outputs": manifest.outputs_of(partial),
        "facts": facts,
        "seconds": seconds,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "origin": manifest.origin(),
    }
    jsonl.write(partial / manifest.NAME, made)
    shutil.rmtree(plan.folder, ignore_errors=True)
    partial.rename(plan.folder)
    print(f"[{plan.name}] {product} -> {plan.folder} ({seconds:.1f} s)", flush=True)
    return made


def arguments(purpose: str, recipes: Path | None) -> argparse.ArgumentParser:
    """Return the parser that every stage starts from: --recipe and --runs."""
    parser = argparse.ArgumentParser(description=purpose, formatter_class=argparse.RawDescriptionHelpFormatter)
    where = f"a name in {recipes}/ or a path to a YAML file" if recipes else "the name of the run"
    parser.add_argument("--recipe", default="nano", help=f"{where} (default: nano)")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of all runs (default: runs)")
    return parser


def recipe_path(recipe: str, folder: Path) -> Path:
    """Return the file of a recipe given by name or by path; raises InputError for a name such as ".."."""
    named(recipe)
    return Path(recipe) if recipe.endswith((".yaml", ".yml")) else folder / f"{recipe}.yaml"


def run_folder(runs: Path, recipe: str) -> Path:
    """Return the folder of the run that `recipe` (a name or a path) belongs to; raises InputError as above."""
    return runs / named(recipe)


def named(recipe: str) -> str:
    """Return the name of a recipe; raises InputError for one that would name the folder of all runs, or one above."""
    if not (name := Path(recipe).stem).strip("."):
        raise InputError(
            f"--recipe is {printable(recipe, 60)!r}; a name such as nano, or the path of a YAML file is expected"
        )
    return name
