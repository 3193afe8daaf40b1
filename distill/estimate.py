"""What a run will cost, before a cent is spent: the questions that are not stored yet, counted and priced.

    to ask        48,210 questions; 512 are stored already
    prompts       21.4M tokens, 15.0M of them the shared prefix (estimate: within 9 %)
    answers       14.5M tokens, 300 each (the recipe's figure: fewer than 30 answers are stored)
    cost          10.34 USD off-peak, 20.68 at peak; 12.55 and 25.10 where no prefix is cached
    at most       61.20 USD: every answer as long as max_tokens allows, at peak, a token for every byte

Once 30 answers of this teacher are stored, their mean length and the ratio of its own token count to the estimate are
used. Retries of what an endpoint charges without answering are in no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from distill.pricing import is_peak, usage_of
from distill.purse import most_dollars
from distill.tokens import ERROR, tokens_in
from finsight_eval.errors import printable
from finsight_eval.prompt import teacher_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from distill.asking import Ask
    from distill.recipe import Recipe
    from finsight_eval.jsonl import Row

ENOUGH: Final = 30
_SHOWN: Final = 3
_LONGEST_SHOWN: Final = 6_000


class Answered(Protocol):
    """What knows which questions have an answer."""

    def __contains__(self, key: str) -> bool:
        """Tell whether there is an answer under `key`."""


@dataclass(frozen=True)
class Experience:
    """What the stored answers of a teacher say: how many there are, their mean length, its tokens for one of ours."""

    answers: int
    completion_tokens: float
    ratio: float


@dataclass(frozen=True)
class Estimate:
    """The questions of a run, in tokens and dollars."""

    questions: int
    stored: int
    prompt_tokens: float
    prefix_tokens: float
    completion_tokens: float
    most_usd: float
    experience: Experience


def experience(rows: Iterable[tuple[Row, str]], recipe: Recipe) -> Experience:
    """Return what (stored row, its prompt) pairs say; too few of them say nothing, and the recipe speaks."""
    answers = given = counted = guessed = 0.0
    for row, asked in rows:
        if used := usage_of(row["response"]):
            answers, given, counted = answers + 1, given + used.completion, counted + used.prompt
            guessed += tokens_in(asked)
    if answers < ENOUGH or not guessed:
        return Experience(int(answers), recipe.completion_tokens, 1.0)
    return Experience(int(answers), given / answers, counted / guessed)


def estimate(asks: Iterable[Ask], store: Answered, recipe: Recipe, known: Experience) -> Estimate:
    """Return what the questions in `asks` will take, those apart whose answers are stored."""
    prefix = tokens_in(teacher_prompt("").partition("\n\nNews:")[0]) * known.ratio
    questions = stored = 0
    prompt = answers = most = 0.0
    for ask in asks:
        if ask.key in store:
            stored += 1
            continue
        questions += 1
        prompt += sum(tokens_in(str(message["content"])) for message in ask.messages) * known.ratio
        answers += min(known.completion_tokens, int(ask.settings.get("max_tokens", recipe.max_tokens)))
        most += most_dollars(ask, recipe)
    return Estimate(questions, stored, prompt, min(prefix * questions, prompt), answers, most, known)


def dollars_of(found: Estimate, recipe: Recipe, *, cached: bool) -> float:
    """Return the cost off-peak, with the shared prefix `cached` for every question or for none."""
    known = found.prefix_tokens if cached else 0.0
    fresh = found.prompt_tokens - known
    price = fresh * recipe.prompt_price + known * recipe.cached_price
    return (price + found.completion_tokens * recipe.completion_price) / 1e6


def said(found: Estimate, recipe: Recipe, now: datetime) -> str:
    """Return the estimate as lines for the screen."""
    known, each = found.experience, found.completion_tokens / max(1, found.questions)
    measured = known.answers >= ENOUGH
    counts = f"as {known.answers:,} stored answers count" if measured else f"estimate: within {ERROR:.0%}"
    source = f"the mean of {known.answers:,} stored answers" if measured else "the recipe's completion_tokens"
    warm, cold = (dollars_of(found, recipe, cached=cached) for cached in (True, False))
    peak = recipe.peak_factor
    tariff = "peak" if is_peak(now.astimezone(UTC).isoformat(), recipe) else "off-peak"
    lines = [
        ("to ask", f"{found.questions:,} questions; {found.stored:,} are stored already"),
        ("prompts", f"{_short(found.prompt_tokens)} tokens, {_short(found.prefix_tokens)} shared prefix ({counts})"),
        ("answers", f"{_short(found.completion_tokens)} tokens, {each:.0f} each ({source})"),
        ("cost", f"{warm:.4f} USD off-peak, {warm * peak:.4f} at peak (it is {tariff} now)"),
        ("", f"{cold:.4f} and {cold * peak:.4f} where the endpoint caches no prefix"),
        ("at most", f"{found.most_usd:.4f} USD: answers of max_tokens, at peak, a token for every byte of the prompts"),
        ("prices", f"of {recipe.price_date}; follow-up questions (up to {recipe.follow_ups} for a row) are not in it"),
    ]
    return "\n".join(f"{head:<10}{text}" for head, text in lines)


def rendered(asks: Callable[[], Iterator[Ask]], count: int) -> str:
    """Return the first, the middle and the last of `count` questions as they would be sent, safe for a terminal."""
    places = sorted({0, count // 2, count - 1})[:_SHOWN] if count else []
    parts = []
    for place in places:
        ask = next(islice(asks(), place, None))
        said_ = "\n\n".join(f"[{message['role']}]\n{_shown(str(message['content']))}" for message in ask.messages)
        parts.append(f"--- {place + 1:,} of {count:,}: {printable(ask.id)}, {ask.kind}\n{said_}")
    return "\n\n".join(parts)


def _shown(text: str) -> str:
    cut = f"\n... ({len(text):,} characters)" if len(text) > _LONGEST_SHOWN else ""
    return "\n".join(printable(line, _LONGEST_SHOWN) for line in text[:_LONGEST_SHOWN].split("\n")) + cut


def _short(count: float) -> str:
    return f"{count / 1e6:.1f}M" if count >= 1e6 else f"{count:,.0f}"
