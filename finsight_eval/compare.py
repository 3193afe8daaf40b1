"""Compare any number of models: who is best, who cannot be told apart, what each cost, where they differ.

    finsight-report compare runs/nano "seed 2=runs/nano-2" nano:base out/other_model benchmarks/baselines/nano.json

    | model | sentiment, macro F1 | ...
    | nano | 0.900 [0.867, 0.930] · a | ...

It writes reports/compare.md and the pictures in reports/compare/. The same answers give the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from finsight_eval import stage
from finsight_eval.comparing.comparison import MAJORITY, comparison_of
from finsight_eval.comparing.data import contender
from finsight_eval.comparing.items import agreement_shares
from finsight_eval.comparing.page import page, titled
from finsight_eval.comparing.rules import common_tasks, with_teacher
from finsight_eval.errors import InputError, command, program
from finsight_eval.jsonl import write_text
from finsight_eval.plotting.picture import dark_of, file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.comparison import Comparison

OUT: Final = Path("reports/compare.md")


def draw(found: Comparison, folder: Path) -> list[str]:
    """Draw the pictures into `folder`, remove those of an earlier comparison, and return the names."""
    from finsight_eval.plotting.comparisons import draw_agreement, draw_ranking

    names = []
    for task in found.tasks:
        figures, floor = found.figures[task], found.context[task][MAJORITY]
        names += [file_name("ranking", task), file_name("agreement", task)]
        draw_ranking(
            folder / names[-2],
            found.ranked(task, found.leading(task)),
            {titled(metric): rows for metric, rows in figures.items()},
            {titled(metric): found.lower(task, metric) for metric in figures},
            {titled(metric): row["value"] for metric, row in floor.items() if row["value"] is not None},
        )
        held = [one.name for one in found.contenders if task in one.score["tasks"]]
        draw_agreement(folder / names[-1], held, agreement_shares(found, task))
    names += _drawn_costs(found, folder)
    current = {path for name in names for path in (folder / name, dark_of(folder / name))}
    for stale in set(folder.glob("*.png")) - current:
        stale.unlink()
    return names


def _drawn_costs(found: Comparison, folder: Path) -> list[str]:
    """Draw the kinds of cost that are known of two models at least, if there are any."""
    from finsight_eval.plotting.comparisons import draw_costs

    kinds = {
        "training, seconds": {one.name: one.cost.seconds for one in found.contenders if one.cost.seconds is not None},
        "teacher's bill, USD": {one.name: one.cost.usd for one in found.contenders if one.cost.usd is not None},
    }
    known = {kind: paid for kind, paid in kinds.items() if len(paid) > 1}
    paid_for = [one.name for one in found.contenders if any(one.name in paid for paid in known.values())]
    figures = {task: found.figures[task][found.leading(task)] for task in found.tasks}
    quality = {task: rows for task, rows in figures.items() if sum(name in rows for name in paid_for) > 1}
    if not known or not quality:
        return []
    titles = {task: f"{task}\n{found.leading(task)}" for task in quality}
    draw_costs(folder / "cost.png", known, quality, titles)
    return ["cost.png"]


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the comparison of the given models; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program("compare"), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "models",
        nargs="+",
        metavar="MODEL",
        help="runs/NAME (its adapter), NAME:base, NAME:teacher, a folder or file of lm-eval samples, a folder of "
        "`finsight-score --out`, or an accepted baseline; NAME=MODEL gives it a name of its own",
    )
    parser.add_argument("--task", action="append", default=[], help="compare on this task only (may be repeated)")
    parser.add_argument("--reference", help="the model to hold the others against (default: the highest of each task)")
    parser.add_argument("--runs", type=Path, default=stage.RUNS, help="folder of all runs (default: runs)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"the page to write (default: {OUT})")
    options = parser.parse_args(argv)
    if options.out.suffix != ".md":
        raise InputError(
            f"--out {options.out}: a page NAME.md is expected; its pictures go to the folder NAME beside it"
        )
    contenders = with_teacher([contender(given, options.runs, options.task) for given in options.models])
    tasks = common_tasks(contenders, options.task)
    found = comparison_of(contenders, tasks, options.reference)
    pictures = draw(found, options.out.with_suffix(""))
    write_text(options.out, page(found, options.out.stem, pictures))
    shown = sum(pair.shown() for pair in found.pairs)
    print(
        f"[compare] {len(contenders)} models, {len(tasks)} tasks: {shown} of {found.tested()} differences shown -> "
        f"{options.out}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
