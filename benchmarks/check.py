"""Check every benchmark set: rows, spread, duplicates, manifest. Lists all that is wrong and ends with exit code 2.

`python -m benchmarks.check [SET ...] [--readme]`; SET is a name below benchmarks/ or a path to a folder; default: all.

    error: benchmarks/news/test.jsonl:7: feature 'rumor' of news-en-008 is not one of ... (did you mean 'rumour'?)
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from benchmarks import sets
from benchmarks.counts import counts_of, spread_problems, table
from benchmarks.duplicates import duplicate_problems
from benchmarks.pairs import pair_problems
from benchmarks.readme_table import README, SPREAD, renewed, spread_table
from benchmarks.row_rules import row_problems
from benchmarks.rules import RULES
from finsight_eval import CONTRACT, jsonl
from finsight_eval.benchmark import SPLITS
from finsight_eval.errors import EXIT_BAD_INPUT, InputError, command, printable
from finsight_eval.manifest import NAME, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.sets import Placed

MANIFEST_KEYS: Final = ("name", "version", "contract", "canary", "files", "counts", "changes")
_CANARY: Final = re.compile(r"canary GUID ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def canary_of(folder: Path) -> str | None:
    """Return the GUID that the set's guidelines carry, by which a leak into training data can be found, or None."""
    path = folder / sets.GUIDELINES
    found = _CANARY.search(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else None
    return found[1] if found else None


def no_canary(folder: Path) -> str:
    return f"{folder / sets.GUIDELINES}: no line 'canary GUID xxxxxxxx-...'; write one (python -m uuid)"


def files_of(folder: Path, placed: Sequence[Placed]) -> dict[str, dict[str, Any]]:
    """Return file name -> hash and number of rows, as the manifest lists them."""
    rows = {f"{split}.jsonl": sum(one.split == split for one in placed) for split in SPLITS}
    if (folder / sets.TEACHER).is_file():
        rows[sets.TEACHER] = sum(rows.values())
    return {name: {"sha256": sha256(folder / name), "rows": count} for name, count in rows.items()}


def set_problems(folder: Path) -> tuple[list[Placed], list[str]]:
    """Return the items of the set in `folder` and what is wrong with them one by one and in their spread."""
    if folder.name not in RULES:
        return [], [f"{folder}: no rules for this set; sets with rules: {', '.join(RULES)} (benchmarks/rules.py)"]
    rules = RULES[folder.name]
    placed, problems = sets.read_set(folder)
    problems += [f"{one.where}: {problem}" for one in placed for problem in row_problems(one, rules)]
    if rules.pairs:
        problems += pair_problems(placed)
    if placed:
        problems += [*spread_problems(folder, counts_of(placed), rules), *sets.teacher_problems(folder, placed)]
    if canary_of(folder) is None:
        problems.append(no_canary(folder))
    return placed, problems


def content_problems(folders: Sequence[Path]) -> list[str]:
    """Return everything wrong with the sets in `folders`, duplicates across them included, manifests apart."""
    checked = [set_problems(folder) for folder in folders]
    everything = [one for placed, _ in checked for one in placed]
    return [*(problem for _, found in checked for problem in found), *duplicate_problems(everything)]


def manifest_problems(folder: Path) -> Iterator[str]:
    """Yield every way in which the manifest of the set in `folder` differs from its files."""
    path = folder / NAME
    seal = f"python -m benchmarks.seal {folder.name} --version NEXT --change WHY"
    try:
        found = jsonl.read(path)
    except InputError as error:
        yield f"{error}; {seal} writes it"
        return
    if tuple(found) != MANIFEST_KEYS:
        yield f"{path}: its keys are {', '.join(found)}; {', '.join(MANIFEST_KEYS)} are expected"
        return
    if not all((folder / f"{split}.jsonl").is_file() for split in SPLITS):
        return  # said already, where the set was read
    placed, _ = sets.read_set(folder)
    actual = {
        "name": folder.name,
        "contract": CONTRACT,
        "canary": canary_of(folder),
        "files": files_of(folder, placed),
        "counts": counts_of(placed),
    }
    for key, value in actual.items():
        if found[key] != value:
            yield f"{path}: {key} {_difference(found[key], value)}; if the change is meant: {seal}"
    if _last_version(found["changes"]) != found["version"]:
        yield f"{path}: version is {found['version']!r}, which is not that of the last entry in changes; {seal}"


def _last_version(changes: Any) -> Any:
    last = changes[-1] if isinstance(changes, list) and changes else None
    return last.get("version") if isinstance(last, dict) else None


def _difference(said: Any, found: Any) -> str:
    """Return in words where the manifest's value leaves the one found, going down to the first key that differs."""
    if isinstance(said, dict) and isinstance(found, dict):
        for key in [*found, *said]:
            if said.get(key) != found.get(key):
                return f"{key} {_difference(said.get(key), found.get(key))}"
    return f"is {printable(repr(said), 80)} there, {printable(repr(found), 80)} was found"


def report(problems: Sequence[str]) -> int:
    """Print every problem to stderr and return the exit code for them."""
    for problem in problems:
        print(f"error: {printable(problem, 1000)}", file=sys.stderr)
    print(f"{len(problems)} problem{'s' * (len(problems) != 1)} found", file=sys.stderr)
    return EXIT_BAD_INPUT


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check",
        description="Validate benchmark sets: rows, spread, duplicates, manifest. Exit code 2 if anything is wrong.",
    )
    parser.add_argument("sets", nargs="*", metavar="SET", help="name or folder of a set (default: all sets)")
    parser.add_argument("--readme", action="store_true", help="also renew the README's table of the sets' spread")
    options = parser.parse_args(argv)
    folders = sets.folders(options.sets)
    spread = {folder.name: counts_of(sets.read_set(folder)[0]) for folder in folders}
    for name, counts in spread.items():
        print("\n".join(table(name, counts)))
    problems = [*content_problems(folders), *(p for folder in folders for p in manifest_problems(folder))]
    if problems:
        return report(problems)
    if options.readme:
        README.write_text(renewed(README.read_text(encoding="utf-8"), SPREAD, spread_table(spread)), encoding="utf-8")
    print(f"[check] {', '.join(folder.name for folder in folders)}: nothing wrong")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
