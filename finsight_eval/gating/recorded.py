"""What a model said, as files hold it: lm-eval's samples, or the compact record of replies that `record` makes of them.

    finsight-gate record --candidate out/my-model --out replies/my-model.json

    {"tasks": {"finsight": {"benchmark": {"set": "news", "sha256": "3f4d..."}, "prompt": "e4fc23209a8e", "generation":
     {"max_gen_toks": 512}, "task_version": 1.1, "chat_template": true, "replies": {"news-en-001": "<thinking>..."},
     "teacher": {"news-en-001": ["Positive", "Low"]}}}}

A record holds ids, replies and the teacher's labels but no text of the benchmark, so that it is small and may be
committed where the samples of a public set may not. Replies are read by today's parser whenever they are used.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import CONTRACT, benchmark, jsonl, prompt
from finsight_eval.errors import InputError, command, printable, program
from finsight_eval.gating import comparable
from finsight_eval.gold import TASKS, gold_of
from finsight_eval.parse import Failed
from finsight_eval.samples import check_gold, read_samples, task_of
from finsight_eval.score import one_per_task, sample_files
from finsight_eval.scorecard import scored
from finsight_eval.verdicts import Labels, Verdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from finsight_eval.samples import Samples


@dataclass(frozen=True)
class Recorded:
    """One model's verdicts by task, and the conditions that they were made under in the shape of metrics.json."""

    score: comparable.Score
    verdicts: dict[str, list[Verdict]]


def recorded(paths: Sequence[Path], tasks: Sequence[str]) -> Recorded:
    """Return what a model said on `tasks`.

    `paths` are sample files of lm-eval, folders of them, or a single .json that `record` or `accept` wrote.

    Raises:
        InputError: nothing there, two runs' files of one task, or a sample that is none or of another benchmark.
    """
    if len(paths) == 1 and paths[0].suffix == ".json":
        return from_record(paths[0], tasks)
    cards: dict[str, Any] = {}
    verdicts: dict[str, list[Verdict]] = {}
    for file in one_per_task([found for path in paths for found in _files(path)]):
        if (task := task_of(file)) in tasks:
            samples = read_samples(file)
            cards[task], verdicts[task] = card_of(samples, file), scored(samples.verdicts)
        else:
            cards[task] = {}  # not asked for, and named where a task is missing
    return Recorded(_score(cards), verdicts)


def replies_of(found: Recorded, tasks: Sequence[str]) -> dict[str, Any]:
    """Return task -> conditions and replies, the body of a record and of a baseline, of a run that is whole."""
    comparable.refuse_unequal({"candidate": found.score}, tasks)
    cards = found.score["tasks"]
    return {
        task: {
            **{key: cards[task][key] for key in comparable.CONDITIONS if cards[task].get(key) is not None},
            "replies": {verdict.item.id: verdict.reply for verdict in found.verdicts[task]},
            "teacher": {v.item.id: list(v.teacher) for v in found.verdicts[task] if v.teacher},
        }
        for task in tasks
    }


def card_of(samples: Samples, file: Path) -> dict[str, Any]:
    """Return the card of one task as metrics.json has it, less the figures: its user computes those that it needs.

    Of a task that is none of ours no benchmark is known.
    """
    gold = gold_of(samples.task) if samples.task in TASKS else None
    if gold:
        check_gold(samples.verdicts, gold.items, str(file))
    about = {"benchmark": gold.about() if gold else None, "n_total": len(gold.items) if gold else None}
    made = {"prompt": samples.prompt, "generation": samples.generation, **samples.conditions}
    return about | made | counts(samples.verdicts)


