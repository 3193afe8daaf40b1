"""The report: did training make the model better, by how much, how sure are we, and may it ship?

    python -m finsight_eval.report --recipe nano

It turns the products of a run into reports/nano.md and reports/nano/*.png. The same run gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from finsight_eval import manifest, metrics, stage, suite
from finsight_eval.errors import command
from finsight_eval.gate_page import checks_table
from finsight_eval.jsonl import write_bytes, write_text
from finsight_eval.public import PUBLIC
from finsight_eval.published import published_table
from finsight_eval.report_answer import answer
from finsight_eval.report_data import COMPARED, MODELS, OPTIONAL, REQUIRED, STAGES, TASK_TITLES, Run, read_run
from finsight_eval.report_making import making
from finsight_eval.report_tables import classes_table, headline_table, reasons_table, slices_table, task_heading
from finsight_eval.report_warnings import LOOKED_FOR, warnings
from finsight_eval.report_words import WORST, showcase, worst_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

_READING = """\
Figures are strict (a reply that breaks the form counts as wrong everywhere) unless the name says lenient. Brackets \
hold 95 % intervals: Wilson's for rates, the bootstrap over items for F1 and kappa, not adjusted for the number of \
figures. Differences are paired, item by item. n is that of the heading unless a cell says otherwise."""


def page(run: Run, pictures: Sequence[str]) -> str:
    """Return the report as Markdown; `pictures` are the names of those that were drawn."""
    sections = [
        ("The gate's verdict", checks_table(run.gate["checks"])),
        ("Figures", _figures(run, pictures)),
        *_published(run),
        ("Training", _picture(run, pictures, "loss.png", "Training loss by step", "no train/loss.jsonl in the run")),
        ("What is taken for what", _confusions(run, pictures)),
        ("Replies that could not be read", reasons_table(run)),
        ("Where the adapter is good and where not", _each(run, slices_table)),
        ("Before and after", showcase(run)),
        (f"The adapter's {WORST} worst errors", worst_errors(run)),
        ("Warnings", _warnings(run)),
        ("How it was made", making(run)),
    ]
    head = f"# FinSight report: `{run.name}`\n\n{answer(run)}"
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections)
    return f"{head}\n\n{body}\n\n_Written by `python -m finsight_eval.report --recipe {run.name}`; not to be edited._\n"


def _figures(run: Run, pictures: Sequence[str]) -> str:
    chart = _picture(run, pictures, "intervals.png", "Headline figures with 95 % intervals", "no figures")
    return f"{_READING}\n\n{_each(run, headline_table)}\n\n{chart}"


def _published(run: Run) -> list[tuple[str, str]]:
    """Return the section on published figures where the run measured a public set."""
    sets = [name for name in PUBLIC if f"finsight_{name}" in run.tasks()]
    return [("Published figures on the public sets", published_table(sets))] if sets else []


def _confusions(run: Run, pictures: Sequence[str]) -> str:
    parts = []
    for task in run.tasks():
        title = f"Gold against the models' answers, {TASK_TITLES.get(task, task)}"
        parts.append(_picture(run, pictures, f"confusion_{task}.png", title, "no items were scored"))
    return "\n\n".join([*parts, _each(run, classes_table)])


def _each(run: Run, section: Any) -> str:
    return "\n\n".join(f"### {task_heading(run, task)}\n\n{section(run, task)}" for task in run.tasks())


def _picture(run: Run, pictures: Sequence[str], name: str, title: str, missing: str) -> str:
    return f"![{title}]({run.name}/{name})" if name in pictures else f"{title}: n/a ({missing})"


def _warnings(run: Run) -> str:
    found = warnings(run)
    return "\n".join(f"- {text}" for text in found) if found else f"None. Looked for: {LOOKED_FOR}."


def draw(run: Run, folder: Path) -> list[str]:
    """Draw the pictures of a run into `folder` and return their names."""
    from finsight_eval.plots import draw_confusions, draw_intervals, draw_loss

    names = (*metrics.HEADLINE, "entity_accuracy")
    panels = {}
    for task in run.tasks():
        cards = {model: card for model in MODELS if (card := run.card(model, task))}
        known = [name for name in names if any(card["metrics"][name]["n"] for card in cards.values())]
        shown = {model: {name: card["metrics"][name] for name in known} for model, card in cards.items()}
        panels[f"{TASK_TITLES.get(task, task)}, n {cards['adapter']['n']}"] = shown
    draw_intervals(folder / "intervals.png", panels)
    if run.losses:
        draw_loss(folder / "loss.png", run.losses)
    for task in run.tasks():
        tables = {
            model: card["confusion"] for model in COMPARED if "confusion" in (card := run.card(model, task) or {})
        }
        if tables:
            draw_confusions(folder / f"confusion_{task}.png", tables)
    return sorted(path.name for path in folder.glob("*.png"))


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
    return stage.Plan("report", run / "report", "finsight_eval.report", inputs, sources)


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Write the report of a run; returns the exit code."""
    parser = stage.arguments("Write the report of a run: Markdown and pictures.", suite.FOLDER)
    parser.add_argument("--reports", type=Path, default=Path("reports"), help="where the page goes (default: reports)")
    options = parser.parse_args(argv)
    run = stage.run_folder(options.runs, options.recipe)

    def build(out: Path) -> tuple[str, dict[str, Any]]:
        read = read_run(run)
        pictures = draw(read, out / read.name)
        write_text(out / f"{read.name}.md", page(read, pictures))
        return f"{options.reports / read.name}.md and {len(pictures)} pictures", {"pictures": len(pictures)}

    stage.run(_plan(run), build)
    publish(run / "report", options.reports, run.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
