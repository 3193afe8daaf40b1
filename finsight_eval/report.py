"""The report: did training make the model better, by how much, how sure are we, and may it ship?

    python -m finsight_eval.report --recipe nano

It turns the products of a run into reports/nano.md and reports/nano/*.png, each picture for light pages and for dark
ones, and into reports/nano.html: the same page in one file, with a table of all items. The same run gives the same
bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import compare, manifest, stage, suite
from finsight_eval.errors import command, verb
from finsight_eval.html.page import html_page, parts_digest
from finsight_eval.jsonl import write_bytes, write_text
from finsight_eval.reporting.data import OPTIONAL, REQUIRED, STAGES, read_run
from finsight_eval.reporting.pictures import draw
from finsight_eval.reporting.sections import page

if TYPE_CHECKING:
    from collections.abc import Sequence


def publish(made: Path, reports: Path, name: str) -> None:
    """Copy the page and its pictures to `reports`, touching only what changed and removing pictures no longer drawn."""
    wanted = {reports / path.relative_to(made): path.read_bytes() for path in manifest.files_below(made)}
    for stale in set((reports / name).glob("*.png")) - set(wanted):
        stale.unlink()
    for path, data in wanted.items():
        if not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data)


def _plan(run: Path) -> stage.Plan:
    inputs = {name: run / name for name in (*REQUIRED, *(name for name in OPTIONAL if (run / name).exists()))}
    sources = {f"{name} made": path for name in STAGES if (path := run / name / manifest.NAME).is_file()}
    settings = {"html": parts_digest()}
    return stage.Plan("report", run / "report", "finsight_eval.report", inputs, sources, settings)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the report of a run, or compare models; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if other := verb(arguments, {"compare": compare.main}, "finsight-report"):
        return other(arguments[1:])
    parser = stage.arguments(
        "Write the report of a run: Markdown and pictures, and both as one HTML file.", suite.FOLDER
    )
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where the page goes (default: reports)")
    parser.epilog = "finsight-report compare --help: any number of models on one page"
    options = parser.parse_args(arguments)
    run = stage.run_folder(options.runs, options.recipe)

    def build(out: Path) -> tuple[str, dict[str, Any]]:
        read = read_run(run)
        pictures = draw(read, out / read.name)
        text = page(read, pictures)
        write_text(out / f"{read.name}.md", text)
        files = {path.relative_to(out).as_posix(): path.read_bytes() for path in (out / read.name).glob("*.png")}
        write_text(out / f"{read.name}.html", html_page(read, text, files))
        return f"{options.reports / read.name}.md and {len(pictures)} pictures", {"pictures": len(pictures)}

    stage.run(_plan(run), build)
    publish(run / "report", options.reports, run.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