def counts(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return how many verdicts have a reply, how many requests failed, and of what."""
    errors = Counter(v.strict.error for v in verdicts if isinstance(v.strict, Failed))
    failed = errors.total()
    return {"n": len(verdicts) - failed, "failed": failed, "errors": dict(sorted(errors.items()))}


def _files(path: Path) -> list[Path]:
    if path.suffix == ".json":
        raise InputError(
            f"{path}: a record of replies holds all tasks of one model and is not mixed with other files; give it "
            "alone, or make one record of everything: `finsight-gate record --candidate SAMPLES ... --out FILE`"
        )
    if not path.exists():
        raise InputError(f"{path}: not there; give lm-eval's --output_path or a samples_*.jsonl (--log_samples)")
    return sample_files(path) if path.is_dir() else [path]


def _score(cards: Mapping[str, Any]) -> comparable.Score:
    return {"contract": CONTRACT, "prompt": prompt.fingerprint(), "tasks": dict(cards)}


def from_record(path: Path, tasks: Collection[str]) -> Recorded:
    """Return what a record of replies or a baseline holds on `tasks`, empty: on all; raises InputError for neither.

    Its cards name the tasks that were not asked for, and say nothing of them.
    """
    entries = jsonl.read(path).get("tasks")
    if not isinstance(entries, dict) or not entries or not all(isinstance(one, dict) for one in entries.values()):
        raise InputError(
            f"{path}: no record of replies: `finsight-gate record` and `accept` write such files; for what lm-eval "
            "wrote give its folder, or samples_*.jsonl"
        )
    cards: dict[str, Any] = {task: {} for task in entries}
    verdicts: dict[str, list[Verdict]] = {}
    for task in [task for task in tasks or entries if task in entries]:
        verdicts[task], cards[task] = _read_replies(entries[task], task, f"{path}: {task}")
    return Recorded(_score(cards), verdicts)


def _read_replies(entry: Mapping[str, Any], task: str, where: str) -> tuple[list[Verdict], dict[str, Any]]:
    """Return the verdicts on the replies of one task, in the benchmark's order, and the task's card."""
    gold, replies = gold_of(task), entry.get("replies")
    if not isinstance(replies, dict) or not isinstance(entry.get("generation"), dict):
        raise InputError(f"{where}: 'replies' or 'generation' is missing; make the record again from the samples")
    if entry.get("benchmark") != gold.about():
        found, held = printable(str(entry.get("benchmark")), 120), f"{gold.set} {gold.sha256[:16]}"
        raise InputError(f"{where}: recorded on benchmark {found}, this version holds {held}; evaluate again")
    ids = {item.id for item in gold.items}
    for name, reply in replies.items():
        if name not in ids:
            raise InputError(f"{where}: item {printable(name, 40)!r} is not in the benchmark; make the record again")
        if not isinstance(reply, str):
            raise InputError(f"{where}: reply to {printable(name, 40)!r} is no text; make the record again")
    labels = _teacher(entry, gold.set, where)
    verdicts = [verdict_of(item, replies[item.id], labels.get(item.id)) for item in gold.items if item.id in replies]
    card = {key: entry.get(key) for key in comparable.CONDITIONS}
    return verdicts, card | {"n": len(verdicts), "n_total": len(gold.items), "failed": 0, "errors": {}}


def _teacher(entry: Mapping[str, Any], set_name: str, where: str) -> dict[str, Labels]:
    """Return the teacher's labels that the replies were held against; the set's own where an old record has none."""
    if "teacher" not in entry:
        taught = benchmark.teacher_answers(set_name, None)
        return {key: Labels(answer.sentiment, answer.risk_level) for key, answer in taught.items() if answer}
    kept = entry["teacher"]
    if not isinstance(kept, dict):
        raise InputError(f"{where}: teacher is {printable(repr(kept), 60)}, an object is expected; make it again")
    for name, pair in kept.items():
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(label, str) for label in pair):
            shown = printable(repr(pair), 60)
            raise InputError(f"{where}: teacher of {printable(name, 40)!r} is {shown}, two labels are expected")
    return {name: Labels(*pair) for name, pair in kept.items()}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the record of replies of a whole run; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program("record"), description="Keep what a model said, without the benchmark's texts: fit to commit."
    )
    parser.add_argument("--candidate", nargs="+", type=Path, required=True, help="lm-eval's output folder or samples")
    parser.add_argument(
        "--tasks", nargs="+", choices=list(TASKS), help="these tasks only (default: all that are there)"
    )
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    options = parser.parse_args(argv)
    if kept := [path for path in options.candidate if path.suffix == ".json"]:
        raise InputError(f"{kept[0]}: a record is made from samples; give lm-eval's output folder, or samples_*.jsonl")
    there = {task_of(file) for path in options.candidate for file in _files(path)}
    tasks = options.tasks or [task for task in TASKS if task in there]
    if not tasks:
        raise InputError(
            f"{options.candidate[0]}: no samples of a FinSight task; keep the file names that lm-eval gave"
        )
    entries = replies_of(recorded(options.candidate, tasks), tasks)
    jsonl.write(options.out, {"tasks": entries})
    replies = ", ".join(f"{task} {len(entry['replies'])}" for task, entry in entries.items())
    print(f"[record] replies: {replies} -> {options.out}")
    return 0
