"""What replies cost: time of base and adapter from their evaluation, time and money of the teacher from its account.

Cost("adapter", 640, 89.7, None)    640 replies in 89.7 s, no price known
Cost("teacher", 1100, 5.1, 0.0)     priced by the recipe; answers stored before are paid for, but took no time now
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.escape import inline
from finsight_eval.reporting.data import COMPARED, title_of
from finsight_eval.reporting.layout import noted_table
from finsight_eval.reporting.numbers import number, shown

if TYPE_CHECKING:
    from finsight_eval.reporting.data import Run

_NO_PRICE: Final = "n/a (no price is recorded for a model that one runs oneself)"


@dataclass(frozen=True)
class Cost:
    """What one model's replies took.

    Attributes:
        timed: replies that were made in `seconds`, the whole stage with loading the model.
        usd: price of `priced` replies, None where it is unknown.
    """

    model: str
    timed: int
    seconds: float | None
    usd: float | None = None
    priced: int = 0

    def seconds_per_1000(self) -> float | None:
        return None if self.seconds is None or not self.timed else 1000 * self.seconds / self.timed

    def usd_per_1000(self) -> float | None:
        return None if self.usd is None or not self.priced else 1000 * self.usd / self.priced


def costs(run: Run) -> list[Cost]:
    """Return the costs of base, adapter and, where it was asked, the teacher."""
    found = [_own(run, model) for model in COMPARED]
    return [*found, _asked(run.manifests["teacher"])] if "teacher" in run.manifests else found


def _own(run: Run, model: str) -> Cost:
    cards = run.scores[model]["tasks"].values() if model in run.scores else ()
    made = run.manifests.get(f"eval/{model}", {})
    return Cost(model, sum(card["n"] + card["failed"] for card in cards), number(made.get("seconds")))


def _asked(manifest: dict[str, Any]) -> Cost:
    """Return the teacher's cost; an answer that came without its usage makes the price unknown, not smaller."""
    facts = manifest.get("facts", {})
    texts = int(number(facts.get("texts")) or 0)
    timed = number(facts.get("asked_now"))
    usd = None if facts.get("unmetered") else number(facts.get("usd"))
    return Cost("teacher", texts if timed is None else int(timed), number(manifest.get("seconds")), usd, texts)


def label(cost: Cost) -> str:
    """Return what the picture's legend says of a model."""
    usd = cost.usd_per_1000()
    return cost.model if usd is None else f"{cost.model} ({usd:.2f} USD per 1,000)"


def costs_table(run: Run) -> str:
    """Return time, price and sentiment F1 by model."""
    tasks = run.tasks()
    rows = []
    for cost in costs(run):
        seconds, usd = cost.seconds_per_1000(), cost.usd_per_1000()
        cards = [run.card(cost.model, task) for task in tasks]
        rows.append(
            (
                cost.model,
                f"{cost.timed:,}",
                "n/a (no time recorded)" if seconds is None else f"{seconds:.1f}",
                usd_cell(cost, usd),
                *(shown(card["metrics"]["sentiment_f1"] if card else None) for card in cards),
            )
        )
    head = (
        "model",
        "replies",
        "seconds per 1,000",
        "USD per 1,000",
        *(f"sentiment F1, {title_of(task)}" for task in tasks),
    )
    return noted_table(head, rows, numbers=3 + len(tasks))


def usd_cell(cost: Cost, usd: float | None) -> str:
    """Return the price per 1,000 replies, or why there is none."""
    if usd is not None:
        return f"{usd:.2f}"
    return "n/a (not every answer came with its usage)" if cost.model == "teacher" else _NO_PRICE


def training_seconds(train: dict[str, Any]) -> float | None:
    """Return what the training took: the steps alone, or the whole stage where no time of theirs is recorded."""
    steps = number(train.get("facts", {}).get("seconds"))
    return number(train.get("seconds")) if steps is None else steps


def labelling_sentence(run: Run) -> str:
    """Return what the training texts and the training took, once: n/a where the run does not say."""
    made = run.manifests.get("generate", {}).get("facts", {})
    texts, usd = number(made.get("texts")), number(made.get("usd"))
    price = (
        "n/a (no account)" if usd is None else f"{usd:.2f} USD (prices: {inline(str(made.get('price_date', 'n/a')))})"
    )
    if made.get("unmetered"):
        price = f"at least {price}: {int(made['unmetered']):,} answers came without their usage"
    count = f"the {int(texts):,} training texts" if texts else "the training texts"
    seconds = training_seconds(run.manifests.get("train", {}))
    trained = "n/a (trained elsewhere)" if seconds is None else f"{seconds:,.0f} s"
    return f"Paid once: the teacher's answers to {count}, {price}; training, {trained}."
