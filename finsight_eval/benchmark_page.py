"""A page per benchmark: what it measures, what it can show, who stands where, what is hardest in it.

    python -m finsight_eval.benchmark_page

    # Benchmark: Hand-written news (`finsight`)

It writes reports/benchmarks/SET.md for every set of ours, and for public sets of which figures are known, from the
sets' manifests, the runs at hand and reports/baselines.json. Texts of public sets are never shown.

Without the rows of a public set (FINSIGHT_PUBLIC_DATA) its page could say little: one that is there is kept as it is,
and the command says so.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from finsight_eval import stage
from finsight_eval.clusters import cluster_of
from finsight_eval.comparing.benchmark_data import (
    has_gold,
    known_of,
    read_baselines,
    read_runs,
    recorded_only,
    sets_at_hand,
    task_of_set,
)
from finsight_eval.comparing.benchmark_facts import can_show, made, published
from finsight_eval.comparing.benchmark_standing import disagreements, hardest_items, judges, slice_table, standing
from finsight_eval.errors import command
from finsight_eval.gold import gold_of
from finsight_eval.jsonl import write_text
from finsight_eval.public import PUBLIC, VARIABLE
from finsight_eval.reporting.data import TASK_TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.benchmark_data import Known

FOLDER: Final = "benchmarks"


def page(name: str, known: Known, names: Sequence[str]) -> str:
    """Return the page of set `name`; `names` are the sets that have one."""
    items = gold_of(known.task).items if has_gold(name) else []
    n = len(items) or sum(PUBLIC[name].labels.values())
    models = judges(known)
    sections = [
        ("What it measures and how it was made", made(name)),
        ("What it can show", can_show(n, len({cluster_of(item) for item in items}) or n, disagreements(models))),
        ("Who stands where", standing(known)),
        *([("Published figures", published(name))] if name in PUBLIC else []),
        ("The hardest items", hardest_items(models)),
        ("Difficulty by slice", slice_table(models)),
    ]
    head = f"# Benchmark: {TASK_TITLES[known.task]} (`{known.task}`, n {n:,})\n\n{links(name, names)}"
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"{head}\n\n{body}\n\n_Written by `python -m finsight_eval.benchmark_page`; not to be edited._\n"


def links(name: str, names: Sequence[str]) -> str:
    """Return the line that leads to the other pages."""
    others = [f"**{one}**" if one == name else f"[{one}]({one}.md)" for one in names]
    return " · ".join([*others, "[reference figures](../baselines.md)"])


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the pages; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Write a page per benchmark: what it measures, what it can show, who stands where, what is hardest."
    )
    parser.add_argument("--runs", type=Path, default=stage.RUNS, help="folder of all runs (default: runs)")
    parser.add_argument(
        "--reports",
        type=Path,
        default=Path("reports"),
        help="where baselines.json lies and pages go (default: reports)",
    )
    options = parser.parse_args(argv)
    baselines = read_baselines(options.reports / "baselines.json")
    names, folder = sets_at_hand(baselines), options.reports / FOLDER
    contenders, unread = read_runs(options.runs, [task_of_set(name) for name in names if has_gold(name)])
    for text in unread:
        print(f"[benchmark_page] left out: {text}")
    kept = [name for name in names if not has_gold(name) and (folder / f"{name}.md").is_file()]
    for name in names:
        if name not in kept:
            task = task_of_set(name)
            known = known_of(task, contenders, baselines) if has_gold(name) else recorded_only(task, baselines)
            write_text(folder / f"{name}.md", page(name, known, names))
    if kept:
        print(
            f"[benchmark_page] kept as they are: {', '.join(kept)}; their rows are not at hand, and without them a "
            f"page loses its models, hardest items and slices: set {VARIABLE} to the folder of the public sets"
        )
    print(f"[benchmark_page] {len(names) - len(kept)} sets, {len(contenders)} models -> {folder}/")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
