"""The report's first lines: is it better, by how much, how sure are we, and may it ship?

    **In part: the adapter is better than its base, but not throughout better than giving one label to all.** ...
    - Simulated news (320 items): sentiment F1 rose from 0.000 to 0.900 (+0.900, 95 % interval +0.866 to +0.933); ...

Every sentence is built from the figures; "better" and "worse" are said only where the whole interval of the paired
difference lies on one side of nought. What is gravely wrong with the adapter's answers (finsight_eval.exposing)
comes before any gain:

    - **Labels at random.** On Hand-written news, sentiment comes in good form but agrees with gold no more often ...

Such an adapter is never told that it may ship, whether the policy blocks on it or only reports it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import stats
from finsight_eval.exposing.exposures import exposures
from finsight_eval.reporting.data import TASK_TITLES
from finsight_eval.reporting.tables import not_above_floor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.figures import Difference
    from finsight_eval.reporting.data import Run

#: Sentences told of one name before the warnings are referred to.
TOLD: Final = 2
DECISIVE: Final = {"sentiment_f1": "sentiment F1", "risk_accuracy": "risk accuracy"}


class Change(Enum):
    """What a paired difference says."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "unclear"
    UNKNOWN = "unknown"


def change_of(found: Difference) -> Change:
    """Return what the interval of a difference allows to be said."""
    if found.low is None or found.high is None:
        return Change.UNKNOWN
    if found.low > 0:
        return Change.BETTER
    return Change.WORSE if found.high < 0 else Change.UNCLEAR


def differences(run: Run) -> dict[str, dict[str, Difference]]:
    """Return task -> decisive metric -> adapter minus base."""
    found = {task: {metric: run.difference(task, metric) for metric in DECISIVE} for task in run.tasks()}
    known = {task: {name: one for name, one in metrics.items() if one} for task, metrics in found.items()}
    return {task: metrics for task, metrics in known.items() if metrics}


def verdict_sentence(changes: set[Change], *, above_floor: bool) -> str:
    """Return the first sentence, for whatever mixture of changes was found.

    `above_floor`: whether every decisive figure is shown to beat giving the majority label to everything.
    """
    known = changes - {Change.UNKNOWN}
    if not known:
        return "**Not known: base and adapter cannot be compared on the same items.**"
    if known == {Change.BETTER} and not above_floor:
        return (
            "**In part: the adapter is better than its base, but not throughout better than giving one label to all.**"
        )
    if known == {Change.BETTER}:
        return "**Yes: the adapter is better than its base, on every decisive figure.**"
    if known == {Change.WORSE}:
        return "**No: the adapter is worse than its base, on every decisive figure.**"
    if known == {Change.UNCLEAR}:
        return "**Not shown: no difference between the adapter and its base stands out from chance.**"
    if known == {Change.BETTER, Change.UNCLEAR}:
        return (
            "**In part: the adapter is better than its base on some decisive figures and not shown to be on others.**"
        )
    if known == {Change.WORSE, Change.UNCLEAR}:
        return "**No: the adapter is worse than its base on some decisive figures and better on none.**"
    return "**Mixed: the adapter is better than its base on some decisive figures and worse on others.**"


def answer(run: Run) -> str:
    """Return the paragraph, what the adapter is exposed as, and a line for each task."""
    found = differences(run)
    changes = {change_of(one) for metrics in found.values() for one in metrics.values()}
    above_floor = not any(not_above_floor(run, task) for task in run.tasks())
    lines = []
    for task in run.tasks():
        first = _task_sentence(run, task, found[task]) if task in found else _missing_sentence(task)
        lines.append(" ".join(filter(None, ["-", first, _form_sentence(run, task), _floor_sentence(run, task)])))
    named = list(dict.fromkeys(one.name for one in exposures(run) if one.grave))
    head = f"{verdict_sentence(changes, above_floor=above_floor)} {ship_sentence(run.gate, named)}"
    return "\n\n".join(filter(None, [head, "\n".join(exposed(run)), "\n".join(lines)]))


