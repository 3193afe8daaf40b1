"""Write the manifest of a benchmark set, which fixes its files, its version and the history of its changes.

    {"name": "news", "version": "0.1", "contract": 1, "canary": "c6a6...", "files": {"test.jsonl": {"sha256": "9f...",
     "rows": 68}, ...}, "counts": {"rows": {"dev": 16, ...}, ...}, "changes": [{"date": "2026-11-22", ...}]}

    python -m benchmarks.seal news --version 0.1 --change "First 84 items."

A sealed set whose files changed is only sealed again under a new version and with a word on the change, since figures
of different versions are not comparable.
"""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from benchmarks import check, sets
from benchmarks.counts import counts_of
from finsight_eval import CONTRACT, jsonl
from finsight_eval.errors import InputError, command
from finsight_eval.manifest import NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSION: Final = re.compile(r"\d+(\.\d+){0,2}")


def manifest_of(folder: Path, changes: list[dict[str, str]]) -> dict[str, Any]:
    """Return the manifest of the set in `folder`, its version being that of the last change.

    Raises:
        InputError: the set cannot be read or its guidelines hold no canary.
    """
    placed, problems = sets.read_set(folder)
    canary = check.canary_of(folder)
    if problems or canary is None:
        raise InputError(problems[0] if problems else check.no_canary(folder))
    return {
        "name": folder.name,
        "version": changes[-1]["version"],
        "contract": CONTRACT,
        "canary": canary,
        "files": check.files_of(folder, placed),
        "counts": counts_of(placed),
        "changes": changes,
    }


def next_changes(folder: Path, entry: dict[str, str]) -> list[dict[str, str]]:
    """Return the change log of the set in `folder` with `entry` at its end.

    Raises:
        InputError: the version is malformed or was used before.
    """
    if not VERSION.fullmatch(entry["version"]):
        raise InputError(f"--version {entry['version']!r}: numbers with dots are expected, such as 0.2")
    log = jsonl.read(folder / NAME).get("changes") if (folder / NAME).is_file() else []
    if not isinstance(log, list):
        raise InputError(f"{folder / NAME}: its changes are no list; restore the file, for the history would be lost")
    if used := [old["date"] for old in log if old["version"] == entry["version"]]:
        raise InputError(f"--version {entry['version']}: sealed already on {used[0]}; give the next version")
    return [*log, entry]


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.seal",
        description="Check a benchmark set and write its manifest.json under a new version.",
    )
    parser.add_argument("set", help="name of the set below benchmarks/, or a path to its folder")
    parser.add_argument("--version", required=True, help="the new version, such as 0.2")
    parser.add_argument("--change", required=True, help="one sentence on what changed, for the log in the manifest")
    arguments = parser.parse_args(argv)
    (folder,) = sets.folders([arguments.set])
    if problems := check.content_problems([folder]):
        return check.report(problems)
    date = datetime.now(UTC).date().isoformat()
    entry = {"date": date, "version": arguments.version, "change": arguments.change}
    made = manifest_of(folder, next_changes(folder, entry))
    jsonl.write(folder / NAME, made)
    print(f"[seal] {folder.name} {made['version']}, {len(made['files'])} files -> {folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
