"""Reference figures for the README: what simple systems and the embedded models score on every set.

    python -m benchmarks.baselines --recipe nano

    {"system": "tfidf", "task": "finsight", "metrics": {"sentiment_f1": {"value": 0.31, "low": 0.26, "high": 0.36, ...

* majority: the most frequent label of the set, for every item.
* tfidf: character n-grams and logistic regression, trained on the simulator's texts and their gold labels.
* teacher, base, adapter: as `finsight_eval.score` scored the run, and what lm-eval's sample files below
  runs/NAME/more/MODEL hold beside it (the README has the command). A set without figures of a model, and a public set
  whose data is not at hand, stays out.

It writes reports/baselines.json and reports/baselines.md, and the README's table from the former.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.baselines_page import page, readme_table
from benchmarks.readme_table import BASELINES, README, renewed
from benchmarks.simple_systems import Majority, TfIdf
from finsight_eval import jsonl, manifest, public, stage, suite
from finsight_eval.comparing.benchmark_data import OWN
from finsight_eval.errors import InputError, command
from finsight_eval.figures import figure
from finsight_eval.gold import gold_of
from finsight_eval.samples import check_gold, read_samples
from finsight_eval.score import teacher_samples
from finsight_eval.scorecard import scored
from finsight_eval.verdicts import read_verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.simple_systems import System
    from finsight_eval.verdicts import Verdict

MODELS: Final = ("teacher", "base", "adapter")
METRICS: Final = {
    "own": ("json_parse_rate", "sentiment_f1", "risk_accuracy", "risk_kappa", "entity_accuracy", "pair_consistency"),
    "public": (
        *("json_parse_rate", "sentiment_weighted_f1", "sentiment_f1", "sentiment_accuracy"),
        "fingpt_weighted_f1",
    ),
}
#: What a system without an entity or a form of its own cannot be measured by.
_LABELS_ONLY: Final = ("sentiment_f1", "sentiment_weighted_f1", "sentiment_accuracy", "risk_accuracy", "risk_kappa")
REPORT: Final = Path("reports")


def row(system: str, task: str, verdicts: Sequence[Verdict], names: Sequence[str]) -> dict[str, Any]:
    """Return the figures of one system on one task."""
    counted = scored(verdicts)
    return {
        "system": system,
        "task": task,
        "n": len(counted),
        "failed": len(verdicts) - len(counted),
        "metrics": {name: figure(name, counted).row() for name in names},
    }


def simple_rows(system: System, name: str, tasks: Sequence[str], kind: str) -> list[dict[str, Any]]:
    """Return the figures of a system that gives labels only."""
    names = [metric for metric in METRICS[kind] if metric in (*_LABELS_ONLY, "pair_consistency")]
    return [row(name, task, system.verdicts(gold_of(task).items), names) for task in tasks]


def model_rows(run: Path, model: str, tasks: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return the figures of a model on every task of which the run holds its answers."""
    held = {**more_verdicts(run, model), **read_verdicts(run / "score" / model / "verdicts.jsonl")}
    return [
        row(model, task, held[task], METRICS[kind]) for kind, names in tasks.items() for task in names if task in held
    ]


def more_verdicts(run: Path, model: str) -> dict[str, list[Verdict]]:
    """Return task -> verdicts from sample files beside the run's own, and the teacher's from its answers.

    Raises:
        InputError: samples of a part of a set, or of other items than today's.
    """
    found: dict[str, list[Verdict]] = {}
    if model == "teacher":
        for task in OWN.values():
            gold = gold_of(task)
            path = run / "teacher" / f"{gold.set}.jsonl"
            if path.is_file():
                found[task] = teacher_samples(task, gold, path).verdicts
    for path in sorted((run / "more" / model).rglob("samples_*.jsonl")):
        samples = read_samples(path)
        gold = gold_of(samples.task)
        check_gold(samples.verdicts, gold.items, str(path))
        if len(samples.verdicts) != len(gold.items):
            raise InputError(f"{path}: {len(samples.verdicts)} of {len(gold.items)} items; evaluate without --limit")
        found[samples.task] = samples.verdicts
    return found


def public_tasks() -> list[str]:
    """Return the tasks of the public sets whose data is at hand."""
    tasks = []
    for name in public.PUBLIC:
        try:
            public.locate(name)
        except InputError as error:
            print(f"[baselines] left out: {error}", flush=True)
        else:
            tasks.append(f"finsight_{name}")
    return tasks


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = stage.arguments("Compute reference figures and write them to reports/ and the README.", suite.FOLDER)
    options = parser.parse_args(argv)
    run = stage.run_folder(options.runs, options.recipe)
    for needed in (*(f"score/{model}" for model in MODELS), "simulate"):
        if not (run / needed / manifest.NAME).is_file():
            raise InputError(f"{run / needed}: not there; `tox run -e loop` makes it")
    tasks = {"own": tuple(OWN.values()), "public": public_tasks()}
    tfidf = TfIdf.trained(run / "simulate")
    rows = [
        found
        for kind, names in tasks.items()
        for system, name in ((Majority(), "majority"), (tfidf, "tfidf"))
        for found in simple_rows(system, name, names, kind)
    ]
    rows += [found for model in MODELS for found in model_rows(run, model, tasks)]
    versions = {"run": options.recipe, "benchmarks": {task: gold_of(task).about() for task in OWN.values()}}
    jsonl.write(REPORT / "baselines.json", {**versions, "rows": rows})
    jsonl.write_text(REPORT / "baselines.md", page(rows))
    jsonl.write_text(README, renewed(README.read_text(encoding="utf-8"), BASELINES, readme_table(rows)))
    print(f"[baselines] {len(rows)} figures of systems on sets -> {REPORT}/baselines.json, baselines.md, {README}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