def exposed(run: Run) -> list[str]:
    """Return a line for each grave exposure; of many under one name the first, the others stand in the warnings."""
    told: dict[str, list[str]] = {}
    for one in exposures(run):
        if one.grave:
            told.setdefault(one.name, []).append(f"- {one.text()}")
    lines = []
    for name, texts in told.items():
        lines += texts[:TOLD]
        if len(texts) > TOLD:
            lines.append(f"- **{name[0].upper()}{name[1:]}** {len(texts) - TOLD} times more: see the warnings.")
    return lines


def _task_sentence(run: Run, task: str, found: dict[str, Difference]) -> str:
    phrases = [_phrase(run, task, metric, one) for metric, one in found.items() if one.n]
    n = len(run.verdicts["adapter"][task])
    return f"{TASK_TITLES.get(task, task)} ({n} items): {'; '.join(phrases)}."


def _missing_sentence(task: str) -> str:
    return f"{TASK_TITLES.get(task, task)}: n/a (base and adapter did not answer the same items)."


def _phrase(run: Run, task: str, metric: str, found: Difference) -> str:
    name, change = DECISIVE[metric], change_of(found)
    if change is Change.UNKNOWN or found.value is None or found.low is None or found.high is None:
        return f"{name} n/a ({found.why or 'no interval'})"
    before, after = (run.scores[model]["tasks"][task]["metrics"][metric]["value"] for model in ("base", "adapter"))
    interval = f"{found.value:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}"
    moved = f"from {before:.3f} to {after:.3f} ({interval})"
    if change is Change.UNCLEAR:
        least = stats.smallest_detectable(stats.Interval(found.low, found.high))
        return (
            f"{name} went {moved}, which may be chance: a set of this size shows differences from about {least:.3f} on"
        )
    return f"{name} {'rose' if change is Change.BETTER else 'fell'} {moved}"


def _form_sentence(run: Run, task: str) -> str:
    """Say how much of a gain is obedience: a base that never keeps the required form scores 0 whatever it knows."""
    parsed = [run.scores[model]["tasks"][task]["metrics"]["json_parse_rate"]["value"] for model in ("base", "adapter")]
    if None in parsed or parsed[1] - parsed[0] < 0.25:
        return ""
    return (
        f"The base keeps the required form in {parsed[0]:.0%} of these items and the adapter in {parsed[1]:.0%}, "
        "so the gain is first of all that it answers readably."
    )


def _floor_sentence(run: Run, task: str) -> str:
    """Say where a gain over the base is still no gain over giving one label to everything."""
    names = [DECISIVE[name] for name in not_above_floor(run, task)]
    if not names:
        return ""
    verb = "is" if len(names) == 1 else "are"
    return f"The adapter's {' and '.join(names)} there {verb} not shown to beat always giving the majority label."


def ship_sentence(gate: dict[str, Any], exposed_as: Sequence[str] = ()) -> str:
    """Return what the gate's verdict means for shipping; nobody who is exposed by name is told that he may."""
    policy, total = f"policy `{gate['policy']}`", len(gate["checks"])
    if gate["verdict"] != "regressed" and exposed_as:
        return _exposed_sentence(gate, policy, exposed_as)
    if gate["verdict"] == "pass":
        return f"**It may ship:** all {total} checks of {policy} passed."
    named = [
        f"`{check['task']}` {check['metric']}, {check['rule']} {check['bound']:g}"
        for check in gate["checks"]
        if check["verdict"] == gate["verdict"]
    ]
    if gate["verdict"] == "regressed":
        return f"**It may not ship:** {len(named)} of {total} checks of {policy} failed ({'; '.join(named)})."
    so = "does not let that ship" if gate["inconclusive_blocks"] else "lets that ship, unproven"
    return f"**Not proven:** {len(named)} of {total} checks are inconclusive ({'; '.join(named)}); {policy} {so}."


def _exposed_sentence(gate: dict[str, Any], policy: str, names: Sequence[str]) -> str:
    """Say what stands against shipping beside the figures: faults found by name, which the lines below explain."""
    passed, total = sum(check["verdict"] == "pass" for check in gate["checks"]), len(gate["checks"])
    found = f"{passed} of {total} checks of {policy} passed, but the adapter is exposed by name: {', '.join(names)}"
    if gate["verdict"] == "exposed":
        return f"**It may not ship:** {found}; the policy does not let such a model ship."
    return f"**Not fit to ship as it stands:** {found}; the policy reports that and does not block on it."
