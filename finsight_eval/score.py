"""Score what models said: verdicts and figures from lm-eval's sample files, without running any model.

    python -m finsight_eval.score --recipe nano                    base, adapter and teacher of a run
    finsight-score samples_finsight_2026-11-22T18-15-40.jsonl      anyone's samples, files or folders of them

It writes verdicts.jsonl (one line per item: finsight_eval.verdicts) and metrics.json:

    {"model": "adapter", "contract": 1, "tasks": {"finsight": {"benchmark": {"set": "news", "sha256": "9f1c..."},
     "prompt": "e1a0...", "generation": {"max_gen_toks": 96, ...}, "task_version": 1.1, "limit": null,
     "n_samples": {"original": 320, "effective": 320}, "chat_template": true, "model": "runs/nano/train/base", "n": 320,
     "metrics": {"sentiment_f1": {"value": ...}}, ...}}}

A task's card says how its samples were made; what lm-eval's results file beside them does not say is null
(finsight_eval.lm_results). Sample files given one by one are also compared with what was recorded when they were made
(finsight_eval.score_files).

The exit code is 0, 1 where an item of base, adapter or a sample file has no reply, 2 where something cannot be read.
Items that the teacher never answered are counted in its column only: a provider may refuse some for good.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, benchmark, jsonl, manifest, prompt, stage, suite
from finsight_eval.errors import InputError, command
from finsight_eval.gold import TASKS, Gold, gold_of
from finsight_eval.samples import Samples, check_gold, read_samples, task_of
from finsight_eval.scorecard import scorecard
from finsight_eval.verdicts import failed_verdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Verdict

MODELS: Final = (*suite.MODELS, "teacher")
#: As for an evaluation in which requests failed: there are figures, and they are not those of all items.
EXIT_FAILED_ITEMS: Final = 1


def task_card(samples: Samples, gold: Gold | None, where: str) -> dict[str, Any]:
    """Return the scorecard of one task after checking every sample against the benchmark, where it is known."""
    if gold:
        check_gold(samples.verdicts, gold.items, where)
    about = {
        "benchmark": gold.about() if gold else None,
        "prompt": samples.prompt,
        "generation": samples.generation,
        **samples.conditions,
    }
    return about | scorecard(samples.verdicts, len(gold.items) if gold else None)


def write_score(out: Path, model: str, name: str, runs: Sequence[tuple[Samples, dict[str, Any]]]) -> None:
    """Write verdicts.jsonl (each line with its task) and metrics.json below `out`."""
    rows = (verdict.row(samples.task) for samples, _ in runs for verdict in samples.verdicts)
    jsonl.write_lines(out / "verdicts.jsonl", rows)
    about = {"model": model, "name": name, "contract": CONTRACT, "prompt": prompt.fingerprint()}
    jsonl.write(out / "metrics.json", {**about, "tasks": {samples.task: card for samples, card in runs}})


def sample_paths(folder: Path) -> list[Path]:
    """Return all of lm-eval's sample files below `folder`; raises InputError where there is none."""
    if paths := sorted(folder.rglob("samples_*.jsonl")):
        return paths
    raise InputError(f"{folder}: no samples_*.jsonl below it; evaluate with --log_samples, or name another folder")


def sample_files(folder: Path) -> list[Path]:
    """Return lm-eval's sample files below `folder`, one per task; raises InputError for none or for two of a task."""
    return one_per_task(sample_paths(folder))


def one_per_task(paths: Sequence[Path]) -> list[Path]:
    """Return `paths`, each of a task of its own; raises InputError naming two files of one task."""
    found: dict[str, Path] = {}
    for path in paths:
        if (other := found.setdefault(task_of(path), path)) != path:
            raise InputError(f"{path} and {other}: both hold samples of {task_of(path)!r}; give the files of one run")
    return list(found.values())


def teacher_samples(task: str, gold: Gold, path: Path) -> Samples:
    """Return the teacher's answers to the items of `task`; an item without a line in `path` stays out of the count."""
    rows: dict[str, jsonl.Row] = {}
    for number, row in jsonl.read_lines(path):
        if rows.setdefault(str(row.get("id")), row) is not row:
            raise InputError(f"{path}:{number}: id {row.get('id')!r} stands twice; run the teacher's stage again")
    verdicts = [_teacher_verdict(item, rows[item.id]) for item in gold.items if item.id in rows]
    return Samples(task, verdicts, prompt.fingerprint(), {})


def _teacher_verdict(item: AnyItem, row: jsonl.Row) -> Verdict:
    reply = row.get("reply")
    if isinstance(reply, str):
        return verdict_of(item, reply)
    return failed_verdict(item, str(row.get("error", "no reply in the teacher's line")))


