"""Published figures on the public sets, each with its kind of F1 and what became of answers that could not be read.

    Published("FinGPT v3.3 13B", {"fpb": 0.882, "fiqa": 0.874, "tfns": 0.903, "nwgi": 0.643}, ...)

They are other people's, on their prompts and splits, and stand beside our figures for orientation only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from finsight_eval.escape import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FINGPT: Final = "FinGPT, sentiment benchmark of its README (2023-24)"
_AS_NEUTRAL: Final = "counts as neutral"


@dataclass(frozen=True)
class Published:
    """One published system.

    Attributes:
        figures: public set -> the figure.
        kind: which F1 it is.
        unreadable: what the scorer did with an answer in which it found no label.
    """

    name: str
    figures: Mapping[str, float]
    source: str
    kind: str = "weighted F1"
    unreadable: str = _AS_NEUTRAL


PUBLISHED: Final = (
    Published("FinGPT v3.3 13B", {"fpb": 0.882, "fiqa": 0.874, "tfns": 0.903, "nwgi": 0.643}, _FINGPT),
    Published("FinGPT v3.2 7B", {"fpb": 0.850, "fiqa": 0.860, "tfns": 0.894, "nwgi": 0.636}, _FINGPT),
    Published(
        "FinBERT",
        {"fpb": 0.880, "fiqa": 0.596, "tfns": 0.733, "nwgi": 0.538},
        _FINGPT,
        unreadable="none: a classifier, trained on FPB",
    ),
    Published("GPT-4", {"fpb": 0.833, "fiqa": 0.630, "tfns": 0.808}, _FINGPT),
    Published("Llama2-7B", {"fpb": 0.390, "fiqa": 0.800, "tfns": 0.296, "nwgi": 0.503}, _FINGPT),
)


@dataclass(frozen=True)
class Measured:
    """One system of a run beside the published ones; `cells` maps a public set to a table cell with interval and n."""

    name: str
    kind: str
    unreadable: str
    cells: Mapping[str, str]


def published_table(sets: Sequence[str], measured: Sequence[Measured] = ()) -> str:
    """Return the published figures on `sets` as a Markdown table below the measured ones; n/a where there are none."""
    shown = [
        name
        for name in sets
        if any(name in one.figures for one in PUBLISHED) or any(name in one.cells for one in measured)
    ]
    if not shown:
        return "n/a (no published figure on these sets is recorded)"
    ours = [
        (f"**{one.name}**", one.kind, one.unreadable, "this run", *(one.cells.get(name, "n/a") for name in shown))
        for one in measured
    ]
    rows = [
        (one.name, one.kind, one.unreadable, one.source, *(_cell(one.figures.get(name)) for name in shown))
        for one in PUBLISHED
        if any(name in one.figures for name in shown)
    ]
    head = ("system" if measured else "published", "kind", "an unreadable answer", "source", *shown)
    return table(head, [*ours, *rows], numbers=len(shown))


def _cell(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
