"""What a report is made of: the products of a run, read once.

    read_run(Path("runs/nano")).scores["adapter"]["tasks"]["finsight"]["metrics"]["sentiment_f1"]["value"] -> 0.41

Base, adapter and gate must be there. The rest may be missing (a run whose training happened elsewhere has no loss
curve); the report then says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError, printable
from finsight_eval.escape import inline
from finsight_eval.exposing.trained import Trained, read_trained
from finsight_eval.figures import Difference, difference
from finsight_eval.parse import Answer, parse
from finsight_eval.public import PUBLIC
from finsight_eval.scorecard import scored
from finsight_eval.verdicts import Verdict, read_verdicts

if TYPE_CHECKING:
    from pathlib import Path

MODELS: Final = ("base", "adapter", "teacher")
COMPARED: Final = ("base", "adapter")
#: Every stage folder of a run, in the order in which the stages run.
STAGES: Final = (
    "simulate",
    "generate",
    "teacher",
    "verify",
    "export",
    "train",
    "eval/base",
    "eval/adapter",
    "score/base",
    "score/adapter",
    "score/teacher",
    "gate",
)
REQUIRED: Final = ("score/base", "score/adapter", "gate")
#: What the report also reads where it is there.
OPTIONAL: Final = (
    "score/teacher",
    "train/loss.jsonl",
    "train/dev.jsonl",
    "eval/base/showcase.jsonl",
    "eval/adapter/showcase.jsonl",
    "simulate/gold.jsonl",
    "generate/answers.jsonl",
    "export/overlap.json",
    "export/sft.jsonl",
)
TASK_TITLES: Final = {
    "finsight": "Hand-written news",
    "finsight_en": "Hand-written news, English",
    "finsight_zh": "Hand-written news, Chinese",
    "finsight_simulated": "Simulated news",
    "finsight_counterfactual": "Counterfactual pairs",
    "finsight_adversarial": "Hostile news",
    **{f"finsight_{name}": known.title for name, known in PUBLIC.items()},
}


def title_of(task: str) -> str:
    """Return a task's title for Markdown: its name, made harmless, where we have no title for it."""
    return TASK_TITLES.get(task) or inline(task)


@dataclass(frozen=True)
class Run:
    """Everything the report shows.

    Attributes:
        scores: model -> metrics.json.
        verdicts: model -> task -> verdicts that have a reply.
        gate: gate.json.
        losses: rows {"step", "epoch", "loss", "learning_rate"}, empty where there are none.
        showcase: (text, model -> reply) per news text.
        taught: (gold row, the teacher's answer or None) per training text whose gold is known.
        overlap: the record of the overlap between training data and benchmark, or None.
        manifests: stage folder -> manifest.
        devs: rows {"step", "n", "json_parse_rate", "sentiment_f1", "risk_accuracy"}; empty where none were measured.
        trained: what was trained on, or None where the run does not hold it.
    """

    name: str
    scores: dict[str, dict[str, Any]]
    verdicts: dict[str, dict[str, list[Verdict]]]
    gate: dict[str, Any]
    losses: list[jsonl.Row]
    showcase: list[tuple[str, dict[str, str]]]
    taught: list[tuple[jsonl.Row, Answer | None]]
    overlap: jsonl.Row | None
    manifests: dict[str, jsonl.Row]
    devs: list[jsonl.Row] = field(default_factory=list)
    trained: tuple[Trained, ...] | None = None
    _differences: dict[tuple[str, ...], Difference] = field(default_factory=dict, init=False, repr=False, compare=False)

    def tasks(self) -> list[str]:
        return list(self.scores["adapter"]["tasks"])

    def card(self, model: str, task: str) -> dict[str, Any] | None:
        """Return the scorecard of a model on a task, None where there is none."""
        card: dict[str, Any] | None = self.scores.get(model, {}).get("tasks", {}).get(task)
        return card

    def difference(self, task: str, metric: str, first: str = "base", second: str = "adapter") -> Difference | None:
        """Return `second` minus `first`, bootstrapped once however often it is asked; None: not the same items."""
        before, after = (self.verdicts.get(model, {}).get(task, []) for model in (first, second))
        if not before or [v.item.id for v in before] != [v.item.id for v in after]:
            return None
        key = (task, metric, first, second)
        if key not in self._differences:
            self._differences[key] = difference(metric, before, after)
        return self._differences[key]


def read_run(run: Path) -> Run:
    """Return the products of the run in folder `run`; raises InputError where a file that is there cannot be read."""
    models = [model for model in MODELS if (run / "score" / model / manifest.NAME).is_file()]
    verdicts = {model: read_verdicts(run / "score" / model / "verdicts.jsonl") for model in models}
    overlap = run / "export" / "overlap.json"
    return Run(
        name=run.name,
        scores={model: jsonl.read(run / "score" / model / "metrics.json") for model in models},
        verdicts={model: {task: scored(rows) for task, rows in found.items()} for model, found in verdicts.items()},
        gate=jsonl.read(run / "gate" / "gate.json"),
        losses=[row for row in _rows(run / "train" / "loss.jsonl") if row.get("loss") is not None],
        showcase=_showcase(run),
        taught=_taught(run),
        overlap=jsonl.read(overlap) if overlap.is_file() else None,
        manifests={name: jsonl.read(path) for name in STAGES if (path := run / name / manifest.NAME).is_file()},
        devs=_devs(run / "train" / "dev.jsonl"),
        trained=read_trained(trained) if (trained := run / "export" / "sft.jsonl").is_file() else None,
    )


def _rows(path: Path) -> list[jsonl.Row]:
    return [row for _, row in jsonl.read_lines(path)] if path.is_file() else []


def _devs(path: Path) -> list[jsonl.Row]:
    """Return the dev curve; raises InputError for a row without a step or a size, which could not be drawn."""
    rows = _rows(path)
    for number, row in enumerate(rows, start=1):
        for key in ("step", "n"):
            if not isinstance(row.get(key), int) or row[key] < 1:
                raise InputError(
                    f"{path}: row {number}: {key} is {printable(repr(row.get(key)), 40)}, an integer from 1 on is "
                    "expected; run the training again"
                )
    return rows


def _showcase(run: Path) -> list[tuple[str, dict[str, str]]]:
    """Return (text, model -> reply) per showcase text, in the order of the suite."""
    texts: dict[str, str] = {}
    replies: dict[str, dict[str, str]] = {}
    for model in COMPARED:
        for row in _rows(run / "eval" / model / "showcase.jsonl"):
            texts.setdefault(row["id"], row["text"])
            replies.setdefault(row["id"], {})[model] = row["reply"]
    return [(text, replies[key]) for key, text in texts.items()]


def _taught(run: Path) -> list[tuple[jsonl.Row, Answer | None]]:
    """Return the teacher's answers to the training corpus beside the simulator's gold, where both are there."""
    replies = {row["id"]: row.get("reply") for row in _rows(run / "generate" / "answers.jsonl")}
    pairs = []
    for gold in _rows(run / "simulate" / "gold.jsonl"):
        reply = replies.get(gold["id"])
        if isinstance(reply, str):
            outcome = parse(reply)
            pairs.append((gold, outcome if isinstance(outcome, Answer) else None))
    return pairs
