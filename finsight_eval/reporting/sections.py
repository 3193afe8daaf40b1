r"""The report's page: the answer, what decides, the evidence, the models' words, the method; each with a reading aid.

page(run, ["intervals.png", "loss.png"]) -> "# FinSight report: `nano`\n\n**Yes: the adapter is better ..."
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from finsight_eval.escape import inline
from finsight_eval.gating.page import checks_table
from finsight_eval.plotting.picture import file_name, markup
from finsight_eval.reporting.answer import answer
from finsight_eval.reporting.costs import costs_table, labelling_sentence
from finsight_eval.reporting.data import title_of
from finsight_eval.reporting.layout import Section, contents, folded
from finsight_eval.reporting.making import making
from finsight_eval.reporting.public_figures import public_sets, public_table
from finsight_eval.reporting.reliability import reliability, reliability_sentence
from finsight_eval.reporting.tables import (
    all_figures_table,
    classes_table,
    headline_table,
    plain_heading,
    reasons_table,
    slices_table,
    task_heading,
)
from finsight_eval.reporting.warnings import LOOKED_FOR, warnings
from finsight_eval.reporting.words import WORST, flips_section, showcase, worst_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.reporting.data import Run

_READING: Final = """\
Figures are strict (a reply that breaks the form counts as wrong everywhere) unless the name says lenient. Brackets \
hold 95 % intervals: Wilson's for rates, the bootstrap for F1 and kappa, items that belong together (a pair, the \
entities of one text) drawn together; they are not adjusted for the number of figures. Differences are paired, item by \
item. n is that of the heading unless a cell says otherwise. Macro F1 is the mean over the classes, weighted F1 weighs \
them by share; FinGPT's scorer takes an unreadable answer for neutral. Kappa is agreement beyond chance: 0 is what \
chance gives, 1 is always right. There are two: where a model is exposed by name it is Cohen's, for which every wrong \
label is as wrong as any other; the figure `risk_kappa` is the quadratic one, for which High in place of Low is four \
times as wrong as a neighbouring level. So the two differ on the same answers: errors that are near misses raise the \
quadratic one, errors from end to end lower it. "p" is how often chance alone would show as large a difference: p < \
0.001 is less than once in 1,000 times."""


@dataclass(frozen=True)
class Series:
    """A picture per task, with the table that it was drawn from folded below it."""

    kind: str
    alt: str
    missing: str
    words: str
    table: Callable[[Run, str], str]


_SLICES: Final = Series("slices", "Figures by slice", "no slice is large enough", "All slices", slices_table)
_CONFUSIONS: Final = Series("confusion", "Gold against answers", "no answers", "By class", classes_table)


def page(run: Run, pictures: Sequence[str]) -> str:
    """Return the report as Markdown; `pictures` are the names of those that were drawn."""
    sections = [*_judgement(run, pictures), *_evidence(run, pictures), *_words(run), *_method(run, pictures)]
    parts = [f"# FinSight report: `{run.name}`", answer(run), contents(sections), *(one.text() for one in sections)]
    parts.append(f"_Written by `python -m finsight_eval.report --recipe {run.name}`; not to be edited._")
    return "\n\n".join(parts) + "\n"


def _judgement(run: Run, pictures: Sequence[str]) -> list[Section]:
    """Return what decides: the gate, the figures at a glance, what makes them suspicious."""
    chart = _picture(run, pictures, "intervals.png", "Headline figures with 95 % intervals")
    found = "\n".join(f"- {text}" for text in warnings(run)) or f"None. Looked for: {LOOKED_FOR}."
    return [
        Section(
            "The gate's verdict",
            "Each line is one demand of the policy; it passes where the whole 95 % interval lies on the right side of "
            "the bound.",
            checks_table(run.gate["checks"]),
        ),
        Section(
            "At a glance",
            "A mark is a score (1 is perfect), its line the 95 % interval: lines that lie apart differ beyond chance, "
            "and what does not clear the dashed tick is no better than always giving the most frequent label. The "
            "teacher is whom the adapter learnt from.",
            "\n\n".join([*chart, _each(run, headline_table), *_all_figures(run)]),
        ),
        Section("Warnings", "What makes a figure above suspicious, looked for every time.", found),
    ]


