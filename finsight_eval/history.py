"""History: the accepted baselines of a recipe over time, and the run at hand.

    python -m finsight_eval.history --recipe nano

    | entry | finsight/sentiment_f1 | ...
    | 1 2026-11-22 | 0.410 (no interval recorded) | ...

It reads benchmarks/baselines/NAME.json and, where it is scored, runs/NAME, and writes reports/NAME-history.md and the
picture in reports/NAME-history/. The same entries give the same bytes.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from finsight_eval import policy, stage
from finsight_eval.comparing.history_data import changed, read_history
from finsight_eval.comparing.history_page import PICTURE, page
from finsight_eval.errors import command
from finsight_eval.jsonl import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.comparing.history_data import History


def draw(found: History, folder: Path) -> None:
    """Draw the figures over time into `folder`."""
    from finsight_eval.plotting.histories import draw_history

    keys, entries = found.measured(), found.entries
    titles = [" ".join(filter(None, (entry.title, entry.date))) for entry in entries]
    series = {key: [entry.figures.get(key) for entry in entries] for key in keys}
    draw_history(folder / PICTURE, titles, series, {key: joined(found, key) for key in keys})


def joined(found: History, key: str) -> set[int]:
    """Return the places of the entries that may be joined to the one before: known to be measured in the same way."""
    task = key.partition("/")[0]
    steps = enumerate(pairwise(found.entries), start=1)
    return {place for place, (before, after) in steps if changed(before, after, task) == []}


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the history of a recipe; returns the exit code."""
    parser = stage.arguments("Write the history of the accepted baselines of a recipe.", policy.FOLDER)
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where the page goes (default: reports)")
    options = parser.parse_args(argv)
    name = Path(options.recipe).stem
    found = read_history(policy.baseline_path(name), stage.run_folder(options.runs, options.recipe))
    folder = f"{name}-history"
    draw(found, options.reports / folder)
    write_text(options.reports / f"{folder}.md", page(found, folder))
    counts = f"{len(found.entries)} entries, {len(found.measured())} figures"
    print(f"[history] {name}: {counts} -> {options.reports}/{folder}.md")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
