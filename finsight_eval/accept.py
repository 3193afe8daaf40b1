"""Accept a run, or samples, as the baseline that later ones are held against, with a reason, and keep the history.

    finsight-gate accept --recipe nano --reason "first release"
    finsight-gate accept --policy ci --candidate out --baseline baseline.json --reason "first release"

It writes benchmarks/baselines/NAME.json, or the file that is named, to be committed:

    {"name": "nano", "tasks": {"finsight": {"benchmark": {...}, "prompt": ..., "generation": {...}, "replies": {...}}},
     "history": [{"date": "2026-11-22", "reason": "first release", "verdict": "pass", "commit": "0a1b...",
                  "contract": 1, "tasks": {"finsight": {"benchmark": {...}, "prompt": ...}},
                  "figures": {"finsight/sentiment_f1": {"value": 0.41, "low": 0.36, "high": 0.46, "n": 320}}}]}

The replies are kept, not only the figures: a later parser reads both models' words, and the comparison stays paired.
The verdict is that of the gate at this moment. What the gate would stop is accepted by an explicit decision only
(`--despite regressed`), which stays in the history, as does whatever the candidate is exposed as.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from finsight_eval import CONTRACT, jsonl, manifest, policy, stage
from finsight_eval.errors import InputError, command, printable, program
from finsight_eval.figures import figure
from finsight_eval.gating import contest, exposed
from finsight_eval.gating.arguments import files_of, parser_of
from finsight_eval.gating.checks import Ruling, stops
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


def refuse_undecided(verdict: Ruling, exposed_as: Sequence[str], bounds: Policy, despite: str | None) -> None:
    """Raise InputError unless `despite` names the verdict, where that is one on which the gate stops, and only then."""
    if despite == (verdict.value if stops(verdict, bounds) else None):
        return
    if despite:
        raise InputError(f"--despite is {despite}, the verdict is {verdict}: there is nothing to be overruled")
    named = f" ({', '.join(exposed_as)})" if exposed_as else ""
    raise InputError(
        f"the gate would stop this candidate: {verdict}{named}; nothing was written. See what `finsight-gate` says of "
        f"it; to make it the baseline all the same add `--despite {verdict}`, which the history keeps with the reason"
    )


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
    parser.prog = program("accept")
    blocking = [ruling.value for ruling in Ruling if ruling is not Ruling.PASS]
    parser.add_argument("--reason", required=True, help="why: one sentence for the history")
    parser.add_argument(
        "--despite", choices=blocking, help="the verdict that would stop this candidate, to accept it all the same"
    )
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
    verdict, named = found.ruling(bounds, found.checks(bounds)), exposed.names_of(found.exposures)
    refuse_undecided(verdict, named, bounds, options.despite)
    entry = {
        "date": datetime.now(UTC).date().isoformat(),
        "reason": options.reason.strip(),
        "verdict": verdict,
        **({"despite": options.despite} if options.despite else {}),
        **({"exposed": named} if named else {}),
        "commit": manifest.origin()["git"]["commit"],
    }
    jsonl.write(path, baseline_of(bounds, found, entry, history))
    if named or options.despite:
        but = ", ".join(dict.fromkeys([*([options.despite] if options.despite else []), *named]))
        print(f"[accept] WARNING: this baseline is accepted although: {but}; its history says so", file=sys.stderr)
    print(f"[accept] {bounds.name}: {entry['verdict']}, {len(history) + 1} in its history -> {path}; commit the file")
    return 0