def _model_plan(run: Path, model: str, tasks: Sequence[str]) -> stage.Plan:
    source = run / "teacher" if model == "teacher" else run / "eval" / model
    return stage.Plan(
        name=f"score {model}",
        folder=run / "score" / model,
        module="finsight_eval.score",
        inputs={"answers": source},
        sources={task: benchmark.test_file(TASKS[task][0]) for task in tasks if task in TASKS},
        settings={"model": model, "tasks": list(tasks), "prompt": prompt.fingerprint()},
    )


def _model_runs(source: Path, model: str, tasks: Sequence[str]) -> list[tuple[Samples, dict[str, Any]]]:
    golds = {task: gold_of(task) for task in tasks}
    if model == "teacher":
        files = {task: source / f"{gold.set}.jsonl" for task, gold in golds.items()}
        read = [teacher_samples(task, golds[task], path) for task, path in files.items() if path.is_file()]
    else:
        read = [samples for path in sample_files(source) if (samples := read_samples(path)).task in golds]
    return [(samples, task_card(samples, golds[samples.task], f"{source} ({samples.task})")) for samples in read]


def _builder(plan: stage.Plan, model: str, tasks: Sequence[str]) -> Callable[[Path], tuple[str, dict[str, Any]]]:
    source = plan.inputs["answers"]

    def build(out: Path) -> tuple[str, dict[str, Any]]:
        runs = _model_runs(source, model, tasks)
        missing = set(tasks) - {samples.task for samples, _ in runs}
        if missing and model != "teacher":
            raise InputError(f"{source}: no samples of {', '.join(sorted(missing))}; evaluate the suite's tasks again")
        settings = jsonl.read(source / manifest.NAME).get("settings", {})
        write_score(out, model, _name(model, settings), runs)
        return _headline(runs), {samples.task: card["n"] for samples, card in runs}

    return build


def _name(model: str, settings: dict[str, Any]) -> str:
    """Return what the model is called where its answers were made: for the base and the teacher, an id or a folder."""
    name = str(settings.get("model" if model == "teacher" else "base", model))
    return f"{name} with adapter" if model == "adapter" else name


def _headline(runs: Sequence[tuple[Samples, dict[str, Any]]]) -> str:
    phrases = []
    for samples, card in runs:
        f1, parsed = (card["metrics"][name]["value"] for name in ("sentiment_f1", "json_parse_rate"))
        shown = f"parse {parsed:.2f}, sentiment F1 {f1:.2f}" if f1 is not None else "no figures"
        phrases.append(f"{samples.task} {shown} (n {card['n']})")
    return "; ".join(phrases)


def failed_items(failed: int, items: int) -> str:
    """Return what is said of items without a reply."""
    return f"{failed:,} of {items:,} items have no reply and count in no figure; evaluate again to ask for them"


def score_recipe(recipe: str, runs: Path) -> int:
    """Score base, adapter and, where its answers are there, the teacher of a recipe's run; returns the exit code."""
    failed = items = 0
    settings = suite.load(stage.recipe_path(recipe, suite.FOLDER))
    run = stage.run_folder(runs, recipe)
    for model in MODELS:
        if model == "teacher" and not (run / "teacher").is_dir():
            print(f"[score teacher] {run / 'teacher'} is not there: the teacher's column stays empty", flush=True)
            continue
        plan = _model_plan(run, model, settings.tasks)
        stage.run(plan, _builder(plan, model, settings.tasks))
        if model != "teacher":
            cards = jsonl.read(plan.folder / "metrics.json")["tasks"].values()
            failed += sum(card["failed"] for card in cards)
            items += sum(card["failed"] + card["n"] for card in cards)
    if failed:
        print(failed_items(failed, items), file=sys.stderr)
    return EXIT_FAILED_ITEMS if failed else 0


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Score a recipe's run or sample files; returns the exit code."""
    parser = stage.arguments("Score base, adapter and teacher of a run, or lm-eval sample files.", suite.FOLDER)
    parser.add_argument(
        "samples", nargs="*", type=Path, help="lm-eval samples_*.jsonl, or folders of them, to score instead of a run"
    )
    parser.add_argument("--benchmark", type=Path, help="JSONL with the gold rows that the samples must agree with")
    parser.add_argument(
        "--out", type=Path, help="folder for verdicts.jsonl, metrics.json, rescored.json of one run's samples"
    )
    options = parser.parse_args(argv)
    if not options.samples and (options.benchmark or options.out):
        raise InputError("--benchmark and --out belong to sample files; name the files, or leave both out")
    if options.samples:
        from finsight_eval.score_files import score_files

        return score_files(options.samples, options.benchmark, options.out)
    return score_recipe(options.recipe, options.runs)


if __name__ == "__main__":
    raise SystemExit(main())
