"""What the stored answers used and cost.

    {"usage": {"prompt_tokens": 420, "prompt_cache_hit_tokens": 384, "completion_tokens": 310}} -> Usage(420, 384, 310)

Providers report the cached part of the prompt in one of two places. An answer without usage is counted as unmetered:
its cost is unknown, not zero.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distill.recipe import Recipe

_SATURDAY: Final = 5
_PARTS: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cache_hit_tokens", "prompt_cache_miss_tokens"),
)
_COUNTED: Final = ("answers", "unmetered", "prompt_tokens", "cached_tokens", "completion_tokens")


class Usage(NamedTuple):
    """Tokens of one answer; `cached` is the part of `prompt` that the provider had seen before."""

    prompt: int
    cached: int
    completion: int


def usage_of(response: dict[str, Any]) -> Usage | None:
    """Return the tokens that a stored response reports, or None where it reports none."""
    usage = response.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    nested = details.get("cached_tokens") if isinstance(details, dict) else None
    cached = _count(usage.get("prompt_cache_hit_tokens")) or _count(nested) or 0
    return Usage(prompt, min(cached, prompt), completion)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def dollars(usage: Usage, at: str, recipe: Recipe) -> float:
    """Return the price in USD of one answer that arrived at `at` (ISO 8601, UTC)."""
    fresh = usage.prompt - usage.cached
    price = (
        fresh * recipe.prompt_price + usage.cached * recipe.cached_price + usage.completion * recipe.completion_price
    )
    return price / 1e6 * (recipe.peak_factor if is_peak(at, recipe) else 1.0)


def is_peak(at: str, recipe: Recipe) -> bool:
    """Tell whether `at` (ISO 8601, UTC) is a peak hour of the price table."""
    moment = datetime.fromisoformat(at)
    return moment.weekday() < _SATURDAY and moment.hour in recipe.peak_hours


def adds_up(response: dict[str, Any]) -> bool:
    """Tell whether the parts of the usage that a response reports make up its own totals, those that it reports."""
    usage = response.get("usage") or {}
    parts = {name: _count(usage.get(name)) for name in _PARTS}
    prompt, completion, total = parts["prompt_tokens"], parts["completion_tokens"], parts["total_tokens"]
    hit, missed = parts["prompt_cache_hit_tokens"], parts["prompt_cache_miss_tokens"]
    if None not in (prompt, completion, total) and total != (prompt or 0) + (completion or 0):
        return False
    return None in (prompt, hit, missed) or prompt == (hit or 0) + (missed or 0)


class Ledger:
    """The stored answers of a run, booked one by one: sums over all, and a line for each day, model, kind and tariff.

    {"day": "2026-11-23", "model": "deepseek-flash", "kind": "reasoned", "peak": false, "answers": 812, "unmetered": 0,
     "prompt_tokens": 341040, "cached_tokens": 311808, "completion_tokens": 243600, "usd": 0.151481}

    The lines add up to the sums, to the last digit of a millionth of a dollar; both are made of the usage that the
    endpoint returned with each answer. `misstated` counts answers whose usage contradicts itself.
    """

    def __init__(self, recipe: Recipe) -> None:
        """Begin with no answer booked."""
        self._recipe = recipe
        self._lines: dict[tuple[str, str, str, bool], list[int]] = {}
        self._dollars: dict[tuple[str, str, str, bool], float] = {}
        self._attempts = self._misstated = 0
        self._ends: Counter[str] = Counter()

    def book(self, row: dict[str, Any]) -> None:
        """Book one stored answer."""
        response = row["response"]
        self._attempts += row["attempts"]
        self._ends[str(response["choices"][0].get("finish_reason"))] += 1
        self._misstated += not adds_up(response)
        day, peak = row["at"][:10], is_peak(row["at"], self._recipe)
        line = (day, str(response.get("model")), str(row.get("kind", "reasoned")), peak)
        counts = self._lines.setdefault(line, [0] * len(_COUNTED))
        used = usage_of(response)
        for place, count in enumerate((1, used is None, *(used or (0, 0, 0)))):
            counts[place] += count
        self._dollars[line] = self._dollars.get(line, 0.0) + (dollars(used, row["at"], self._recipe) if used else 0.0)

    def sums(self) -> dict[str, Any]:
        """Return attempts, tokens, USD, which models answered how often and how, and the lines."""
        totals = dict(zip(_COUNTED, map(sum, zip(*self._lines.values(), strict=True)), strict=False))
        served: Counter[str] = Counter()
        for (_, model, _, _), counts in self._lines.items():
            served[model] += counts[0]
        lines = [
            {"day": day, "model": model, "kind": kind, "peak": peak}
            | dict(zip(_COUNTED, counts, strict=True))
            | {"usd": round(self._dollars[day, model, kind, peak], 6)}
            for (day, model, kind, peak), counts in sorted(self._lines.items())
        ]
        return {
            "attempts": self._attempts,
            **{name: totals.get(name, 0) for name in _COUNTED[2:]},
            "unmetered": totals.get("unmetered", 0),
            "misstated": self._misstated,
            "usd": round(sum(round(part, 6) for part in self._dollars.values()), 6),
            "served_models": dict(sorted(served.items())),
            "finish_reasons": dict(sorted(self._ends.items())),
            "ledger": lines,
        }


def account(rows: Iterable[dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """Return the sums over journal rows: attempts, tokens, USD, models and ends with their numbers, and the ledger."""
    ledger = Ledger(recipe)
    for row in rows:
        ledger.book(row)
    return ledger.sums()
