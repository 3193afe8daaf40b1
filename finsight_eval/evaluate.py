"""Evaluate the base model or the adapter of a recipe: lm-eval's own evaluation, indexing only the project's tasks.

    python -m finsight_eval.evaluate --recipe nano --model adapter
    python -m finsight_eval.evaluate --recipe nano --model adapter --repeat 3      # finsight_eval.repeat: the noise

It writes what lm-eval writes (results_*.json, samples_*.jsonl) to runs/NAME/eval/MODEL/ and the replies to the suite's
showcase texts:

    {"id": "showcase-1", "text": "OpenAI announced GPT-5 ...", "reply": "<thinking>..."}

Replies are journalled as they come (finsight_eval.journal): a killed evaluation goes on where it stopped, by the same
command. So does one in which requests failed, which is an endpoint's trouble: exit code 1, and the next run asks those.

The plain `lm_eval run --tasks finsight --apply_chat_template` gives the same figures; it spends some 14 s more on
indexing the tasks of others.
"""

from __future__ import annotations

import gc
import importlib.util
import sys
from collections import Counter
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import backend, benchmark, journal, jsonl, manifest, prompt, repeat, stage, suite, weights
from finsight_eval.errors import InputError, command, printable
from finsight_eval.gold import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.repeat import Repetition
    from finsight_eval.suite import Suite


def tasks_folder() -> Path:
    """Return the folder of the task YAML: the checkout's, or the one that the wheel laid into lm-eval."""
    checkout = Path(__file__).resolve().parents[1] / "tasks"
    if (checkout / "finsight" / "finsight.yaml").is_file():
        return checkout
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or spec.origin is None:
        raise InputError("lm_eval is not installed; `pip install finsight-harness` brings it")
    return Path(spec.origin).parent / "tasks" / "finsight"


def evaluate(
    settings: Suite, model: Any, teacher: Path | None, out: Path, repetition: Repetition
) -> tuple[dict[str, Any], int]:
    """Run lm-eval on the suite's tasks, write its files and the showcase below `out`.

    Returns task -> metrics, and how many requests have no reply. `teacher` is the folder of its answers to the
    benchmark.
    """
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    metadata = {"teacher": str(teacher)} if teacher else {}
    generation = {"max_gen_toks": settings.max_new_tokens, **repetition.generation()}
    tracker = EvaluationTracker(output_path=str(out))
    results = simple_evaluate(
        model=model,
        tasks=list(settings.tasks),
        batch_size=settings.batch_size,
        apply_chat_template=True,
        gen_kwargs=generation,
        task_manager=TaskManager(include_defaults=False, include_path=str(tasks_folder()), metadata=metadata),
        evaluation_tracker=tracker,
        bootstrap_iters=0,  # `finsight_eval.score` gives the intervals
        metadata=metadata,
        **({"torch_random_seed": repetition.seed} if repetition.seed is not None else {}),
    )
    samples = results.pop("samples")
    lost = _without_reply(samples)
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    _check_written(out, samples)
    showcase = _showcase(model, settings, generation)
    jsonl.write_lines(out / "showcase.jsonl", showcase)
    return dict(results["results"]), lost + sum(row["reply"] is None for row in showcase)


def _without_reply(samples: Mapping[str, Sequence[dict[str, Any]]]) -> int:
    """Return how many samples have no reply, and empty their `resps`: lm-eval would write the word "None" there."""
    failed = [row for rows in samples.values() for row in rows if row["resps"] == [[None]]]
    for row in failed:
        row["resps"] = row["filtered_resps"] = []
    return len(failed)


def _check_written(out: Path, samples: dict[str, list[Any]]) -> None:
    """Raise where lm-eval failed to write its files: it only logs that, and exits 0."""
    for task, rows in samples.items():
        lines = sum(path.read_bytes().count(b"\n") for path in out.rglob(f"samples_{task}_2*.jsonl"))
        if lines != len(rows):
            raise InputError(f"{out}: {lines} of {len(rows)} samples of {task} were written; is the disk full?")


def _showcase(model: Any, settings: Suite, generation: Mapping[str, Any]) -> list[jsonl.Row]:
    """Return the model's replies to the showcase texts, under the very prompt that the tasks use."""
    from lm_eval.api.instance import Instance

    requests = []
    for number, text in enumerate(settings.showcase):
        context = model.apply_chat_template(prompt.messages(prompt.student_prompt(text)))
        requests.append(
            Instance("generate_until", {}, (context, {"until": [], "do_sample": False, **generation}), number)
        )
    replies = model.generate_until(requests) if requests else []
    return [
        {"id": f"showcase-{number}", "text": text, "reply": reply}
        for number, (text, reply) in enumerate(zip(settings.showcase, replies, strict=True), start=1)
    ]


def refuse_loss(settings: Suite, folder: Path) -> None:
    """Raise InputError where `folder` holds a finished evaluation of tasks that the suite would drop with it."""
    known = (stage.made_in(folder).get("settings") or {}).get("tasks") or []
    if lost := [task for task in known if task not in settings.tasks]:
        raise InputError(
            f"{folder}: holds a finished evaluation of {_listed(known)}; the suite {settings.name!r} asks for "
            f"{_listed(settings.tasks)} and would replace it, and {_listed(lost)} would be lost: give the suite a "
            "name of its own (the file's and `name` alike), add what it lacks, or move that folder away"
        )


