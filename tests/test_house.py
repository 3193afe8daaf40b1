"""The house rules that a machine can check: who may import whom, and what importing the ground floor costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = {"finsight_eval", "finsight_train", "distill", "benchmarks", "tasks", "reports", "tests"}
#: Package -> what of ours it may import besides itself.
ALLOWED: dict[str, set[str]] = {
    "finsight_eval": set(),
    "finsight_train": {"finsight_eval"},
    "distill": {"finsight_eval"},
    "benchmarks": {"finsight_eval"},
}
#: Speed benchmarks drive the peers that ours is measured against.
SPEED = ROOT / "benchmarks" / "speed"
TRAINING_LIBRARIES = {"torch", "trl", "peft", "bitsandbytes"}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_stages_never_import_each_other(package: str) -> None:
    """They meet on disk: a package imports finsight_eval and itself, and finsight_eval nothing of ours."""
    modules = list((ROOT / package).rglob("*.py"))
    assert modules
    for module in modules:
        measured = OURS if module.parent == SPEED else set()  # what is measured there is called there
        assert _imports(module) & OURS <= ALLOWED[package] | {package} | measured, module
        if package != "finsight_train" and module.parent != SPEED:
            assert not _imports(module) & TRAINING_LIBRARIES, module


def test_the_ground_floor_imports_without_the_heavy_libraries() -> None:
    """Importing every module of finsight_eval loads neither torch nor transformers nor lm_eval nor datasets."""
    paths = sorted((ROOT / "finsight_eval").rglob("[a-z]*.py"))
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    heavy = "{'torch', 'transformers', 'lm_eval', 'datasets'}"
    code = f"import sys, {', '.join(modules)}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_module_opens_with_its_purpose() -> None:
    """A reader meets the purpose before the code."""
    for package in ALLOWED:
        for module in (ROOT / package).rglob("*.py"):
            assert ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))), module
