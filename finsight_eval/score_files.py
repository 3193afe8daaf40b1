"""Score sample files of lm-eval one by one: any number of files and folders, today's figures beside the recorded ones.

    finsight-score out/                       every samples_*.jsonl below a folder
    finsight-score a.jsonl b.jsonl --out DIR  the tasks of one run: figures and changes in files, too

Files of different tasks are taken for one run: each is shown with all figures and intervals. Where several files hold
the same task, each gets one line with its headline figures, and a table at the end sums up the tasks. A file that
cannot be read is named with the reason; the others are scored all the same, and the exit code is 2. It is 1 where items
have no reply, as it is for the evaluation in which their requests failed: the figures are those of the other items.

    {"finsight": {"sentiment_f1": {"recorded": 0.412, "value": 0.431, "changed": 6, "why": "...", "items": [...]}}}

is what `rescored.json` holds (finsight_eval.rescore).
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl, manifest
from finsight_eval.errors import EXIT_BAD_INPUT, InputError, printable
from finsight_eval.gold import TASKS, Gold, gold_of
from finsight_eval.metrics import HEADLINE
from finsight_eval.records import read_items
from finsight_eval.rescore import rescored, value_of
from finsight_eval.samples import Documents, check_gold, read_samples, task_of
from finsight_eval.score import (
    EXIT_FAILED_ITEMS,
    failed_items,
    one_per_task,
    sample_paths,
    task_card,
    write_score,
)
from finsight_eval.scorecard import scored

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from finsight_eval.rescore import Rescored
    from finsight_eval.samples import Samples

#: A line has room for two reasons; the rest is counted.
_SHOWN: Final = 2


@dataclass(frozen=True)
class Line:
    """What is said of one file among many of the same task."""

    path: Path
    task: str
    n: int
    failed: int
    headline: dict[str, float | None]
    changes: dict[str, Rescored]


def score_files(paths: Sequence[Path], benchmark_file: Path | None, out: Path | None) -> int:
    """Score the sample files in `paths`, print their figures and, with `out`, write them; returns the exit code."""
    found = [path for given in paths for path in (sample_paths(given) if given.is_dir() else [given])]
    files = list(dict.fromkeys(found))
    golds = Golds(benchmark_file)
    with _no_collection():
        if out is not None or len({task_of(path) for path in files}) == len(files):
            return _score_run(one_per_task(files), golds, out)
        return _score_many(files, golds)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Stop the search for circular garbage: verdicts hold no circles, and all of them would be searched many times."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Golds:
    """The benchmark items of each task, read once; those of a file that was given serve for every task."""

    def __init__(self, path: Path | None) -> None:
        self._given = Gold(path.stem, manifest.sha256(path), [*read_items(path)]) if path else None
        self._known: dict[str, Gold | InputError] = {}

    def of(self, task: str) -> Gold | None:
        """Return the items of `task`, None where they are not known; a set that cannot be had is asked for once."""
        if self._given or task not in TASKS:
            return self._given
        if task not in self._known:
            try:
                self._known[task] = gold_of(task)
            except InputError as error:
                self._known[task] = error
        found = self._known[task]
        if isinstance(found, InputError):
            raise found
        return found


def _score_run(files: Sequence[Path], golds: Golds, out: Path | None) -> int:
    runs: list[tuple[Samples, dict[str, Any]]] = []
    changes: dict[str, dict[str, Rescored]] = {}
    errors: list[str] = []
    for path in files:
        try:
            samples = read_samples(path)
            runs.append((samples, task_card(samples, golds.of(samples.task), str(path))))
        except InputError as error:
            errors.append(_placed(path, error))
            continue
        changes[samples.task] = rescored(samples)
        _print_card(*runs[-1], changes[samples.task])
    if out and runs:
        write_score(out, "samples", "samples", runs)
        found = {task: {name: one.row() for name, one in table.items()} for task, table in changes.items()}
        jsonl.write(out / "rescored.json", found)
        print(f"-> {out}/verdicts.jsonl, {out}/metrics.json, {out}/rescored.json")
    failed, answered = (sum(card[key] for _, card in runs) for key in ("failed", "n"))
    return _ended(errors, len(files), failed, answered)


def _placed(path: Path, error: InputError) -> str:
    return str(error) if str(error).startswith(str(path)) else f"{path}: {error}"


def _ended(errors: Sequence[str], files: int, failed: int, answered: int) -> int:
    """Report the files that could not be scored and the items without a reply, and return the exit code."""
    for error in errors:
        print(f"error: {printable(error, 2000)}", file=sys.stderr)
    if errors and files > 1:
        print(f"{len(errors):,} of {files:,} files were not scored: see above", file=sys.stderr)
    if failed:
        print(failed_items(failed, failed + answered), file=sys.stderr)
    return EXIT_BAD_INPUT if errors else EXIT_FAILED_ITEMS if failed else 0


def _print_card(samples: Samples, card: dict[str, Any], changes: dict[str, Rescored]) -> None:
    whole = card["n_total"] if card["n_total"] is not None else "?"
    print(f"{printable(samples.task)}: {card['n']} of {whole} items scored, {card['failed']} failed")
    for name, found in card["metrics"].items():
        if found["value"] is None:
            print(f"  {name:24} n/a ({found['why']})")
        else:
            ends = f"[{found['low']:.3f}, {found['high']:.3f}]" if found["low"] is not None else "[no interval]"
            print(f"  {name:24} {found['value']:.4f}  {ends}  n {found['n']}")
    same = [name for name, one in changes.items() if one.same and not one.changes]
    if same:
        print(f"  same as recorded: {', '.join(same)}")
    for phrase in _changed(changes):
        print(f"  {phrase}")


def _changed(changes: dict[str, Rescored]) -> list[str]:
    """Return a phrase for every metric that is not what was recorded: old figure, new figure, why."""
    return [
        f"{name} {one.recorded:.4f} -> {'n/a' if one.value is None else format(one.value, '.4f')}: {one.why}"
        for name, one in changes.items()
        if not one.same or one.changes
    ]


def _score_many(files: Sequence[Path], golds: Golds) -> int:
    lines: list[Line] = []
    errors: list[str] = []
    documents = Documents()
    for path in _with_progress(files):
        try:
            line = _line(path, golds, documents)
        except InputError as error:
            errors.append(_placed(path, error))
            continue
        lines.append(line)
        print(_in_words(line))
    for row in _summary(lines):
        print("  ".join(row))
    return _ended(errors, len(files), sum(line.failed for line in lines), sum(line.n for line in lines))


def _with_progress(files: Sequence[Path]) -> Iterator[Path]:
    """Yield the files; on a terminal, stderr counts them."""
    shown = sys.stderr.isatty()
    for number, path in enumerate(files, start=1):
        if shown:
            print(f"\r{number:,} of {len(files):,} files", end="", file=sys.stderr, flush=True)
        yield path
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _line(path: Path, golds: Golds, documents: Documents) -> Line:
    samples = read_samples(path, documents)
    if gold := golds.of(samples.task):
        check_gold(samples.verdicts, gold.items, str(path))
    counted = scored(samples.verdicts)
    changes = rescored(samples)
    headline = {name: changes[name].value if name in changes else value_of(name, counted) for name in HEADLINE}
    return Line(path, samples.task, len(counted), len(samples.verdicts) - len(counted), headline, changes)


def _in_words(line: Line) -> str:
    figures = ", ".join(f"{name} {value:.4f}" for name, value in line.headline.items() if value is not None)
    phrases = _changed(line.changes)
    more = f"; and {len(phrases) - _SHOWN} more metrics" if len(phrases) > _SHOWN else ""
    told = "; ".join(phrases[:_SHOWN]) + more or ("same as recorded" if line.changes else "nothing was recorded")
    failed = f", {line.failed:,} failed" if line.failed else ""
    head = f"{printable(str(line.path), 400)}: {printable(line.task)}, n {line.n:,}{failed}"
    return f"{head}: {figures or 'no figures'}; {told}"


def _summary(lines: Sequence[Line]) -> list[list[str]]:
    """Return the table of tasks: files, replies, files with changed figures, and the range of the sentiment F1."""
    rows = [["task", "files", "replies", "failed", "changed", "sentiment_f1: lowest", "median", "highest"]]
    for task in sorted({line.task for line in lines}):
        chosen = [line for line in lines if line.task == task]
        known = [value for line in chosen if (value := line.headline["sentiment_f1"]) is not None]
        spread = (min(known), statistics.median(known), max(known)) if known else ()
        counts = (
            len(chosen),
            sum(line.n for line in chosen),
            sum(line.failed for line in chosen),
            sum(bool(_changed(line.changes)) for line in chosen),
        )
        rows.append([printable(task), *(f"{n:,}" for n in counts), *(f"{v:.4f}" for v in spread)])
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return [
        [f"{cell:{w}}" if i == 0 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=False))]
        for row in rows
    ]