def _listed(tasks: Sequence[Any]) -> str:
    return printable(", ".join(map(str, tasks)), 300)


def plan(settings: Suite, model: str, run: Path, repetition: Repetition | None = None) -> stage.Plan:
    """Return the stage: everything that decides what the model will answer, and what it is compared with.

    `settings.model` names the backend itself, no longer "auto".
    """
    repetition = repetition or repeat.Repetition(1, settings.batch_size)
    folder = repetition.folder(run, model)
    named = {TASKS[task][0] for task in settings.tasks if task in TASKS}
    sources = {f"benchmark_{name}": benchmark.test_file(name) for name in sorted(named)}
    sources |= {f"task_{path.stem}": path for path in sorted(tasks_folder().glob("**/*.yaml"))}
    inputs = weights.inputs(settings, model, run)
    return stage.Plan(
        name=f"eval {folder.relative_to(run / 'eval').as_posix()}",
        folder=folder,
        module="finsight_eval.evaluate",
        inputs=inputs,
        sources=sources,
        settings={
            **asdict(settings),
            "batch_size": repetition.batch_size,
            "temperature": repetition.temperature,
            "seed": repetition.seed,
            "model_evaluated": model,
            "prompt": prompt.fingerprint(),
            "model_code": backend.code_of(settings.model),
            "folders": weights.folders(settings, model, inputs),
        },
    )


def _build(
    settings: Suite, why: str, repetition: Repetition, planned: stage.Plan, out: Path
) -> tuple[str, dict[str, Any]]:
    """Evaluate with the journal beside the stage's folder; returns the stage's product and facts."""
    say = partial(_say, planned.name)
    say(f"model class {settings.model}: {why}")
    adapter = planned.settings["model_evaluated"] == "adapter"
    given = backend.arguments(settings, planned.inputs, adapter=adapter, seed=repetition.seed)
    size = {"batch_size": settings.batch_size}
    with journal.Journal(journal.path_of(planned), settings.batch_size) as kept:
        model = backend.model_class(settings.model).create_from_arg_obj(size | given)
        journal.Journalled(model, kept, say)
        results, lost = evaluate(settings, model, planned.inputs.get("teacher"), out, repetition)
    rates = ", ".join(f"{task} {found['json_parse_rate,none']:.2f}" for task, found in results.items())
    facts = {"tasks": sorted(results), "backend": settings.model, "why": why, "failed": lost}
    facts |= {"from_journal": kept.taken, "asked": kept.added + lost}
    for name in ("failures", "served"):  # an endpoint's
        facts |= {name: dict(sorted(found.items()))} if (found := getattr(model, name, None)) else {}
    return f"strict parse rate: {rates}" + (f"; {lost:,} requests failed" if lost else ""), facts


def _say(name: str, text: str) -> None:
    print(f"[{name}] {text}", flush=True)


def run_one(settings: Suite, why: str, planned: stage.Plan, repetition: Repetition) -> dict[str, int]:
    """Run one evaluation unless it is finished, and return error -> number of requests without a reply."""
    weights.refuse_untrained(settings, planned.inputs)
    found = planned.folder / manifest.NAME
    if found.is_file() and jsonl.read(found).get("facts", {}).get("failed"):
        found.unlink()  # a stage with failures is never skipped
    made = stage.run(planned, partial(_build, settings, why, repetition, planned))
    gc.collect()  # the next run's model may need the memory of this one's
    if not made["facts"]["failed"]:
        journal.remove(journal.path_of(planned))
        return {}
    return made["facts"].get("failures") or {"no reply": made["facts"]["failed"]}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate one model of a suite; returns 0, or 1 where requests failed for good."""
    parser = stage.arguments("Evaluate the base model or the adapter of a recipe through lm-eval.", suite.FOLDER)
    parser.add_argument("--model", choices=suite.MODELS, required=True, help="base: untrained; adapter: trained")
    parser.add_argument("--repeat", type=int, default=1, metavar="K", help="evaluate K times in all, for the noise")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="sample the K runs at T > 0")
    options = parser.parse_args(argv)
    settings = suite.load(stage.recipe_path(options.recipe, suite.FOLDER))
    choice = backend.choose(settings.model)
    settings = replace(settings, model=choice.model)
    run = stage.run_folder(options.runs, options.recipe)
    failures: Counter[str] = Counter()
    repetitions = repeat.repetitions(settings, options.repeat, options.temperature)
    for repetition in repetitions:
        refuse_loss(settings, repetition.folder(run, options.model))
    for repetition in repetitions:
        planned = plan(settings, options.model, run, repetition)
        sized = replace(settings, batch_size=repetition.batch_size)
        failures.update(run_one(sized, choice.why, planned, repetition))
    for error, count in failures.items():
        print(f"failed: {error} x {count}", file=sys.stderr)
    if failures:
        print("these requests have no reply; the same command asks them again, and them alone", file=sys.stderr)
    elif options.repeat > 1:
        print(f"noise record: python -m finsight_eval.noise --recipe {options.recipe} --model {options.model}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
