"""How a set was made and what a set of its size can show, from its manifest and guidelines.

| | |
| --- | --- |
| version | 1.0 |
| items of `test` | 320 |
"""

from __future__ import annotations

import re
import statistics
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import benchmark, jsonl, manifest, power
from finsight_eval.escape import inline, table
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.public import PUBLIC
from finsight_eval.reporting.published import published_table

if TYPE_CHECKING:
    from pathlib import Path

#: From a page in reports/benchmarks/ to the sets.
_UP: Final = "../../benchmarks"
_DISAGREEMENTS: Final = (0.05, 0.10, 0.20, 0.40)


def made(name: str) -> str:
    """Return what the set measures and how it was made."""
    return _public_made(name) if name in PUBLIC else _own_made(name, benchmark.folder(name))


def _own_made(name: str, folder: Path) -> str:
    about = jsonl.read(folder / manifest.NAME)
    parts = [_opening(folder / "GUIDELINES.md"), table(("", ""), _counts(about))]
    links = [
        f"[{words}]({_UP}/{name}/{file})"
        for words, file in (("How it is labelled", "GUIDELINES.md"), ("How well the readers agree", "AGREEMENT.md"))
        if (folder / file).is_file()
    ]
    agreement = _first_table(folder / "AGREEMENT.md")
    parts.append(f"Two readings of every item, before any dispute was settled:\n\n{agreement}" if agreement else "")
    changes = [
        f"- {inline(one['version'])}, {inline(one['date'])}: {inline(one['change'], 300)}" for one in _changes(about)
    ]
    parts += ["\n".join(["Versions:\n", *changes]) if changes else "", " · ".join(links)]
    return "\n\n".join(part for part in parts if part)


def _changes(about: dict[str, Any]) -> list[dict[str, str]]:
    return [one for one in about.get("changes", []) if {"version", "date", "change"} <= set(one)]


def _opening(path: Path) -> str:
    """Return the first paragraph of the guidelines, its links set to where it now stands."""
    if not path.is_file():
        return ""
    paragraphs = path.read_text(encoding="utf-8").split("\n\n")
    first = next((text for text in paragraphs if text.strip() and not text.startswith("#")), "")
    return re.sub(r"\]\(\.\./", f"]({_UP}/", " ".join(first.split()))


def _first_table(path: Path) -> str:
    """Return the first table of an AGREEMENT.md, empty where there is none."""
    if not path.is_file():
        return ""
    found = re.search(r"(?:^\|.*\n?)+", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return found[0].strip() if found else ""


def _counts(about: dict[str, Any]) -> list[tuple[str, str]]:
    counts: dict[str, dict[str, int]] = about.get("counts", {})
    rows, shown = counts.get("rows", {}), [("version", inline(str(about.get("version", "n/a"))))]
    for split in benchmark.SPLITS:
        if split in rows:
            languages = ", ".join(f"{lang} {rows.get(f'{split}/{lang}', 0)}" for lang in ("en", "zh"))
            shown.append((f"items of `{split}`", f"{rows[split]} ({languages})"))
    shown.append(
        ("sha256 of `test`", f"`{inline(str(about.get('files', {}).get('test.jsonl', {}).get('sha256'))[:16])}`")
    )
    groups = (
        ("sentiment", SENTIMENTS, "sentiment"),
        ("risk level", RISK_LEVELS, "risk_level"),
        ("distance in the supply chain", ("1", "2", "3"), "order"),
    )
    shown += [(title, _listed(counts[key], keys)) for title, keys, key in groups if key in counts]
    if features := counts.get("features"):
        ordered = sorted(features, key=lambda key: (-features[key], key))
        shown.append(("what the texts hold", _listed(features, tuple(ordered))))
    shown += [(f"different {key}s", str(len(counts[key]))) for key in ("sector", "event") if key in counts]
    return shown


def _listed(counts: dict[str, int], keys: tuple[str, ...]) -> str:
    return ", ".join(f"{inline(key)} {counts.get(key, 0)}" for key in keys)


def _public_made(name: str) -> str:
    known = PUBLIC[name]
    items = sum(known.labels.values())
    rows = [
        ("language", known.lang),
        ("rows of the source", f"{known.rows:,}"),
        ("items (a row with several entities makes several)", f"{items:,}"),
        ("sentiment", ", ".join(f"{label} {known.labels[label]:,}" for label in SENTIMENTS)),
        ("risk level, entity", "not labelled"),
        ("licence", inline(known.licence)),
    ]
    head = f"{inline(known.title)}. The set is other people's: none of its texts is in this project or on this page."
    return f"{head}\n\n{table(('', ''), rows)}"


def published(name: str) -> str:
    """Return the published figures on a public set."""
    note = "Others' figures, on their prompts and splits, without n or interval, for orientation only:"
    return f"{note}\n\n{published_table([name])}"


def can_show(n: int, clusters: int, measured: list[float]) -> str:
    """Return the smallest differences that `n` items show.

    Args:
        n: items of the set.
        clusters: groups of items that belong together, as many as items where each stands for itself.
        measured: the disagreement of every pair of models at hand.
    """
    shares = [(f"{share:.3f}", share) for share in _DISAGREEMENTS]
    if measured:
        typical = statistics.median(measured)
        pairs = f"the median of {len(measured)} pairs" if len(measured) > 1 else "between the two models"
        shares.append((f"{typical:.3f} (measured: {pairs} below)", typical))
    rows = []
    for words, share in shares:
        least = power.smallest_change(n, share) if share else None
        rows.append((words, f"{n:,}", "none" if least is None else f"{least:.3f}"))
    head = ("items that just one of two models gets right", "n", "smallest paired difference seen with 80 % chance")
    note = (
        "For a rate such as risk accuracy, at the 5 % level and without a correction for several checks "
        "(`python -m finsight_eval.power` plans other sizes). Macro F1 is a little less sharp."
    )
    if clusters < n:
        note += (
            f" The items belong to {clusters:,} pairs or texts, whose members are right or wrong together more often "
        )
        note += "than chance: the set shows somewhat less than the table says."
    return f"{table(head, rows, numbers=2)}\n\n{note}"
