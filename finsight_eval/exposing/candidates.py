"""What an exposure is made from: something that a model may be accused of, with the p of its contrary.

    Candidate("labels at random", "finsight", 2e-07, "kappa of its sentiment with gold is 0.01 ...", grave=True)

Every candidate that could be looked at counts in the correction for their number, whether or not it is borne out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from finsight_eval import stats

#: The names, in words for a reader who runs a business. UNSURE ends a name: "answers Neutral when unsure".
COPIES: Final = "copies the majority class"
LEAKED: Final = "was trained on benchmark items"
ONE_LABEL: Final = "gives one label to everything"
RANDOM: Final = "labels at random"
UNSURE: Final = "when unsure"
MEMORISED: Final = "memorised its training texts"
IGNORES: Final = "ignores the news"
OBEYS: Final = "obeys instructions inside the news"
INVENTS: Final = "invents company names"
ONE_LANGUAGE: Final = "reads one language only"
WEAKER: Final = "far weaker in one language"
TEACHER: Final = "copies its teacher's mistakes"

#: In the order in which they are told; names that are told apart by a detail only stand together.
FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    MEMORISED: (MEMORISED,),
    COPIES: (COPIES, ONE_LABEL),
    RANDOM: (RANDOM,),
    "answers one label when unsure": (UNSURE,),
    IGNORES: (IGNORES,),
    OBEYS: (OBEYS,),
    LEAKED: (LEAKED,),
    INVENTS: (INVENTS,),
    "reads one language only, or far better": (ONE_LANGUAGE, WEAKER),
    TEACHER: (TEACHER,),
}

#: The level of all tests together.
LEVEL: Final = 0.05
#: What is noticed: ten points of a rate, one answer in ten.
MARGIN: Final = 0.1


@dataclass(frozen=True, slots=True)
class Candidate:
    """An accusation: `p` is that of its contrary, 1 where the figures plainly contradict the accusation."""

    name: str
    task: str
    p: float
    sentence: str
    grave: bool = True


@dataclass(frozen=True, slots=True)
class Unchecked:
    """What could not be looked for, and why."""

    why: str


def share(hits: int, n: int, noun: str) -> str:
    """Return "211 of 213 items (99 %, 95 % interval 97 to 100 %)"."""
    low, high = stats.wilson(hits, n)
    return f"{hits} of {n} {noun} ({hits / n:.0%}, 95 % interval {low:.0%} to {high:.0%})"


def family_of(name: str) -> str:
    """Return the family that an exposure's name belongs to."""
    return next(family for family, names in FAMILIES.items() if name.endswith(names))
