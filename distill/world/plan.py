"""Plans of stories: who, what, with which labels, told by which sentences; names and words are drawn later.

    Plan(tier="hedged", event="product_recall", sector="automobiles", order=1, features=("rumour",),
         outcome=Outcome("Neutral", "Medium", ...), lines=[Line(("Talk of {noun} at {co} went round ...", ...), ...)])

A line names a pool of templates and not yet one of them, so that a plan can be weighed before anything is written out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from distill.world.catalogue import Event, events
from distill.world.consequences import ACCOUNTS
from distill.world.phrases import frames

if TYPE_CHECKING:
    import random

    from distill.world.consequences import Outcome

SMALL: Final = (1, 4)
LARGE: Final = (15, 45)
#: Events that a tier's own sentences go with; a test holds the names against the catalogue.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    # can come to an end
    "incident": (
        "lawsuit_filed", "accounting_probe", "regulatory_fine", "antitrust_case", "product_recall", "plant_fire",
        "strike_called", "cyber_breach", "input_shortage",
    ),
    # can be charged to the accounts
    "expense": ("lawsuit_filed", "regulatory_fine", "product_recall", "plant_fire", "strike_called"),
    # can be what a routine check looks for
    "checked": ("accounting_probe", "regulatory_fine", "antitrust_case", "product_recall", "cyber_breach"),
    # can turn out to cost very little
    "bounded": (
        "product_recall", "product_delay", "lawsuit_filed", "regulatory_fine", "cyber_breach", "minor_disruption",
    ),
    # brings money in
    "income": ("subsidy_granted", "contract_win", "demand_surge", "product_launch_success", "first_revenue_pending"),
    # can be financed by a gamble or hang on a condition
    "undertaking": (
        "contract_win", "product_launch_success", "trial_success", "approval_granted", "capacity_expansion",
        "first_revenue_pending",
    ),
}  # fmt: skip


@dataclass(slots=True)
class Line:
    """One sentence to be: the templates to draw from, whom {co} stands for, and values for the other placeholders."""

    pool: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    about_other: bool = False


@dataclass(slots=True)
class Plan:
    """A story before its names and words are drawn; `other_sector` asks for a second company."""

    tier: str
    event: str
    sector: str
    outcome: Outcome
    lines: list[Line]
    order: int = 1
    features: tuple[str, ...] = ()
    other_sector: str | None = None
    product: str | None = None
    distractors: int = 0


@dataclass(frozen=True)
class World:
    """The catalogue and the frames as one split sees them, in one language."""

    split: str
    lang: str

    def line(self, slot: str, *, about_other: bool = False, **values: str) -> Line:
        return Line(frames()[self.lang][slot][self.split], values, about_other)

    def noun(self, rng: random.Random, event: Event) -> str:
        return rng.choice(event.noun[self.lang][self.split])

    def drawn(self, rng: random.Random, slot: str, **values: str) -> str:
        return rng.choice(frames()[self.lang][slot][self.split]).format(**values)


@cache
def pool_of(name: str, lang: str, split: str, figure: bool | None) -> tuple[str, ...]:
    """Return the phrases of an event with (True), without (False) or regardless of (None) a figure; may be empty."""
    phrases = events()[name].phrases[lang][split]
    return phrases if figure is None else tuple(p for p in phrases if ("{pct}" in p) == figure)


@cache
def select(kind: str) -> tuple[tuple[Event, str], ...]:
    """Return the (event, grade) pairs of a group, or the (un)graded, good, bad, sided; (event, role) for spread."""
    if kind in GROUPS:
        return tuple((events()[name], "small" if events()[name].graded else "any") for name in GROUPS[kind])
    if kind == "spread":
        return tuple((event, role) for event in events().values() for role in event.spread)
    pairs = [(event, grade) for event in events().values() for grade in event.labels]
    if kind in {"graded", "ungraded"}:
        return tuple((event, grade) for event, grade in pairs if event.graded == (kind == "graded"))
    sides = {"good": ("Positive",), "bad": ("Negative",)}.get(kind, ("Positive", "Negative"))
    return tuple((event, grade) for event, grade in pairs if event.labels[grade].sentiment in sides)


def figure(rng: random.Random, span: tuple[int, int]) -> str:
    """Return a percentage within `span`, now and then with one decimal."""
    whole = rng.randint(*span)
    return f"{whole}.{rng.randint(1, 9)}" if whole < span[1] and rng.random() < 0.3 else str(whole)


def told(
    rng: random.Random, world: World, event: Event, grade: str, *, other: bool = False
) -> tuple[list[Line], tuple[str, ...]]:
    """Return the lines that tell an event at its grade, figure or word included, and the features that follow."""
    label = event.labels[grade]
    if not event.graded:
        values = {"pct": figure(rng, label.pct)} if label.pct else {}
        return [Line(pool_of(event.name, world.lang, world.split, None), values, other)], ()
    span = label.pct or SMALL
    with_figure = pool_of(event.name, world.lang, world.split, figure=True)
    without = pool_of(event.name, world.lang, world.split, figure=False)
    way = rng.random()
    if with_figure and (not without or way < 0.4):
        return [Line(with_figure, {"pct": figure(rng, span)}, other)], ("numbers",)
    stem = "gap" if event.family in ACCOUNTS else "scale"
    if way < 0.7:
        size = world.line(f"{stem}_figure", about_other=other, pct=figure(rng, span))
        return [Line(without, {}, other), size], ("numbers",)
    return [Line(without, {}, other), world.line(f"{stem}_{grade}", about_other=other)], ("scale",)
