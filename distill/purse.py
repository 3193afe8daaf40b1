"""What a run has spent, and the budget that it never exceeds, whatever is in flight.

    purse = Purse(recipe, budget=2.00, spent=0.0213)
    purse.may_ask(ask)      True: the most that this question can cost is set aside; False: the rest does not hold it
    purse.settle(ask, row)  its place is taken by what the endpoint charged
    purse.line()            "0.0213 of 2.00 USD"

Set aside are a token for every byte of the prompt, none of them cached, and max_tokens of answer, at the dearer tariff:
more than a question can cost by the price table. An answer without usage, and an attempt that ended without an answer
but may have been charged, count with all that was set aside. Should an endpoint charge more than that (a hidden system
prompt), all later questions set aside as much more. Answers of earlier runs in the same store count as spent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from distill.pricing import dollars, usage_of
from distill.tokens import most_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distill.asking import Ask
    from distill.recipe import Recipe
    from finsight_eval.jsonl import Row

#: What a chat template adds to a conversation: some twenty tokens in those that we know.
_TEMPLATE_TOKENS: Final = 64


class Purse:
    """The purse of one run (`distill.asking.Purse`)."""

    def __init__(self, recipe: Recipe, budget: float | None = None, spent: float = 0.0) -> None:
        """Begin with `spent` USD gone of `budget`; None: there is no limit."""
        self._recipe, self._budget = recipe, budget
        self.spent = spent
        self._aside: dict[str, float] = {}
        self._reserved = 0.0
        self._factor = 1.0
        #: Whether the shared prefix of all prompts is cheaper once it is cached, so that it pays to warm it up.
        self.warms_up = recipe.cached_price < recipe.prompt_price

    def may_ask(self, ask: Ask) -> bool:
        """Set aside the most that `ask` can cost and return True; False where the budget does not hold it."""
        if self._budget is None or ask.key in self._aside:
            return True
        most = most_dollars(ask, self._recipe) * self._factor
        if self.spent + self._reserved + most > self._budget:
            return False
        self._aside[ask.key] = most
        self._reserved += most
        return True

    def usd(self, response: Row, at: str) -> float | None:
        """Return the price of a response that arrived at `at` (ISO 8601, UTC); None where it reports no usage."""
        used = usage_of(response)
        return None if used is None else round(dollars(used, at, self._recipe), 9)

    def lost(self, ask: Ask) -> None:
        """Count what was set aside as spent, for an attempt that may be charged without an answer; `may_ask` again."""
        self.spent += self._freed(ask)

    def settle(self, ask: Ask, row: Row | None) -> None:
        """Give back what was set aside for `ask` and book the stored `row`; None: it failed without being charged."""
        most = self._freed(ask)
        if row is None:
            return
        cost = most if row["usd"] is None else row["usd"]
        self.spent += cost
        if most and cost > most:
            self._factor *= cost / most

    def _freed(self, ask: Ask) -> float:
        most = self._aside.pop(ask.key, 0.0)
        self._reserved = self._reserved - most if self._aside else 0.0
        return most

    def line(self) -> str:
        """Return what was spent, and of how much."""
        return f"{self.spent:.4f} USD" if self._budget is None else f"{self.spent:.4f} of {self._budget:.2f} USD"


def most_dollars(ask: Ask, recipe: Recipe) -> float:
    """Return a price that `ask` cannot exceed under the price table of `recipe`."""
    prompt = sum(most_tokens(str(message["content"])) for message in ask.messages) + _TEMPLATE_TOKENS
    answer = int(ask.settings.get("max_tokens", recipe.max_tokens))
    dearest = max(recipe.prompt_price, recipe.cached_price)
    return (prompt * dearest + answer * recipe.completion_price) / 1e6 * max(1.0, recipe.peak_factor)


def spent_in(rows: Iterable[Row], recipe: Recipe) -> float:
    """Return what stored answers cost; one that reports no usage counts as long as max_tokens allows."""
    total = 0.0
    for row in rows:
        used = usage_of(row["response"])
        unknown = recipe.max_tokens * recipe.completion_price / 1e6 * max(1.0, recipe.peak_factor)
        total += dollars(used, row["at"], recipe) if used else unknown
    return total
