"""Several samples of one row: the verdict that most of them give, and the share that gives it.

    agreed([Negative/High, Negative/High, Neutral/High, None, Negative/High], 5) -> Agreement(("Negative", "High"), 0.6)
    agreed([Negative/High, Neutral/High], 2) -> Agreement(None, 0.5): a tie is no majority

A sample without a usable answer votes for nobody and counts all the same: an agreement among the few that kept the form
would look better than it is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.parse import Answer


class Agreement(NamedTuple):
    """The labels that won, None after a tie or without a vote; their share of all samples; all votes in words."""

    labels: tuple[str, str] | None
    share: float
    votes: str


def agreed(answers: Sequence[Answer | None], samples: int) -> Agreement:
    """Return what `samples` samples agree on, of which `answers` could be used (or not: None)."""
    votes = Counter((answer.sentiment, answer.risk_level) for answer in answers if answer)
    ranked = sorted(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    words = ", ".join(f"{n} {mood}/{risk}" for (mood, risk), n in ranked)
    if not ranked:
        return Agreement(None, 0.0, words)
    (labels, most), *others = ranked
    tie = bool(others) and others[0][1] == most
    return Agreement(None if tie else labels, round(most / samples, 4), words)
