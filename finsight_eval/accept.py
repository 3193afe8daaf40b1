"""Accept a run as the baseline that later ones are held against, with a reason, and keep the history.

    finsight-gate accept --recipe nano --reason "first release"

It writes benchmarks/baselines/NAME.json, to be committed:

    {"name": "nano", "tasks": {"finsight": {"benchmark": {...}, "prompt": ..., "generation": {...}, "replies": {...}}},
     "history": [{"date": "2026-11-22", "reason": "first release", "verdict": "pass", "commit": "0a1b...",
                  "figures": {"finsight/sentiment_f1": 0.41}}]}

The replies are kept, not only the figures: a later parser reads both models' words, and the comparison stays paired.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from finsight_eval import comparable, jsonl, manifest, policy, stage
from finsight_eval.errors import InputError, command
from finsight_eval.verdicts import read_verdicts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finsight_eval.policy import Policy

_COMPARABLE = ("benchmark", "prompt", "generation")


def baseline_of(bounds: Policy, run: Path, entry: dict[str, Any], history: Sequence[Any]) -> dict[str, Any]:
    """Return the baseline that the scored adapter of `run` makes; raises InputError for a run that is not whole."""
    manifest.verified(run / "score" / "adapter")
    score = jsonl.read(run / "score" / "adapter" / "metrics.json")
    comparable.refuse_unequal({"adapter": score}, bounds.tasks())
    verdicts = read_verdicts(run / "score" / "adapter" / "verdicts.jsonl")
    keys = dict.fromkeys((*bounds.floors, *bounds.gains, *bounds.margins))
    figures = {
        key: score["tasks"][task]["metrics"][metric]["value"]
        for key in keys
        for task, _, metric in [key.partition("/")]
    }
    tasks = {
        task: {
            **{key: score["tasks"][task][key] for key in _COMPARABLE},
            "replies": {verdict.item.id: verdict.reply for verdict in verdicts[task]},
        }
        for task in bounds.tasks()
    }
    return {"name": bounds.name, "tasks": tasks, "history": [*history, {**entry, "figures": figures}]}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Promote a gated run to baseline; returns the exit code."""
    parser = stage.arguments("Accept the adapter of a gated run as the baseline of later ones.", policy.FOLDER)
    parser.prog = "finsight-gate accept"
    parser.add_argument("--reason", required=True, help="why: one sentence for the history")
    options = parser.parse_args(argv)
    if not options.reason.strip():
        raise InputError("--reason is blank; say in a sentence why this run is the one to be held against")
    bounds = policy.load(stage.recipe_path(options.recipe, policy.FOLDER))
    run = stage.run_folder(options.runs, options.recipe)
    gated = jsonl.read(run / "gate" / "gate.json") if (run / "gate" / manifest.NAME).is_file() else None
    scored = manifest.verified(run / "score" / "adapter")
    if gated is None or jsonl.read(run / "gate" / manifest.NAME)["inputs"]["adapter"]["sha256"] != scored:
        raise InputError(f"{run / 'gate'}: no verdict on this very run; `python -m finsight_eval.gate` first")
    path = policy.baseline_path(bounds.name)
    entry = {
        "date": datetime.now(UTC).date().isoformat(),
        "reason": options.reason.strip(),
        "verdict": gated["verdict"],
        "commit": manifest.origin()["git"]["commit"],
    }
    history = jsonl.read(path).get("history", []) if path.is_file() else []
    jsonl.write(path, baseline_of(bounds, run, entry, history))
    print(f"[accept] {bounds.name}: {entry['verdict']}, {len(history) + 1} in its history -> {path}; commit the file")
    return 0
