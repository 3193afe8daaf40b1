"""Benchmark sets on disk: a folder with dev.jsonl, test.jsonl, GUIDELINES.md, manifest.json, maybe teacher.jsonl.

    benchmarks/news/test.jsonl:1  {"id": "news-en-001", "lang": "en", "text": "$VRDC Q3 is out. ...", ...}

`finsight_eval.records.read_items` stops at the first bad row, as a stage must. The check lists all of them, so
reading here goes on and returns what can be used beside what is wrong.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from finsight_eval import jsonl
from finsight_eval.benchmark import SPLITS
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.records import Item, row_problem

ROOT: Final = Path("benchmarks")
GUIDELINES: Final = "GUIDELINES.md"
#: The embedded teacher's answers, one row per item: {"id": "news-en-001", "reply": "<thinking>...", ...}.
TEACHER: Final = "teacher.jsonl"
KEYS: Final = tuple(field.name for field in fields(Item))


@dataclass(frozen=True, slots=True)
class Placed:
    """One item and the place where it stands."""

    path: Path
    line: int
    item: Item

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def split(self) -> str:
        return self.path.stem

    @property
    def set_name(self) -> str:
        return self.path.parent.name


def _is_set(folder: Path) -> bool:
    return (folder / GUIDELINES).is_file() or any(folder.glob("*.jsonl"))


def folders(names: list[str], root: Path = ROOT) -> list[Path]:
    """Return the folder of each set in `names` (a set's name, or a path to its folder); all sets where it is empty.

    Raises:
        InputError: no such set, or no sets at all.
    """
    known = {folder.name: folder for folder in sorted(root.glob("*/")) if _is_set(folder)}
    if not known and not names:
        raise InputError(f"{root}: no benchmark sets here; run it from the project's root")
    found = [known.get(name) or Path(name) for name in names] or list(known.values())
    for name, folder in zip(names, found, strict=False):
        if not folder.is_dir():
            raise InputError(f"{name}: no such set{nearest(name, known)}; sets: {', '.join(known) or 'none'}")
    return found


def _item(row: jsonl.Row) -> Item:
    values: dict[str, Any] = {key: tuple(row[key]) if isinstance(row[key], list) else row[key] for key in KEYS}
    return Item(**values)


def _problem(line: str) -> str | None:
    """Return what keeps one line of a set's file from being an item, or None."""
    try:
        row = jsonl.loads(line)
    except ValueError as error:
        return f"not valid JSON ({error}): {printable(line, 60)!r}; repair or delete the line"
    if not isinstance(row, dict):
        return f"a JSON object is expected, found {printable(line, 60)!r}"
    if problem := row_problem(row, Item):
        return f"{problem}; correct the row"
    if tuple(row) != KEYS:
        return f"the keys stand in another order; the order is {', '.join(KEYS)}"
    return None


def read_split(path: Path) -> tuple[list[Placed], list[str]]:
    """Return the items of one file, and a problem naming file and line for each line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return [], [f"{path}: no such file; a set has {' and '.join(f'{split}.jsonl' for split in SPLITS)}"]
    except UnicodeDecodeError as error:
        return [], [f"{path}: not UTF-8 at byte {error.start}; save the file as UTF-8"]
    placed: list[Placed] = []
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if problem := _problem(line):
            problems.append(f"{path}:{number}: {problem}")
        else:
            placed.append(Placed(path, number, _item(jsonl.loads(line))))
    if not placed and not problems:
        problems.append(f"{path}: holds no rows; an empty set cannot be scored")
    return placed, problems


def read_set(folder: Path) -> tuple[list[Placed], list[str]]:
    """Return the items of both splits of the set in `folder`, and the problems met while reading."""
    read = [read_split(folder / f"{split}.jsonl") for split in SPLITS]
    placed = [one for items, _ in read for one in items]
    problems = [problem for _, found in read for problem in found]
    extra = sorted(path.name for path in folder.glob("*.jsonl") if path.stem not in SPLITS)
    problems += [f"{folder / name}: not a split; splits are {', '.join(SPLITS)}" for name in extra if name != TEACHER]
    return placed, problems


def teacher_problems(folder: Path, placed: list[Placed]) -> list[str]:
    """Return where the teacher's answers, if the set carries any, are not exactly one to an item."""
    path = folder / TEACHER
    if not path.is_file():
        return []
    try:
        answered = Counter(str(row.get("id")) for _, row in jsonl.read_lines(path))
    except InputError as error:
        return [str(error)]
    ids = {one.item.id for one in placed}
    strange = [
        f"{path}: answers {printable(key, 40)!r}, which is no item of the set" for key in answered if key not in ids
    ]
    twice = [f"{path}: answers {key} {n} times" for key, n in answered.items() if n > 1 and key in ids]
    left = sorted(ids - set(answered))
    silent = [f"{path}: has no answer to {', '.join(left[:3])} ({len(left)} in all)"] if left else []
    return [f"{problem}; generate it again" for problem in [*strange, *twice, *silent]]
