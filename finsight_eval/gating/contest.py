"""A contest: whom a gate judges, what against, and what nobody has looked at.

    Contest(candidate={"finsight": [Verdict, ...]}, reference=..., baseline=None,
            notes=("leakage was not checked: ...",))

It is made from a run folder of ours, or from files of models that were trained and evaluated elsewhere; either way
nothing is judged that should not be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from finsight_eval import jsonl, policy
from finsight_eval.errors import InputError
from finsight_eval.exposing.exposures import exposures
from finsight_eval.exposing.subject import Subject
from finsight_eval.gating import comparable
from finsight_eval.gating.alignment import in_order, refuse_other_teacher
from finsight_eval.gating.checks import checks_of, overall
from finsight_eval.gating.exposed import grave, subject_of
from finsight_eval.gating.flips import Flip, flips
from finsight_eval.gating.noise_record import read_noise, refuse_other_runs, spreads, unstable_ids
from finsight_eval.gating.notes import (
    LEAKAGE,
    NO_BASELINE,
    noise_notes,
    overlap_notes,
    teacher_notes,
    unknown_conditions,
)
from finsight_eval.gating.recorded import Recorded, from_record, recorded
from finsight_eval.scorecard import scored
from finsight_eval.verdicts import Verdict, read_verdicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from finsight_eval.exposing.exposures import Exposure
    from finsight_eval.gating.checks import Check, Ruling
    from finsight_eval.gating.noise_record import NoiseRecord
    from finsight_eval.policy import Policy

    Tasks = Mapping[str, list[Verdict]]

_WITHOUT: Final = "a policy with `overlap: not_recorded` does without, and its verdict says so"


@dataclass(frozen=True)
class Files:
    """What a user names on the command line: lm-eval's samples, or records of replies."""

    candidate: Sequence[Path]
    reference: Sequence[Path] = ()
    baseline: Path | None = None
    overlap: Path | None = None
    noise: Path | None = None


@dataclass(frozen=True)
class Contest:
    """The verdicts that are judged and held against, and where they come from.

    Attributes:
        score: the candidate's conditions, in the shape of metrics.json.
        reference_name: what the reference is called on the page.
        notes: what the verdict does not cover, in words.
        noise: task -> how far its figures move from run to run, and the items that flip by themselves.
        scores: name -> conditions of all who are compared, the candidate among them.
        subject: the candidate as the exposures see it.
    """

    score: comparable.Score
    candidate: Tasks
    reference: Tasks | None
    baseline: Tasks | None
    reference_name: str
    baseline_path: Path | None = None
    notes: tuple[str, ...] = field(default=())
    noise: Mapping[str, NoiseRecord] = field(default_factory=dict)
    scores: Mapping[str, comparable.Score] = field(default_factory=dict)
    subject: Subject = field(default_factory=lambda: Subject({}))

    @cached_property
    def exposures(self) -> list[Exposure]:
        """What the candidate's answers give away, the grave ones first."""
        return exposures(self.subject)

    def ruling(self, bounds: Policy, checks: Sequence[Check]) -> Ruling:
        """Return the verdict on all: what the `checks` found, and whether an exposure blocks."""
        return overall(checks, exposed=bounds.exposures == policy.BLOCK and bool(grave(self.exposures)))

    def against(self) -> str | None:
        """Return whom the flips are listed against, None where there is nobody."""
        return "accepted baseline" if self.baseline else self.reference_name if self.reference else None

    def checks(self, bounds: Policy) -> list[Check]:
        widths = {task: spreads(record) for task, record in self.noise.items()}
        return checks_of(bounds, self.candidate, self.reference, self.baseline, widths)

    def flips(self, bounds: Policy) -> dict[str, dict[str, list[Flip]]]:
        """Return task -> the items that the candidate broke or fixed, those apart that flip by themselves."""
        before = self.baseline or self.reference
        if not before:
            return {}
        return {
            task: flips(before[task], self.candidate[task], unstable_ids(self.noise.get(task)))
            for task in bounds.tasks()
        }


def of_run(bounds: Policy, run: Path, baseline: Path | None) -> Contest:
    """Return the contest of a run's adapter with its base; raises InputError where they should not be compared."""
    scores = {model: jsonl.read(run / "score" / model / "metrics.json") for model in ("base", "adapter")}
    comparable.refuse_unequal(scores, bounds.tasks())
    verdicts = {model: _scored_verdicts(run / "score" / model / "verdicts.jsonl") for model in scores}
    overlap = overlap_of(run, bounds)
    subject = subject_of(run, verdicts)
    found = Contest(
        scores["adapter"], verdicts["adapter"], verdicts["base"], None, "base", scores=scores, subject=subject
    )
    found = replace(
        found, noise=read_noise(path, found.score, bounds.tasks()) if (path := noise_of(run)).is_file() else {}
    )
    if found.noise:
        refuse_other_runs(path, run / "score" / "adapter" / "metrics.json")
    return _noted(_beside(found, bounds), "adapter", bounds, overlap, baseline)


def noise_of(run: Path) -> Path:
    """Return where the noise record of a run's adapter lies, whether or not there is one."""
    return run / "noise" / "adapter" / "noise.json"


