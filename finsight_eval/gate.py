"""The gate: may the adapter of a run ship?

    python -m finsight_eval.gate --recipe nano

It holds the adapter's figures against benchmarks/policies/NAME.yaml, the base model and, where one is committed, the
accepted baseline benchmarks/baselines/NAME.json:

    {"reason": "first release", "tasks": {"finsight": {"benchmark": {...}, "prompt": "...", "generation": {...},
     "replies": {"news-en-001": "<thinking>..."}}}}

It writes gate.json, junit.xml and summary.md, with every item that the adapter broke or fixed. Exit code: 0 pass,
1 regressed, 2 bad input, 3 inconclusive where the policy says that this blocks. `finsight-gate accept` makes a run the
baseline.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, accept, comparable, jsonl, policy, stage
from finsight_eval.checks import Check, Ruling, checks_of, overall
from finsight_eval.errors import InputError, command
from finsight_eval.flips import flips, flips_page
from finsight_eval.gate_page import summary
from finsight_eval.junit import junit
from finsight_eval.scorecard import scored
from finsight_eval.verdicts import Verdict, read_verdicts, verdict_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from finsight_eval.policy import Policy

    Tasks = Mapping[str, list[Verdict]]

#: Flips of a kind that the summary shows; gate.json holds all.
SHOWN: Final = 20
EXIT_REGRESSED: Final = 1
EXIT_INCONCLUSIVE: Final = 3


def exit_code(verdict: str, inconclusive_blocks: bool) -> int:
    """Return the exit code of an overall ruling."""
    if verdict == Ruling.REGRESSED:
        return EXIT_REGRESSED
    return EXIT_INCONCLUSIVE if verdict == Ruling.INCONCLUSIVE and inconclusive_blocks else 0


def baseline_verdicts(
    path: Path, candidate: Mapping[str, list[Verdict]], score: comparable.Score, tasks: Sequence[str]
) -> dict[str, list[Verdict]]:
    """Return the baseline's replies to the candidate's items, read by today's parser.

    Raises:
        InputError: made under another benchmark, prompt or generation setting, or without a reply to an item.
    """
    baseline = jsonl.read(path).get("tasks", {})
    verdicts = {}
    for task in tasks:
        for key in ("benchmark", "prompt", "generation"):
            if baseline.get(task, {}).get(key) != score["tasks"][task][key]:
                raise InputError(f"{path}: {task}: {key} is not the candidate's; accept a new baseline")
        replies = baseline[task].get("replies", {})
        if missing := [v.item.id for v in candidate[task] if not isinstance(replies.get(v.item.id), str)]:
            raise InputError(f"{path}: {task}: no reply to {missing[0]!r}; accept a new baseline")
        verdicts[task] = [verdict_of(v.item, replies[v.item.id], v.teacher) for v in candidate[task]]
    return verdicts


def compared(bounds: Policy, run: Path, baseline: Path | None) -> tuple[Tasks, Tasks, Tasks | None]:
    """Return the verdicts of candidate, base and baseline; raises InputError where they should not be compared."""
    scores = {model: jsonl.read(run / "score" / model / "metrics.json") for model in ("base", "adapter")}
    comparable.refuse_unequal(scores, bounds.tasks())
    overlap = run / "export" / "overlap.json"
    comparable.refuse_other_overlap(str(overlap), jsonl.read(overlap), scores["adapter"], bounds.tasks())
    verdicts = {model: _scored_verdicts(run / "score" / model / "verdicts.jsonl") for model in scores}
    candidate = verdicts["adapter"]
    accepted = baseline_verdicts(baseline, candidate, scores["adapter"], bounds.tasks()) if baseline else None
    return candidate, verdicts["base"], accepted


def _scored_verdicts(path: Path) -> dict[str, list[Verdict]]:
    return {task: scored(verdicts) for task, verdicts in read_verdicts(path).items()}


def _plan(bounds: Policy, run: Path, policy_path: Path, baseline: Path | None) -> stage.Plan:
    overlap = run / "export" / "overlap.json"
    if not overlap.is_file():
        raise InputError(
            f"{overlap}: no record of the overlap between training data and benchmark; run `python -m distill.export`"
        )
    return stage.Plan(
        name="gate",
        folder=run / "gate",
        module="finsight_eval.gate",
        inputs={"base": run / "score" / "base", "adapter": run / "score" / "adapter", "overlap": overlap},
        sources={"policy": policy_path, **({"baseline": baseline} if baseline else {})},
        settings=asdict(bounds),
    )


def write_gate(
    out: Path, bounds: Policy, checks: Sequence[Check], baseline: Path | None, flipped: Mapping[str, Any]
) -> Ruling:
    """Write gate.json, junit.xml and summary.md below `out` and return the overall ruling."""
    verdict, rows = overall(checks), [check.row() for check in checks]
    against = "accepted baseline" if baseline else "base"
    about: dict[str, Any] = {"verdict": verdict, "policy": bounds.name, "contract": CONTRACT}
    about |= {"inconclusive_blocks": bounds.inconclusive_blocks, "baseline": baseline.as_posix() if baseline else None}
    jsonl.write(out / "gate.json", {**about, "checks": rows, "flips": {"against": against, "tasks": flipped}})
    jsonl.write_text(out / "junit.xml", junit(bounds.name, checks, bounds.inconclusive_blocks))
    page = f"{summary(bounds.name, rows, verdict)}\n{flips_page(flipped, against, SHOWN)}\n"
    jsonl.write_text(out / "summary.md", page)
    return verdict


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Hold the adapter of a run against its policy, or accept it as baseline; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["accept"]:
        return accept.main(arguments[1:])
    parser = stage.arguments("Hold the adapter of a run against its policy.", policy.FOLDER)
    parser.add_argument("--exit-zero", action="store_true", help="write the verdict and exit 0 whatever it is")
    parser.epilog = "finsight-gate accept --help: make a gated run the baseline that later ones are held against."
    options = parser.parse_args(arguments)
    path = stage.recipe_path(options.recipe, policy.FOLDER)
    bounds = policy.load(path)
    run = stage.run_folder(options.runs, options.recipe)
    baseline = found if (found := policy.baseline_path(bounds.name)).is_file() else None

    def build(out: Path) -> tuple[str, dict[str, Any]]:
        candidate, base, accepted = compared(bounds, run, baseline)
        checks = checks_of(bounds, candidate, base, accepted)
        flipped = {task: flips((accepted or base)[task], candidate[task]) for task in bounds.tasks()}
        verdict = write_gate(out, bounds, checks, baseline, flipped)
        counts = ", ".join(
            f"{sum(c.verdict is r for c in checks)} {r}" for r in Ruling if any(c.verdict is r for c in checks)
        )
        return f"{verdict}: {counts}", {"verdict": verdict}

    facts = stage.run(_plan(bounds, run, path, baseline), build)["facts"]
    return 0 if options.exit_zero else exit_code(facts["verdict"], bounds.inconclusive_blocks)


if __name__ == "__main__":
    raise SystemExit(main())
