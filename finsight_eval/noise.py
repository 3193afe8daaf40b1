"""The noise record: how far figures move, and which items flip, when nothing has changed.

    python -m finsight_eval.evaluate --recipe nano --model adapter --repeat 3
    python -m finsight_eval.noise    --recipe nano --model adapter        -> runs/nano/noise/adapter/noise.json
    python -m finsight_eval.noise seed7/eval/adapter seed8/eval/adapter --out seeds.json      one training, other seeds

A run is a folder with lm-eval's samples or one sample file. Of k runs it keeps, per task:

    {"n": 320, "runs": 3, "metrics": {"sentiment_f1": {"values": [0.351, 0.349, 0.351], "mean": 0.3503, "sd": 0.0012}},
     "unstable": [{"id": "news-en-004", "outcomes": {"Negative, High, right entity": 2, "unparsed: truncated": 1}}],
     "unstable_share": 0.0031}

`sd` is the standard deviation of the k values (n - 1); where a value is missing, mean and sd are, too.
"""

from __future__ import annotations

import statistics
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, jsonl, manifest, stage, suite
from finsight_eval.errors import InputError, command, printable
from finsight_eval.gating import comparable
from finsight_eval.metrics import METRICS, names_entity
from finsight_eval.parse import Answer, Failed, Unparsed
from finsight_eval.rescore import value_of
from finsight_eval.samples import read_samples
from finsight_eval.score import sample_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finsight_eval.samples import Samples
    from finsight_eval.verdicts import Verdict

#: What the screen shows of a task.
HEADLINE: Final = ("json_parse_rate", "sentiment_f1", "risk_accuracy")
#: In these the runs of one evaluation may differ: finsight_eval.repeat sets them.
_VARIED: Final = ("batch_size", "seed")


def outcome(verdict: Verdict) -> str:
    """Return what a reply came to: all that the strict metrics look at, apart from the wording of the reasoning."""
    said = verdict.strict
    if isinstance(said, Answer):
        named = names_entity(verdict)
        labels = [said.sentiment, *([said.risk_level] if verdict.item.risk_level else [])]
        return ", ".join([*labels, *([] if named is None else ["right entity" if named else "wrong entity"])])
    return f"unparsed: {said.reason.value}" if isinstance(said, Unparsed) else f"failed: {said.error}"


