"""Accept a run, or samples, as the baseline that later ones are held against, with a reason, and keep the history.

    finsight-gate accept --recipe nano --reason "first release"
    finsight-gate accept --policy ci --candidate out --baseline baseline.json --reason "first release"

It writes benchmarks/baselines/NAME.json, or the file that is named, to be committed:

    {"name": "nano", "tasks": {"finsight": {"benchmark": {...}, "prompt": ..., "generation": {...}, "replies": {...}}},
     "history": [{"date": "2026-11-22", "reason": "first release", "verdict": "pass", "commit": "0a1b...",
                  "contract": 1, "tasks": {"finsight": {"benchmark": {...}, "prompt": ...}},
                  "figures": {"finsight/sentiment_f1": {"value": 0.41, "low": 0.36, "high": 0.46, "n": 320}}}]}

The replies are kept, not only the figures: a later parser reads both models' words, and the comparison stays paired.
The verdict is that of the gate at this moment; whoever accepts a regression says so with the reason.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from finsight_eval import CONTRACT, jsonl, manifest, policy, stage
from finsight_eval.errors import InputError, command, printable
from finsight_eval.figures import figure
from finsight_eval.gating import contest
from finsight_eval.gating.arguments import files_of, parser_of
from finsight_eval.gating.checks import overall
from finsight_eval.gating.comparable import CONDITIONS
from finsight_eval.gating.recorded import Recorded, replies_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from finsight_eval.gating.contest import Contest, Files
    from finsight_eval.policy import Policy

    Maker = Callable[[Path | None], Contest]


def baseline_of(bounds: Policy, found: Contest, entry: dict[str, Any], history: Sequence[Any]) -> dict[str, Any]:
    """Return the baseline that the candidate makes, its figures added to the history."""
    figures = {}
    for key in bounds.bounds():
        task, _, metric = key.partition("/")
        figures[key] = figure(metric, found.candidate[task]).row()
    tasks = replies_of(Recorded(found.score, dict(found.candidate)), bounds.tasks())
    made = {task: {key: found.score["tasks"][task].get(key) for key in CONDITIONS} for task in bounds.tasks()}
    last = {**entry, "contract": CONTRACT, "tasks": made, "figures": figures}
    return {"name": bounds.name, "tasks": tasks, "history": [*history, last]}


def replacing(path: Path, make: Maker) -> Contest:
    """Return the contest with the baseline in `path`, or without it where it cannot be compared any more, and say so.

    Raises:
        InputError: the candidate itself cannot be judged.
    """
    if not path.is_file():
        return make(None)
    try:
        return make(path)
    except InputError as error:
        found = make(None)
        print(f"[accept] not held against the baseline that is replaced: {printable(str(error), 500)}")
        return found


def history_in(path: Path) -> list[Any]:
    """Return the history of the baseline in `path`, [] where there is none; raises InputError for any other file."""
    if not path.exists():
        return []
    there = jsonl.read(path)
    if not isinstance(there.get("tasks"), dict):
        raise InputError(
            f"{path}: is there and no baseline (it has no 'tasks'); name another file, it is kept as it is"
        )
    history = there.get("history", [])
    if not isinstance(history, list):
        found = printable(repr(history), 40)
        raise InputError(f"{path}: history is {found}, a list is expected; restore the file from its last commit")
    return history


def _run_maker(bounds: Policy, run: Path) -> Maker:
    for model in ("base", "adapter"):
        manifest.verified(run / "score" / model)
    return lambda baseline: contest.of_run(bounds, run, baseline)


def _files_maker(bounds: Policy, files: Files) -> Maker:
    return lambda baseline: contest.of_files(bounds, replace(files, baseline=baseline))


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Gate a run or samples and make them the baseline; returns the exit code."""
    parser = parser_of("Gate a run or samples and make them the baseline of later ones, with the verdict on record.")
    parser.prog = "finsight-gate accept"
    parser.add_argument("--reason", required=True, help="why: one sentence for the history")
    options = parser.parse_args(argv)
    if not options.reason.strip():
        raise InputError("--reason is blank; say in a sentence why this run is the one to be held against")
    if files := files_of(options):
        bounds = policy.load(policy.path_of(options.policy))
        if not files.baseline:
            raise InputError("--baseline is missing: name the JSON file that is to be written, and commit it")
        path, make = files.baseline, _files_maker(bounds, files)
    else:
        recipe = "nano" if options.recipe is None else options.recipe
        bounds = policy.load(stage.recipe_path(recipe, policy.FOLDER))
        path, make = policy.baseline_path(bounds.name), _run_maker(bounds, stage.run_folder(options.runs, recipe))
    history = history_in(path)
    found = replacing(path, make)
    entry = {
        "date": datetime.now(UTC).date().isoformat(),
        "reason": options.reason.strip(),
        "verdict": overall(found.checks(bounds)),
        "commit": manifest.origin()["git"]["commit"],
    }
    jsonl.write(path, baseline_of(bounds, found, entry, history))
    print(f"[accept] {bounds.name}: {entry['verdict']}, {len(history) + 1} in its history -> {path}; commit the file")
    return 0
