"""Benchmark sets: where they lie, and reading one that is what its manifest says.

    benchmarks/news/test.jsonl, dev.jsonl, teacher.jsonl, GUIDELINES.md, manifest.json

In a checkout the sets stand in benchmarks/; an installed wheel carries them below lm-eval's own tasks/finsight/. The
public sets of finsight_eval.public are read here, too; they have a test split only.
`teacher.jsonl` holds the embedded teacher's answers: the reference for `teacher_agreement` unless another teacher's
answers are named.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Final

from finsight_eval import jsonl, manifest, public
from finsight_eval.errors import InputError, nearest
from finsight_eval.parse import Answer, parse
from finsight_eval.public import PUBLIC
from finsight_eval.records import AnyItem, Item, read_items

SPLITS: Final = ("dev", "test")


def _homes() -> list[Path]:
    """Return the folders that may hold benchmark sets, the checkout's first."""
    homes = [Path(__file__).resolve().parents[1] / "benchmarks"]
    spec = importlib.util.find_spec("lm_eval")
    if spec and spec.submodule_search_locations:
        homes += [Path(where) / "tasks" / "finsight" / "benchmarks" for where in spec.submodule_search_locations]
    return homes


def sets() -> dict[str, Path]:
    """Return name -> folder of every benchmark set that carries a manifest."""
    found: dict[str, Path] = {}
    for home in _homes():
        for path in sorted(home.glob(f"*/{manifest.NAME}")):
            found.setdefault(path.parent.name, path.parent)
    return found


def folder(name: str) -> Path:
    """Return the folder of the benchmark set `name`; raises InputError listing the sets where there is none."""
    there = sets()
    if name not in there:
        raise InputError(f"no benchmark set {name!r}{nearest(name, there)}; there are: {', '.join(there) or 'none'}")
    return there[name]


def read(name: str, split: str) -> list[Item]:
    """Return the items of one split of a set.

    Raises:
        InputError: no such set, a file whose hash is not its manifest's, or a row that is no benchmark row.
    """
    path = folder(name) / f"{split}.jsonl"
    sealed = jsonl.read(path.parent / manifest.NAME).get("files", {}).get(path.name, {}).get("sha256")
    if not path.is_file() or manifest.sha256(path) != sealed:
        found = manifest.sha256(path)[:16] if path.is_file() else "missing"
        raise InputError(
            f"{path}: sha256 is {found}, its manifest says {str(sealed)[:16]}; restore the file, or seal the set again "
            f"with `python -m benchmarks.seal {name} --version NEXT --change WHY` if the change is meant"
        )
    return read_items(path)


def test_items(name: str) -> list[AnyItem]:
    """Return the test items of a set of ours or of a public one; raises InputError as `read` and `public.read` do."""
    return [*public.read(name)] if name in PUBLIC else [*read(name, "test")]


def test_file(name: str) -> Path:
    """Return the file that the test items of a set come from; raises InputError where there is none."""
    return public.locate(name)[0] if name in PUBLIC else folder(name) / "test.jsonl"


def teacher_answers(name: str, answers: Path | None) -> dict[str, Answer | None]:
    """Return item id -> the teacher's answer (None where it gave none that keeps the contract) for set `name`.

    `answers` is a folder that holds <name>.jsonl, as `distill.generate` writes it; None means the reference that the
    set carries. Without either, as with public sets, the mapping is empty, and agreement stays missing.
    """
    if name in PUBLIC:
        return {}
    path = answers / f"{name}.jsonl" if answers else folder(name) / "teacher.jsonl"
    if not path.is_file():
        if answers:
            raise InputError(f"{path}: no such file; `python -m distill.generate` writes the teacher's answers")
        return {}
    return {row["id"]: _answer(row) for _, row in jsonl.read_lines(path) if "id" in row}


def _answer(row: dict[str, Any]) -> Answer | None:
    outcome = parse(row["reply"]) if isinstance(row.get("reply"), str) else None
    return outcome if isinstance(outcome, Answer) else None
