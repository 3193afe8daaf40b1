"""Evaluate the base model or the adapter of a recipe: lm-eval's own evaluation, indexing only the project's tasks.

    python -m finsight_eval.evaluate --recipe nano --model adapter

It writes what lm-eval writes (results_*.json, samples_*.jsonl) to runs/NAME/eval/MODEL/ and the replies to the suite's
showcase texts:

    {"id": "showcase-1", "text": "OpenAI announced GPT-5 ...", "reply": "<thinking>..."}

The plain `lm_eval run --tasks finsight --apply_chat_template` gives the same figures; it spends some 14 s more on
indexing the tasks of others.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import benchmark, jsonl, manifest, prompt, stage, suite
from finsight_eval.errors import InputError, command
from finsight_eval.gold import TASKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


def model_args(settings: Suite, inputs: Mapping[str, Path]) -> dict[str, Any]:
    """Return lm-eval's model arguments for the base, or for the base with the adapter among `inputs`."""
    peft = {"peft": str(inputs["adapter"])} if "adapter" in inputs else {}
    return {"pretrained": str(inputs.get("base", settings.base)), **peft, **settings.model_args}


def backend(name: str) -> Any:
    """Return lm-eval's model class `name`, or the class that "package.module:Class" names."""
    from lm_eval.api.registry import get_model

    module, _, attribute = name.partition(":")
    if not attribute:
        return get_model(name)
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"model {name!r} of the suite cannot be had ({error}); `hf` always can") from None


def _code_of(name: str) -> str | None:
    """Return a hash over the code of a model class of one's own: other code may decode otherwise."""
    module, _, attribute = name.partition(":")
    try:
        return manifest.code_digest(module) if attribute else None
    except ModuleNotFoundError as error:
        raise InputError(f"model {name!r} of the suite cannot be had ({error}); `hf` always can") from None


def evaluate(settings: Suite, inputs: Mapping[str, Path], out: Path) -> dict[str, Any]:
    """Run lm-eval on the suite's tasks, write its files and the showcase below `out`, and return task -> metrics.

    `inputs` may name the folders "base", "adapter" and "teacher" (its answers to the benchmark).
    """
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    arguments, size = model_args(settings, inputs), {"batch_size": settings.batch_size}
    model = backend(settings.model).create_from_arg_obj(arguments, size)
    metadata = {"teacher": str(inputs["teacher"])} if "teacher" in inputs else {}
    tracker = EvaluationTracker(output_path=str(out))
    results = simple_evaluate(
        model=model,
        tasks=list(settings.tasks),
        batch_size=settings.batch_size,
        apply_chat_template=True,
        gen_kwargs={"max_gen_toks": settings.max_new_tokens},
        task_manager=TaskManager(include_defaults=False, include_path=str(tasks_folder()), metadata=metadata),
        evaluation_tracker=tracker,
        bootstrap_iters=0,  # `finsight_eval.score` gives the intervals
        metadata=metadata,
    )
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for task, rows in samples.items():
        tracker.save_results_samples(task_name=task, samples=rows)
    _check_written(out, samples)
    jsonl.write_lines(out / "showcase.jsonl", _showcase(model, settings))
    return dict(results["results"])


def _check_written(out: Path, samples: dict[str, list[Any]]) -> None:
    """Raise where lm-eval failed to write its files: it only logs that, and exits 0."""
    for task, rows in samples.items():
        lines = sum(path.read_bytes().count(b"\n") for path in out.rglob(f"samples_{task}_2*.jsonl"))
        if lines != len(rows):
            raise InputError(f"{out}: {lines} of {len(rows)} samples of {task} were written; is the disk full?")


def _showcase(model: Any, settings: Suite) -> list[jsonl.Row]:
    """Return the model's replies to the showcase texts, under the very prompt that the tasks use."""
    from lm_eval.api.instance import Instance

    generation = {"until": [], "max_gen_toks": settings.max_new_tokens, "do_sample": False}
    requests = []
    for number, text in enumerate(settings.showcase):
        context = model.apply_chat_template(prompt.messages(prompt.student_prompt(text)))
        requests.append(Instance("generate_until", {}, (context, generation), number))
    replies = model.generate_until(requests)
    return [
        {"id": f"showcase-{number}", "text": text, "reply": reply}
        for number, (text, reply) in enumerate(zip(settings.showcase, replies, strict=True), start=1)
    ]


def plan(settings: Suite, model: str, run: Path) -> stage.Plan:
    """Return the stage: everything that decides what the model will answer, and what it is compared with."""
    base = run / "train" / "base" if settings.base == suite.TRAINED else Path(settings.base)
    inputs = {"base": base} if manifest.home_of(base) or settings.base == suite.TRAINED else {}
    if model == "adapter":
        inputs["adapter"] = run / "train" / "adapter"
    if (run / "teacher").is_dir():
        inputs["teacher"] = run / "teacher"
    named = {TASKS[task][0] for task in settings.tasks if task in TASKS}
    sources = {f"benchmark_{name}": benchmark.test_file(name) for name in sorted(named)}
    sources |= {f"task_{path.stem}": path for path in sorted(tasks_folder().glob("**/*.yaml"))}
    return stage.Plan(
        name=f"eval {model}",
        folder=run / "eval" / model,
        module="finsight_eval.evaluate",
        inputs=inputs,
        sources=sources,
        settings={
            **asdict(settings),
            "model_evaluated": model,
            "prompt": prompt.fingerprint(),
            "model_code": _code_of(settings.model),
        },
    )


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate one model of a suite; returns the exit code."""
    parser = stage.arguments("Evaluate the base model or the adapter of a recipe through lm-eval.", suite.FOLDER)
    parser.add_argument("--model", choices=suite.MODELS, required=True, help="base: untrained; adapter: trained")
    options = parser.parse_args(argv)
    settings = suite.load(stage.recipe_path(options.recipe, suite.FOLDER))
    run = stage.run_folder(options.runs, options.recipe)
    planned = plan(settings, options.model, run)

    def build(out: Path) -> tuple[str, dict[str, Any]]:
        results = evaluate(settings, planned.inputs, out)
        rates = [f"{task} {found['json_parse_rate,none']:.2f}" for task, found in results.items()]
        return f"strict parse rate: {', '.join(rates)}", {"tasks": sorted(results)}

    stage.run(planned, build)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
