"""When the adapter is evaluated in the course of its training, and what that costs.

evaluation_steps(375, 5) -> (75, 150, 225, 300, 375)
"""

from __future__ import annotations

from typing import Final

#: Evaluations may take this share of the time that the training itself takes.
MOST_SHARE: Final = 0.10


def evaluation_steps(total_steps: int, evaluations: int) -> tuple[int, ...]:
    """Return the steps after which the adapter is evaluated: evenly spaced, the last step among them.

    There are never more evaluations than steps; for 0 evaluations there is none.
    """
    number = min(evaluations, total_steps)
    return tuple(round(total_steps * turn / number) for turn in range(1, number + 1))


def share(evaluating: float, training: float) -> float:
    """Return the seconds of all evaluations as a share of those of the training without them."""
    return evaluating / training


def too_dear(evaluating: float, training: float, evaluations: int) -> str | None:
    """Return what to say of evaluations that took more than a tenth of the training, None where they did not."""
    taken = share(evaluating, training)
    if taken <= MOST_SHARE:
        return None
    fit = int(MOST_SHARE * training * evaluations / evaluating)
    advice = f"{fit} of this size would keep to it" if fit else "take fewer dev items"
    return (
        f"{evaluations} dev evaluations took {taken:.0%} of the training time ({evaluating:.0f} of {training:.0f} s), "
        f"{MOST_SHARE:.0%} is the aim: {advice}"
    )