def _all_figures(run: Run) -> list[str]:
    return [
        folded(f"All figures: {inline(plain_heading(run, task))}", all_figures_table(run, task)) for task in run.tasks()
    ]


def _evidence(run: Run, pictures: Sequence[str]) -> list[Section]:
    reasons = _picture(run, pictures, "reasons.png", "Reasons why replies could not be read")
    agreement = _picture(run, pictures, "agreement.png", "Who is right where adapter and teacher agree and differ")
    cost = _picture(run, pictures, "cost.png", "Time against sentiment F1", "no times in the run")
    sections = [
        Section(
            "Where it is good and where not",
            "The adapter's figures by kind of news: a mark right of the line is better than the whole set, coloured "
            "where the whole interval is to one side. Of twenty such intervals one lies off by chance.",
            _each_picture(run, pictures, _SLICES),
        ),
        Section(
            "What is taken for what",
            "Each row holds the items of one gold label, each column what the model said: the diagonal is right, and "
            "a cell is the stronger the larger its share of the row. A model that answered nothing has no panel.",
            _each_picture(run, pictures, _CONFUSIONS),
        ),
        Section(
            "Replies that could not be read",
            "A reply that breaks the form is wrong in every strict figure; here is how many did and why.",
            "\n\n".join([*reasons, reasons_table(run)]),
        ),
        Section(
            "What agreement with the teacher is worth",
            "Agreement can be measured without gold labels; the gold labels here say what it stands for.",
            "\n\n".join([*agreement, _agreement(run)]),
        ),
        Section(
            "Cost and quality",
            "Better is up, cheaper is left; times are those of whole stages with loading the model, on the machine "
            "that ran them.",
            "\n\n".join([*cost, costs_table(run), labelling_sentence(run)]),
        ),
    ]
    return [*sections, *_published(run)]


def _published(run: Run) -> list[Section]:
    lead = (
        "Other people's figures come from their own prompts and splits, for orientation only; compare within one kind "
        "of F1 and one treatment of unreadable answers."
    )
    return [Section("Beside published figures", lead, public_table(run))] if public_sets(run) else []


def _words(run: Run) -> list[Section]:
    return [
        Section("Before and after", "The same news, answered without and with the adapter.", showcase(run)),
        Section(
            f"The adapter's {WORST} worst errors",
            "The readable answers furthest from the gold labels, the gravest first.",
            worst_errors(run),
        ),
        Section(
            "What broke and what was fixed",
            "An item is fixed where every label is now right and was not before, broken the other way round.",
            flips_section(run),
        ),
    ]


def _method(run: Run, pictures: Sequence[str]) -> list[Section]:
    curve = _picture(run, pictures, "loss.png", "Training loss by step", "no train/loss.jsonl in the run")
    bands = " Bands are 95 % intervals; the dev set's macro F1 has none." if run.devs else ""
    return [
        Section(
            "Training",
            f"A loss that falls fast and then flattens has learnt; one that ends at nought recites.{bands}",
            "\n\n".join(curve),
        ),
        Section("How to read the figures", _READING, ""),
        Section("How it was made", "What it takes to repeat the run.", making(run)),
    ]


def _agreement(run: Run) -> str:
    lines = []
    for task in run.tasks():
        found = reliability(run.verdicts["adapter"][task])
        words = reliability_sentence(found) if found else "n/a (the teacher has no answers to these items)"
        lines.append(f"- {title_of(task)}: {words}")
    return "\n".join(lines)


def _each(run: Run, section: Callable[[Run, str], str]) -> str:
    return "\n\n".join(f"### {task_heading(run, task)}\n\n{section(run, task)}" for task in run.tasks())


def _each_picture(run: Run, pictures: Sequence[str], series: Series) -> str:
    parts = []
    for task in run.tasks():
        title = f"{series.alt}, {title_of(task)}"
        parts += _picture(run, pictures, file_name(series.kind, task), title, series.missing)
        parts.append(folded(f"{series.words}: {inline(plain_heading(run, task))}", series.table(run, task)))
    return "\n\n".join(parts)


def _picture(run: Run, pictures: Sequence[str], name: str, title: str, missing: str = "") -> list[str]:
    """Return the line of a picture; where it was not drawn, what is missing, or nothing if the text below says it."""
    if name in pictures:
        return [markup(title, run.name, name)]
    return [f"{title}: n/a ({missing})"] if missing else []
