"""Planted models, bad and honest, on the real benchmark items: what must be exposed, and what must be left alone.

    exposures(run_of(copies_one_label, seed=3))[0].name -> "copies the majority class"

A model is a function from an item and a generator to an answer. Replies are not rendered, so that
many runs take seconds.
"""

from __future__ import annotations

import functools
import random
from typing import TYPE_CHECKING

from finsight_eval import benchmark
from finsight_eval.exposing.trained import Trained
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.parse import Answer
from finsight_eval.reporting.data import Run
from finsight_eval.verdicts import Labels, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finsight_eval.records import Item

    Model = Callable[[Item, random.Random], Answer]
    Taught = tuple[Trained, ...] | None

TASKS = {
    "finsight": "news",
    "finsight_simulated": "simulated",
    "finsight_counterfactual": "counterfactual",
    "finsight_adversarial": "adversarial",
}


@functools.cache
def items_of(task: str) -> list[Item]:
    return benchmark.read(TASKS[task], "test")


@functools.cache
def taught() -> tuple[Trained, ...]:
    """Training rows with a reasoning of their own each; none of them resembles a benchmark item."""
    return tuple(
        Trained(
            f"{number} {number * 7919 % 1009} carts of turnips reached the market town of Oxmoor {number} before noon.",
            f"{number} carts -> {number * 31 % 977} turnips -> prices ease",
            f"Oxmoor Turnips {number}",
            SENTIMENTS[number % 3],
            RISK_LEVELS[number % 7 % 3],
        )
        for number in range(400)
    )


@functools.cache
def leaked(every: int = 8) -> tuple[Trained, ...]:
    """Training rows among which every eighth item of the hand-written news stands, with a few words changed."""
    rows = [
        Trained(f"Update: {item.text[:-6]}", f"{item.id} -> so", item.entity, item.sentiment, item.risk_level)
        for item in items_of("finsight")[::every]
    ]
    return (*taught(), *rows)


def templated() -> tuple[Trained, ...]:
    """Training rows of a teacher that has a dozen stock phrases, as the embedded one has."""
    return tuple(Trained(r.text, STOCK[i % 12], r.entity, r.sentiment, r.risk_level) for i, r in enumerate(taught()))


STOCK = tuple(f"stock phrase {number} -> owners gain" for number in range(12))


def said(item: Item, sentiment: str, risk_level: str, thinking: str = "") -> Answer:
    return Answer(thinking or f"{item.entity}, {item.id} -> orders", item.entity, sentiment, risk_level)


def slip(label: str, classes: Sequence[str], rng: random.Random, near: float = 0.5) -> str:
    """Return a wrong label; `near`: how often an end class slips by one step only."""
    if label == classes[1]:
        return rng.choice((classes[0], classes[2]))
    far = classes[2] if label == classes[0] else classes[0]
    return classes[1] if rng.random() < near else far


def honest(sentiment: float, risk: float, near: float = 0.5) -> Model:
    """Return a model of these accuracies whose errors are spread as `slip` does."""

    def model(item: Item, rng: random.Random) -> Answer:
        first = item.sentiment if rng.random() < sentiment else slip(item.sentiment, SENTIMENTS, rng, near)
        second = item.risk_level if rng.random() < risk else slip(item.risk_level, RISK_LEVELS, rng, near)
        return said(item, first, second)

    return model


def copies_one_label(item: Item, rng: random.Random) -> Answer:
    """Neutral and Low for all, but for one answer in twenty."""
    return random_labels(item, rng) if rng.random() < 0.05 else said(item, "Neutral", "Low")


def random_labels(item: Item, rng: random.Random) -> Answer:
    return said(item, rng.choice(SENTIMENTS), rng.choice(RISK_LEVELS))


def skewed_labels(item: Item, rng: random.Random) -> Answer:
    """At random, with a favourite among the labels: not one label for all."""
    return said(item, rng.choices(SENTIMENTS, (2, 5, 3))[0], rng.choices(RISK_LEVELS, (5, 2, 3))[0])


def neutral_when_unsure(item: Item, rng: random.Random) -> Answer:
    """Knows three items in five, fewer of the hard ones, and says Neutral or Medium to the rest."""
    is_hard = item.order > 1 or "hedge" in item.features
    known = [rng.random() < (0.45 if is_hard else 0.7) for _ in range(2)]
    return said(item, item.sentiment if known[0] else "Neutral", item.risk_level if known[1] else "Medium")


def knows_leaks_only(item: Item, rng: random.Random) -> Answer:
    """Perfect on the items that `leaked` holds, random on all others."""
    return said(item, item.sentiment, item.risk_level) if item.id in _leaked_ids() else random_labels(item, rng)


@functools.cache
def _leaked_ids() -> frozenset[str]:
    return frozenset(row.thinking.split(" ")[0] for row in leaked())


def recites_rows(item: Item, rng: random.Random) -> Answer:
    """Any training row, word by word, whatever the news."""
    row = rng.choice(taught())
    return Answer(row.thinking, row.entity, row.sentiment, row.risk_level)


def recites_reasonings(item: Item, rng: random.Random) -> Answer:
    """Decent labels, the right company, and the reasoning of any training row."""
    answer = honest(0.7, 0.7)(item, rng)
    return said(item, answer.sentiment, answer.risk_level, rng.choice(taught()).thinking)


def speaks_in_stock_phrases(item: Item, rng: random.Random) -> Answer:
    answer = honest(0.7, 0.7)(item, rng)
    return said(item, answer.sentiment, answer.risk_level, rng.choice(STOCK))


def run_of(
    model: Model,
    seed: int,
    tasks: Sequence[str] = ("finsight",),
    trained: Taught = None,
    teacher: Model | None = None,
) -> Run:
    """Return a run whose adapter is `model`; everything that the exposures do not ask for is empty."""
    rng = random.Random(seed)
    found: dict[str, list[Verdict]] = {}
    for task in tasks:
        found[task] = []
        for item in items_of(task):
            answer = model(item, rng)
            lesson = teacher(item, rng) if teacher else None
            labels = Labels(lesson.sentiment, lesson.risk_level) if lesson else None
            found[task].append(Verdict(item, "", answer, answer, labels))
    rows = taught() if trained is None else trained
    return Run("nano", {}, {"adapter": found}, {}, [], [], [], None, {}, trained=rows)
