"""Manifests: what a stage read, how it was set, what it wrote, and with which code and libraries.

    {"stage": "verify", "contract": 1, "settings": {"name": "nano"}, "code": "9f1c...",
     "inputs": {"answers": {"path": "runs/nano/generate/answers.jsonl", "sha256": "ab12..."}},
     "outputs": {"accepted.jsonl": {"sha256": "cd34...", "bytes": 81234}}, "facts": {"accepted": 1104}, ...}

A manifest is written last, so its presence means that the folder is complete.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

from finsight_eval import CONTRACT, __version__, jsonl
from finsight_eval.errors import OURS, InputError

NAME: Final = "manifest.json"
#: Folders of settings: the resolved settings are in the manifest already, other recipes do not concern a stage.
_SETTINGS_FOLDERS: Final = {"recipes", "suites", "policies"}
_LIBRARIES: Final = (
    "torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets", "tokenizers", "lm_eval", "openai",
    "vllm", "aiohttp", "numpy", "scikit-learn", "json_repair", "matplotlib",
    "pillow", "markdown-it-py",
)  # fmt: skip


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of the file `path`."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_below(folder: Path) -> list[Path]:
    """Return the files below `folder` in a fixed order, the manifest itself apart."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)


def outputs_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return name -> hash and size of every file below `folder`."""
    return {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in files_below(folder)
    }


def home_of(path: Path) -> Path | None:
    """Return the nearest folder at or above `path` that holds a manifest, or None."""
    folders = [path, *path.parents] if path.is_dir() else path.parents
    return next((folder for folder in list(folders)[:6] if (folder / NAME).is_file()), None)


def verified(path: Path) -> str:
    """Return a hash of the file or folder `path` after checking it against the manifest of the stage that wrote it.

    Raises:
        InputError: nothing there, no manifest at or above it, or a file whose hash is not its manifest's.
    """
    if not path.exists():
        raise InputError(f"{path}: not there; run the stage that writes it first")
    home = home_of(path)
    if home is None:
        raise InputError(
            f"{path}: no {NAME} stands with it, so it may be half written; run the stage that writes it again"
        )
    listed: dict[str, Any] = jsonl.read(home / NAME).get("outputs") or {}
    digest = hashlib.sha256()
    for file in files_below(path) if path.is_dir() else [path]:
        name = file.relative_to(home).as_posix()
        if home != path and file.name == NAME:
            continue
        if name not in listed:
            raise InputError(f"{file}: not listed in {home / NAME}; run the stage that writes it again")
        expected, found = listed[name]["sha256"], sha256(file)
        if found != expected:
            raise InputError(
                f"{file}: sha256 is {found[:16]}, its manifest {home / NAME} says {expected[:16]}; "
                "it was changed after it was made: run the stage that writes it again"
            )
        digest.update(f"{name}\0{found}\n".encode())
    return digest.hexdigest()


@cache
def code_digest(module: str) -> str:
    """Return a hash over the source of `module`, of all modules of ours that it imports, and of their YAML data.

    Names and contents count, not the folders: a checkout and what is installed from it have one digest.
    """
    digest = hashlib.sha256()
    for name, data in sorted((path.name, path.read_bytes()) for path in _sources(module)):
        digest.update(name.encode() + b"\0" + data)
    return digest.hexdigest()


def _sources(module: str) -> set[Path]:
    sources: set[Path] = set()
    waiting, seen = [module], {module}
    while waiting:
        name = waiting.pop()
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        source = Path(spec.origin)
        sources |= {source, *_data_beside(source)}
        for found in _imports(source, package=name if spec.submodule_search_locations else name.rpartition(".")[0]):
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return sources


def _data_beside(source: Path) -> set[Path]:
    folders = [source.parent, *(f for f in source.parent.iterdir() if f.is_dir() and not any(f.glob("*.py")))]
    return {path for folder in folders if folder.name not in _SETTINGS_FOLDERS for path in folder.glob("*.yaml")}


def _imports(source: Path, package: str) -> set[str]:
    """Return the modules of ours that `source` names in an import, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*package.split(".")[: len(package.split(".")) - node.level + 1], base]).rstrip(".")
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in OURS and _is_module(name)}


def _is_module(name: str) -> bool:
    """Tell whether `name` is a module, by its file: find_spec would import its parents, and torch with them."""
    top, *rest = name.split(".")
    spec = importlib.util.find_spec(top)
    homes = (spec.submodule_search_locations or []) if spec else []
    paths = [Path(home, *rest) for home in homes]
    return any(path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() for path in paths)


@cache
def versions() -> dict[str, str]:
    """Return the version of Python and of every installed library that can move a figure."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str | None:
    try:
        command = ["git", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def origin() -> dict[str, Any]:
    """Return where a result comes from: project, contract, git state, libraries, processor count."""
    commit = _git("rev-parse", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!reports")  # reports are what a run writes
    return {
        "contract": CONTRACT,
        "project": __version__,
        "git": {"commit": commit, "dirty": bool(changed) if commit else None},
        "versions": versions(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()},
    }
