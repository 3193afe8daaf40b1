"""What is compared: the answers of any number of models to the same benchmark items, wherever they were made.

    runs/nano  (or nano)             the adapter of a run; nano:base, nano:teacher are its other models
    out/MODEL  (or one .jsonl)       lm-eval's samples of a model trained elsewhere
    scored/                          a folder that `finsight-score --out` wrote
    benchmarks/baselines/nano.json   an accepted baseline, its replies read by today's parser
    "seed 2=runs/nano-2"             any of these under a name of its own

What may be compared with what is decided in finsight_eval.comparing.rules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, jsonl, manifest, prompt
from finsight_eval.comparing.cost import UNKNOWN, Cost, cost_of
from finsight_eval.errors import InputError, nearest, printable
from finsight_eval.gating import comparable
from finsight_eval.gating.recorded import card_of, counts, from_record
from finsight_eval.gold import is_public
from finsight_eval.samples import read_samples, task_of
from finsight_eval.score import MODELS, one_per_task, sample_files
from finsight_eval.scorecard import scored
from finsight_eval.verdicts import Verdict, read_verdicts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_KINDS: Final = (
    "a run (runs/NAME, NAME:base), a folder of `finsight-score --out`, a folder or file of lm-eval samples, "
    "or an accepted baseline (benchmarks/baselines/NAME.json)"
)


@dataclass(frozen=True)
class Contender:
    """One of the compared models.

    Attributes:
        source: where its answers lie, in words.
        score: {"contract", "prompt", "tasks": task -> benchmark, prompt, generation, n, n_total, failed, errors}.
        verdicts: task -> verdicts that have a reply, in the order of their ids.
        recorded: whether it is an accepted baseline or another record, which keeps replies and no teacher's labels.
    """

    name: str
    source: str
    score: dict[str, Any]
    verdicts: dict[str, list[Verdict]]
    cost: Cost = UNKNOWN
    recorded: bool = False

    def card(self, task: str) -> dict[str, Any]:
        card: dict[str, Any] = self.score["tasks"][task]
        return card


def contender(given: str, runs: Path, wanted: Collection[str] = ()) -> Contender:
    """Return the model that `given` names: SOURCE or NAME=SOURCE; `wanted` are the tasks asked for, empty: all.

    Raises:
        InputError: nothing there, or nothing that holds answers.
    """
    name, source = ("", given) if _there(given, runs) else _named(given)
    path, model = _located(source, runs)
    if path.is_file() and path.suffix == ".json":
        found = _recorded(path, wanted)
    elif path.is_file():
        found = _sampled(path, [path], path.parent.name or path.stem, wanted)
    elif (path / "score").is_dir():
        found = _of_run(path, model or "adapter", wanted)
    elif (path / "metrics.json").is_file():
        in_run = path.parent.name == "score" and path.name in MODELS
        found = _of_run(path.parents[1], path.name, wanted) if in_run else _scored_folder(path, path.name)
    else:
        found = _sampled(path, sample_files(path), path.name, wanted)
    return replace(found, name=name or found.name)


def _there(source: str, runs: Path) -> bool:
    return any(path.exists() for path in (Path(source), runs / source))


def _named(given: str) -> tuple[str, str]:
    name, equals, source = given.partition("=")
    if equals and not name.strip():
        raise InputError(f"{printable(given)}: no name before '='; write NAME=SOURCE")
    return (" ".join(name.split()), source) if equals else ("", given)


def _located(source: str, runs: Path) -> tuple[Path, str | None]:
    for path in (Path(source), runs / source):
        if source and path.exists():
            return path, None
    head, colon, model = source.rpartition(":")
    folder = next((path for path in (Path(head), runs / head) if colon and (path / "score").is_dir()), None)
    if folder is None:
        raise InputError(f"{printable(source)}: not there, nor below {runs}/; give {_KINDS}")
    if model not in MODELS:
        known = ", ".join(MODELS)
        raise InputError(f"{printable(source)}: no model {printable(model)!r}{nearest(model, MODELS)}; known: {known}")
    return folder, model


def _of_run(run: Path, model: str, wanted: Collection[str]) -> Contender:
    """Return a model of a run, with what lm-eval's samples below its more/ add.

    Public sets are read from there only when asked for: their gold rows have to be at hand.
    """
    folder = run / "score" / model
    manifest.verified(folder)
    name = run.name if model == "adapter" else f"{run.name}:{model}"
    found = replace(_scored_folder(folder, name), cost=cost_of(run, model))
    held = found.verdicts
    paths = [path for path in sorted((run / "more" / model).rglob("samples_*.jsonl")) if task_of(path) not in held]
    more = [path for path in paths if (task_of(path) in wanted if wanted else not is_public(task_of(path)))]
    if not more:
        return found
    added = _sampled(run, one_per_task(more), name, wanted)
    tasks = {**found.score["tasks"], **added.score["tasks"]}
    return replace(found, score={**found.score, "tasks": tasks}, verdicts={**held, **added.verdicts})


def _scored_folder(folder: Path, name: str) -> Contender:
    score, verdicts = jsonl.read(folder / "metrics.json"), read_verdicts(folder / "verdicts.jsonl")
    keys = (*comparable.CONDITIONS, "n_total", "limit")
    try:
        cards = {task: {key: card.get(key) for key in keys} for task, card in score["tasks"].items()}
    except (KeyError, AttributeError):
        raise InputError(f"{folder / 'metrics.json'}: no scorecard; run `finsight-score` again") from None
    tasks = {task: card | counts(verdicts.get(task, [])) for task, card in cards.items()}
    return _made(name, folder.as_posix(), {**score, "tasks": tasks}, verdicts)


def _sampled(source: Path, paths: Sequence[Path], name: str, wanted: Collection[str]) -> Contender:
    read = [(path, read_samples(path)) for path in paths if not wanted or task_of(path) in wanted]
    tasks = {samples.task: card_of(samples, path) for path, samples in read}
    score = {"contract": CONTRACT, "prompt": prompt.fingerprint(), "tasks": tasks}
    return _made(name, source.as_posix(), score, {samples.task: samples.verdicts for _, samples in read})


def _recorded(path: Path, wanted: Collection[str]) -> Contender:
    """Return an accepted baseline, or a record of replies, read by today's parser."""
    found = from_record(path, wanted)
    score = {**found.score, "tasks": {task: found.score["tasks"][task] for task in found.verdicts}}
    return replace(_made(f"{path.stem} (accepted)", path.as_posix(), score, found.verdicts), recorded=True)


def _made(name: str, source: str, score: dict[str, Any], verdicts: dict[str, list[Verdict]]) -> Contender:
    ordered = {task: sorted(scored(found), key=lambda v: v.item.id) for task, found in verdicts.items()}
    return Contender(name, source, score, ordered)