def unstable(runs: Sequence[Sequence[Verdict]]) -> list[dict[str, Any]]:
    """Return every item whose outcome is not the same in all `runs`, with the outcomes seen and how often."""
    found = []
    for verdicts in zip(*runs, strict=True):
        seen = Counter(outcome(verdict) for verdict in verdicts)
        if len(seen) > 1:
            found.append({"id": verdicts[0].item.id, "outcomes": dict(sorted(seen.items(), key=lambda pair: -pair[1]))})
    return found


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return the values of k runs with their mean and standard deviation, both None where a value is missing."""
    known = [value for value in values if value is not None]
    whole = len(known) == len(values)
    mean, sd = (statistics.fmean(known), statistics.stdev(known)) if whole else (None, None)
    return {"values": list(values), "mean": mean, "sd": sd}


def task_noise(runs: Sequence[Sequence[Verdict]]) -> dict[str, Any]:
    """Return the record of one task over the verdicts of k runs, the same items in the same order.

    Raises:
        InputError: fewer than two runs, other items in one of them, or a failed request.
    """
    if len(runs) < 2:
        raise InputError(f"{len(runs)} run: noise needs two at least; evaluate with --repeat 3")
    for number, verdicts in enumerate(runs, start=1):
        if [verdict.item for verdict in verdicts] != [verdict.item for verdict in runs[0]]:
            raise InputError(f"run {number} did not answer the items of run 1; give runs on one benchmark")
        if lost := sum(isinstance(verdict.strict, Failed) for verdict in verdicts):
            raise InputError(f"run {number}: {lost} items have no reply; run that evaluation again, it asks them alone")
    flips = unstable(runs)
    values = {name: [value_of(name, verdicts) for verdicts in runs] for name in METRICS}
    return {
        "n": len(runs[0]),
        "runs": len(runs),
        "metrics": {name: spread(found) for name, found in values.items()},
        "unstable": flips,
        "unstable_share": len(flips) / len(runs[0]),
    }


def read_run(path: Path) -> dict[str, Samples]:
    """Return task -> samples of one run, a folder or a file."""
    return {
        found.task: found
        for file in (sample_files(path) if path.is_dir() else [path])
        for found in [read_samples(file)]
    }


def noise(runs: Mapping[str, Mapping[str, Samples]]) -> dict[str, Any]:
    """Return task -> record over `runs` (name -> its samples); raises InputError where they are not alike."""
    (first, reference), *others = runs.items()
    for name, found in others:
        if set(found) != set(reference):
            raise InputError(f"{name}: holds {_listed(found)}, {first} holds {_listed(reference)}; give like runs")
        for task, samples in found.items():
            for what, one, other in comparable.made_otherwise(_card(reference[task]), _card(samples)):
                shown = f"{what} is {other}, in {first} {one}"
                raise InputError(f"{name}: {task}: {shown}; noise is between runs made the same way")
    return {
        task: {
            "prompt": samples.prompt,
            "generation": samples.generation,
            **task_noise([found[task].verdicts for found in runs.values()]),
        }
        for task, samples in reference.items()
    }


def _card(samples: Samples) -> dict[str, Any]:
    return {"prompt": samples.prompt, "generation": samples.generation, **samples.conditions}


def _listed(tasks: Mapping[str, Any]) -> str:
    return ", ".join(printable(task, 60) for task in sorted(tasks))


def repeated(run: Path, model: str, temperature: float) -> dict[str, Path]:
    """Return the folders that `evaluate --repeat` made; raises InputError where one was made from other inputs."""
    more, prefix = run / "eval" / f"{model}-repeat", f"t{temperature:g}-" if temperature else ""
    folders = [] if temperature else [run / "eval" / model]
    while (folder := more / f"{prefix}{len(folders) + 1}") and (folder / manifest.NAME).is_file():
        folders.append(folder)
    if len(folders) < 2:
        asked = f" --temperature {temperature:g}" if temperature else ""
        raise InputError(f"{more}: no repetitions there; run `finsight-eval --model {model} --repeat 3{asked}` first")
    about = [_conditions(folder) for folder in folders]
    for folder, found in zip(folders, about, strict=True):
        if differing := [key for key, value in about[0].items() if found[key] != value]:
            raise InputError(
                f"{folder}: {differing[0]} is not that of {folders[0]}; run `finsight-eval --repeat` again"
            )
    return {f"run_{number}": folder for number, folder in enumerate(folders, start=1)}


def _conditions(folder: Path) -> dict[str, Any]:
    made = jsonl.read(folder / manifest.NAME)
    settings = {key: value for key, value in made["settings"].items() if key not in _VARIED}
    return {"inputs": stage.input_hashes(made), "code": made["code"], "settings": settings}


def _plan(run: Path, model: str, temperature: float) -> stage.Plan:
    return stage.Plan(
        name=f"noise {model}",
        folder=run / "noise" / (f"{model}-t{temperature:g}" if temperature else model),
        module="finsight_eval.noise",
        inputs=repeated(run, model, temperature),
        settings={"model": model, "temperature": temperature},
    )


def _build(plan: stage.Plan, out: Path) -> tuple[str, dict[str, Any]]:
    made = {name: jsonl.read(path / manifest.NAME)["settings"] for name, path in plan.inputs.items()}
    varied = {key: [settings[key] for settings in made.values()] for key in _VARIED}
    tasks = noise({name: read_run(path) for name, path in plan.inputs.items()})
    jsonl.write(out / "noise.json", {**plan.settings, **varied, "contract": CONTRACT, "tasks": tasks})
    return summary(tasks), {task: found["unstable_share"] for task, found in tasks.items()}


def summary(tasks: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the record in a phrase per task."""
    phrases = []
    for task, found in tasks.items():
        shown = [f"{name} {_shown(found['metrics'][name])}" for name in HEADLINE]
        flips = f"{len(found['unstable'])} of {found['n']} items unstable"
        phrases.append(f"{printable(task, 60)} ({found['runs']} runs): {', '.join(shown)}; {flips}")
    return " | ".join(phrases)


def _shown(metric: Mapping[str, Any]) -> str:
    return "n/a" if metric["sd"] is None else f"{metric['mean']:.4f} (sd {metric['sd']:.4f})"


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the noise record of a recipe's model, or of runs given one by one; returns the exit code."""
    parser = stage.arguments("Write what varies between repetitions of one evaluation.", suite.FOLDER)
    parser.add_argument("samples", nargs="*", type=Path, help="folders or files of samples, one per run, of one model")
    parser.add_argument("--model", choices=suite.MODELS, default="adapter", help="default: adapter")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="take the runs sampled at T")
    parser.add_argument("--out", type=Path, help="JSON file for the record of the given runs")
    options = parser.parse_args(argv)
    if not options.samples:
        planned = _plan(stage.run_folder(options.runs, options.recipe), options.model, options.temperature)
        stage.run(planned, partial(_build, planned))
        return 0
    if len({path.resolve() for path in options.samples}) != len(options.samples):
        raise InputError("a run stands twice among the given ones; noise is between different runs")
    tasks = noise({str(path): read_run(path) for path in options.samples})
    print(summary(tasks).replace(" | ", "\n"))
    if options.out:
        given = [path.as_posix() for path in options.samples]
        jsonl.write(options.out, {"model": "samples", "runs": given, "contract": CONTRACT, "tasks": tasks})
        print(f"-> {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
