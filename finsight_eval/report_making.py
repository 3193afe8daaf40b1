"""How a run was made: data, teacher, recipe, stages with their times, versions and hashes.

| stage | product | seconds |
| --- | --- | ---: |
| verify | accepted 1104, rejected 96 | 0.9 |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.entity import entity_matches
from finsight_eval.escape import inline, table
from finsight_eval.report_numbers import plain, rate_cell

if TYPE_CHECKING:
    from finsight_eval.report_data import Run

_SHORT: Final = 12


def making(run: Run) -> str:
    """Return the section's text."""
    parts = [
        ("Training data and benchmark", _overlap(run)),
        ("The teacher on the training texts, against the simulator's gold", _teacher(run)),
        ("Stages", _stages(run)),
        ("Training recipe", _settings(run, "train")),
        ("Hashes", _hashes(run)),
        ("Versions", _versions(run)),
    ]
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts)


def _overlap(run: Run) -> str:
    if run.overlap is None:
        return "n/a (no overlap record)"
    keys = ("checked", "rows", "removed_by_set", "highest_share_kept", "threshold", "method")
    known = [(key, run.overlap[key]) for key in keys if key in run.overlap]
    return table(("", ""), [(key.replace("_", " "), plain(value) or "none") for key, value in known])


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
