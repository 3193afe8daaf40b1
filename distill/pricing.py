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
    moment = datetime.fromisoformat(at)
    peak = moment.weekday() < _SATURDAY and moment.hour in recipe.peak_hours
    return price / 1e6 * (recipe.peak_factor if peak else 1.0)


def account(rows: Iterable[dict[str, Any]], recipe: Recipe) -> dict[str, Any]:
    """Return the sums over journal rows: attempts, tokens, USD, and how many answers named which model and end."""
    attempts = unmetered = prompt = cached = completion = 0
    usd = 0.0
    served: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for row in rows:
        response = row["response"]
        attempts += row["attempts"]
        served[str(response.get("model"))] += 1
        ends[str(response["choices"][0].get("finish_reason"))] += 1
        used = usage_of(response)
        if used is None:
            unmetered += 1
            continue
        prompt, cached, completion = prompt + used.prompt, cached + used.cached, completion + used.completion
        usd += dollars(used, row["at"], recipe)
    return {
        "attempts": attempts,
        "prompt_tokens": prompt,
        "cached_tokens": cached,
        "completion_tokens": completion,
        "unmetered": unmetered,
        "usd": round(usd, 6),
        "served_models": dict(sorted(served.items())),
        "finish_reasons": dict(sorted(ends.items())),
    }
