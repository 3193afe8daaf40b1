"""How a run was made: data, teacher, recipe, stages with their times, versions and hashes.

| stage | product | seconds |
| --- | --- | ---: |
| `verify` | in 1500, accepted 1500, rejected 0, failed 0, reasons () | 0.9 |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.entity import entity_matches
from finsight_eval.escape import inline, table
from finsight_eval.reporting.layout import folded
from finsight_eval.reporting.numbers import plain, rate_cell

if TYPE_CHECKING:
    from finsight_eval.reporting.data import Run

_SHORT: Final = 12


def making(run: Run) -> str:
    """Return the section's text: where the training data comes from in view, everything that repeats the run folded."""
    seconds = sum(manifest["seconds"] for manifest in run.manifests.values())
    return "\n\n".join(
        [
            f"**Training data and benchmark.** {_overlap(run)}",
            f"**The teacher on the training texts, against the simulator's gold.**\n\n{_teacher(run)}",
            folded(f"Stages ({len(run.manifests)}, {seconds:,.0f} s in all)", _stages(run)),
            folded("Training recipe", _settings(run, "train")),
            folded("Hashes and commit", _hashes(run)),
            folded("Versions", _versions(run)),
        ]
    )


def _overlap(run: Run) -> str:
    """Return what was done against benchmark items in the training data, in one sentence."""
    if run.overlap is None:
        return "n/a (no overlap record)"
    removed = run.overlap.get("removed_by_set") or {}
    first = f"{_known('rows', run)} of {_known('checked', run)} training texts were kept; removed as benchmark items"
    like = f"the likest kept one shares {_known('highest_share_kept', run)} of its letters' 5-grams"
    return f"{first}: {plain(removed) or 'none'}; {like} with an item (limit {_known('threshold', run)})."


def _known(key: str, run: Run) -> str:
    return plain((run.overlap or {}).get(key))


def _teacher(run: Run) -> str:
    """Return how good the labels are that the adapter learnt from: a ceiling that no training can hide."""
    if not run.taught:
        return "n/a (no simulate/gold.jsonl, or no answers to it)"
    pairs, n = run.taught, len(run.taught)
    read = [(gold, said) for gold, said in pairs if said is not None]
    rows = [
        ("keeps the form", rate_cell(len(read), n)),
        ("sentiment right", rate_cell(sum(said.sentiment == gold["sentiment"] for gold, said in read), n)),
        ("risk level right", rate_cell(sum(said.risk_level == gold["risk_level"] for gold, said in read), n)),
        (
            "entity right",
            rate_cell(sum(entity_matches(said.entity, gold["entity"], gold["aliases"]) for gold, said in read), n),
        ),
    ]
    return table(("", f"of {n} texts (95 % interval)"), rows, numbers=1)


def _stages(run: Run) -> str:
    rows = [
        (f"`{name}`", plain(manifest.get("facts", {})) or "-", f"{manifest['seconds']:.1f}")
        for name, manifest in run.manifests.items()
    ]
    total = f"**{sum(manifest['seconds'] for manifest in run.manifests.values()):.1f}**"
    return table(("stage", "product", "seconds"), [*rows, ("**all**", "", total)], numbers=1)


def _settings(run: Run, stage: str) -> str:
    settings: dict[str, Any] = run.manifests.get(stage, {}).get("settings", {})
    if not settings:
        return f"n/a (no manifest of stage {stage})"
    return table(("setting", "value"), [(f"`{inline(key)}`", plain(value)) for key, value in settings.items()])


def _hashes(run: Run) -> str:
    rows = [("contract", str(run.scores["adapter"]["contract"])), ("prompt", run.scores["adapter"]["prompt"])]
    for task, card in run.scores["adapter"]["tasks"].items():
        if about := card["benchmark"]:
            rows.append((f"benchmark of `{task}`", f"{inline(about['set'])} {about['sha256'][:_SHORT]}"))
    for stage, name in (("export", "sft.jsonl"), ("train", "adapter/adapter_model.safetensors")):
        output = run.manifests.get(stage, {}).get("outputs", {}).get(name)
        rows.append((f"`{stage}/{name}`", output["sha256"][:_SHORT] if output else "n/a (not in the run)"))
    for model, score in run.scores.items():
        rows.append((model, inline(str(score["name"]))))
    return table(("", ""), [*rows, ("git commit", _commit(run))])


def _commit(run: Run) -> str:
    states = [manifest.get("origin", {}).get("git", {}) for manifest in run.manifests.values()]
    commits = sorted({state["commit"][:_SHORT] for state in states if state.get("commit")})
    dirty = " (with uncommitted changes)" if any(state.get("dirty") for state in states) else ""
    return (", ".join(commits) or "n/a (no git)") + dirty


def _versions(run: Run) -> str:
    found: dict[str, str] = {}
    for manifest in run.manifests.values():
        found |= manifest.get("origin", {}).get("versions", {})
    return (
        ", ".join(f"{inline(name)} {inline(version)}" for name, version in sorted(found.items()))
        or "n/a (not recorded)"
    )