def of_files(bounds: Policy, files: Files) -> Contest:
    """Return the contest of a model that was evaluated elsewhere; raises InputError where it should not be judged."""
    tasks = bounds.tasks()
    if bounds.gains and not files.reference:
        raise InputError(
            f"policy {bounds.name} asks for gains, and there is nothing to gain on: give the samples of the untrained "
            "base or of the previous release with --reference, or take `gains` out of the policy"
        )
    if same := {path.resolve() for path in files.candidate} & {path.resolve() for path in files.reference}:
        raise InputError(f"{same.pop()}: given as candidate and as reference; name the samples of two models")
    candidate = recorded(files.candidate, tasks)
    scores, verdicts = {"candidate": candidate.score}, None
    if files.reference:
        reference = recorded(files.reference, tasks)
        scores, verdicts = {"reference": reference.score, **scores}, reference.verdicts
    comparable.refuse_unequal(scores, tasks)
    subject = Subject({"adapter": candidate.verdicts, "base": verdicts or {}})
    found = Contest(candidate.score, candidate.verdicts, verdicts, None, "reference", scores=scores, subject=subject)
    found = replace(found, noise=read_noise(files.noise, found.score, tasks) if files.noise else {})
    return _noted(_beside(found, bounds), "candidate", bounds, files.overlap, files.baseline)


def overlap_of(run: Path, bounds: Policy) -> Path | None:
    """Return a run's overlap record, None where there is none and the policy does without; else raises InputError."""
    path = run / "export" / "overlap.json"
    if path.is_file() or bounds.overlap == policy.REQUIRED:
        return _there(path)
    return None


def _there(overlap: Path) -> Path:
    if overlap.is_file():
        return overlap
    raise InputError(
        f"{overlap}: no record of the overlap between training data and benchmark; `python -m distill.export` writes "
        f"it; {_WITHOUT}"
    )


def _noted(found: Contest, name: str, bounds: Policy, overlap: Path | None, baseline: Path | None) -> Contest:
    """Return the contest with its baseline, after a look at the overlap record, and with what is missing in words."""
    tasks, scores, held = bounds.tasks(), found.scores, None
    notes = _leakage(found, bounds, overlap) + noise_notes(found.noise, tasks)
    notes += teacher_notes(sorted(_taught(bounds)), found.candidate)
    if baseline:
        accepted = _accepted(baseline, found, name, tasks)
        scores, held = {**scores, f"baseline {baseline}": accepted.score}, accepted.verdicts
    elif bounds.margins:
        notes.append(NO_BASELINE)
    notes += unknown_conditions(scores, tasks)
    return replace(found, baseline=held, baseline_path=baseline, scores=scores, notes=tuple(notes))


def _leakage(found: Contest, bounds: Policy, overlap: Path | None) -> list[str]:
    """Return what is to be said on leakage; raises InputError where the policy asks for a record and there is none."""
    if overlap:
        record = jsonl.read(_there(overlap))
        comparable.refuse_other_overlap(str(overlap), record, found.score, bounds.tasks())
        return overlap_notes(record)
    if bounds.overlap == policy.REQUIRED:
        raise InputError(
            f"policy {bounds.name} requires a record of the overlap between training data and benchmark: give it with "
            f"--overlap; {_WITHOUT}"
        )
    return [LEAKAGE]


def _taught(bounds: Policy) -> set[str]:
    """Return the tasks of which the policy bounds an agreement with the teacher."""
    return {
        task for task, _, metric in (key.partition("/") for key in bounds.bounds()) if metric.startswith("teacher_")
    }


def _beside(found: Contest, bounds: Policy) -> Contest:
    """Return the contest with the reference in the candidate's order, after a look at the teacher's labels."""
    taught = _taught(bounds)
    for task in taught:
        if not any(v.teacher for v in found.candidate[task]):
            raise InputError(
                f"{task}: no teacher's labels in the candidate; the policy bounds a metric that needs them"
            )
    if not found.reference:
        return found
    aligned = {}
    for task in bounds.tasks():
        aligned[task] = in_order(found.reference[task], found.candidate[task])
        if task in taught:
            refuse_other_teacher(task, found.reference_name, aligned[task], found.candidate[task])
    return replace(found, reference=aligned)


def _accepted(path: Path, found: Contest, name: str, tasks: Sequence[str]) -> Recorded:
    """Return the baseline on the candidate's items, in the same order and beside the same teacher."""
    if not path.is_file():
        raise InputError(f"{path}: no such baseline; `finsight-gate accept` writes one from a run or from samples")
    accepted = from_record(path, tasks)
    comparable.refuse_unequal({f"baseline {path}": accepted.score, name: found.score}, tasks)
    verdicts = {
        task: [
            replace(held, teacher=v.teacher)
            for held, v in zip(in_order(accepted.verdicts[task], candidate), candidate, strict=True)
        ]
        for task in tasks
        for candidate in [found.candidate[task]]
    }
    return replace(accepted, verdicts=verdicts)


def _scored_verdicts(path: Path) -> dict[str, list[Verdict]]:
    return {task: scored(verdicts) for task, verdicts in read_verdicts(path).items()}
