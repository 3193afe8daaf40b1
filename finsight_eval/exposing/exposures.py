"""Bad models, exposed by name: a model can look good, or merely weak, for a reason that its figures do not tell.

    exposures(run)[0] -> Exposure("labels at random", "finsight", "on Hand-written news, ...", 4e-06, True)

Every accusation is a test of its contrary on the adapter's answers: habits.py, memorised.py and shortcuts.py say which.
Their p values are corrected together by Holm's method, so that in a run without any such fault the chance of a single
false exposure is 5 % at most. Each test holds a least effect: what is true but too small to matter is not exposed. What
needs no test, being a plain fact of the run, has no p.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.clusters import cluster_of
from finsight_eval.exposing.candidates import (
    FAMILIES,
    LEAKED,
    LEVEL,
    MEMORISED,
    Candidate,
    Unchecked,
    family_of,
)
from finsight_eval.exposing.habits import habits
from finsight_eval.exposing.memorised import memorised
from finsight_eval.exposing.shortcuts import pairs, shortcuts
from finsight_eval.exposing.similar import resembling
from finsight_eval.figures import differences, figure
from finsight_eval.majority import majority_floors
from finsight_eval.reporting.data import title_of
from finsight_eval.reporting.numbers import number, odds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finsight_eval.exposing.subject import Examined
    from finsight_eval.verdicts import Verdict

#: Below this a model recites its training set; the predecessor's loss was 0.00 from step 15 on.
LEAST_LOSS: Final = 0.02
#: The overlap threshold of our recipes, for a run without an overlap record.
_THRESHOLD: Final = 0.6
_ORDER: Final = list(FAMILIES)
DECISIVE: Final = ("sentiment_f1", "risk_accuracy")


@dataclass(frozen=True, slots=True)
class Exposure:
    """A fault that the figures bear out; `p` is corrected for all that was looked for. Grave ones open the report."""

    name: str
    task: str
    sentence: str
    p: float | None
    grave: bool

    def row(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """Return the exposure as one paragraph of Markdown."""
        sentence = self.sentence[0].upper() + self.sentence[1:]
        chance = "" if self.p is None else f" (A model without this fault looks so {odds(self.p)}.)"
        return f"**{self.name[0].upper()}{self.name[1:]}.** {sentence}{chance}"


def exposures(run: Examined) -> list[Exposure]:
    """Return what the adapter's answers give away, the grave ones first."""
    tested = [one for one in _examined(run) if isinstance(one, Candidate)]
    corrected = stats.holm([one.p for one in tested])
    found = [
        Exposure(one.name, one.task, one.sentence, p, one.grave)
        for one, p in zip(tested, corrected, strict=True)
        if p < LEVEL
    ]
    return sorted([*_facts(run), *found], key=lambda one: (not one.grave, _ORDER.index(family_of(one.name))))


def not_found(run: Examined) -> str:
    """Return the sentence on what was looked for by name and not found."""
    tested = [one for one in _examined(run) if isinstance(one, Candidate)]
    named = {family_of(one.name) for one in exposures(run)}
    clean = [name for name in _ORDER if name not in named and name in {family_of(one.name) for one in tested}]
    if not clean:
        return "Nothing further could be looked for by name: too few answers, or all that was looked for was found."
    return (
        f"Looked for by name and not found: {', '.join(clean)} ({len(tested)} tests, corrected together by Holm's "
        f"method, level {LEVEL:.0%})."
    )


def unchecked(run: Examined) -> list[str]:
    """Return what could not be looked for, and why."""
    found = [one.why for one in _examined(run) if isinstance(one, Unchecked)]
    if run.trained is None:
        found.insert(0, f"{MEMORISED}: the run holds no training rows (export/sft.jsonl)")
    return found


def _examined(run: Examined) -> list[Candidate | Unchecked]:
    alike = _alike(run)
    found: list[Candidate | Unchecked] = []
    for task, verdicts in run.verdicts["adapter"].items():
        if verdicts:
            alone = _alone(verdicts)
            found += habits(task, alone, run.trained)
            found += memorised(task, alone, run.trained, alike)
            found += shortcuts(task, alone)
            found += pairs(task, verdicts)
    return found


def _alone(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the first item of each pair or text: the tests take items for independent of each other."""
    first: dict[str, Verdict] = {}
    for verdict in verdicts:
        first.setdefault(cluster_of(verdict.item), verdict)
    return list(first.values())


def _alike(run: Examined) -> frozenset[str]:
    """Return the texts of the items that resemble a training text, by the threshold of the run's overlap record."""
    texts = dict.fromkeys(v.item.text for verdicts in run.verdicts["adapter"].values() for v in verdicts)
    recorded = number((run.overlap or {}).get("threshold"))
    threshold = _THRESHOLD if recorded is None else recorded
    return resembling(tuple(texts), tuple(row.text for row in run.trained or ()), threshold)


def _facts(run: Examined) -> Iterator[Exposure]:
    """Yield what is exposed by a plain fact: benchmark items among the training rows, a loss of nought for nothing."""
    alike = _alike(run)
    for task, verdicts in run.verdicts["adapter"].items():
        if inside := sum(v.item.text in alike for v in verdicts):
            sentence = (
                f"{inside} of the {len(verdicts)} items of {title_of(task)} resemble a training text, whole, in part "
                "or nearly: find out how these rows came in, and take them out."
            )
            yield Exposure(LEAKED, task, sentence, None, grave=False)
    if run.losses and run.losses[-1]["loss"] < LEAST_LOSS and not _gained_anywhere(run):
        sentence = (
            f"the training loss ended at {run.losses[-1]['loss']:.4f}, and on no held-out set is sentiment or risk "
            "level better than both the base's and one label for all. Train for fewer epochs, on more and other rows."
        )
        yield Exposure(MEMORISED, "", sentence, None, grave=True)


def _gained_anywhere(run: Examined) -> bool:
    """Tell whether a decisive figure lies above the base's and above that of one label for all, on any task."""
    base = run.verdicts.get("base", {})
    return any(_gained(base.get(task, []), verdicts) for task, verdicts in run.verdicts["adapter"].items() if verdicts)


def _gained(before: Sequence[Verdict], after: Sequence[Verdict]) -> bool:
    if [v.item.id for v in before] != [v.item.id for v in after]:
        return False
    floors = majority_floors(after)
    above = [name for name in DECISIVE if name in floors and (figure(name, after).low or 0.0) > floors[name]]
    return any((found.low or 0.0) > 0 for found in differences(above, before, after).values())
