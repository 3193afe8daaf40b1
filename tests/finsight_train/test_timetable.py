"""When the adapter is evaluated while it is trained, and when that is too dear."""

from __future__ import annotations

import pytest

from finsight_train.timetable import evaluation_steps, share, too_dear


@pytest.mark.parametrize(
    ("total", "evaluations", "steps"),
    [
        (375, 5, (75, 150, 225, 300, 375)),
        (10, 3, (3, 7, 10)),
        (10, 1, (10,)),
        (10, 0, ()),
        (3, 3, (1, 2, 3)),
        (3, 9, (1, 2, 3)),
        (1, 4, (1,)),
    ],
)
def test_the_last_step_is_always_evaluated(total: int, evaluations: int, steps: tuple[int, ...]) -> None:
    """Steps are evenly spaced, none stands twice, and no evaluation asked for means none."""
    assert evaluation_steps(total, evaluations) == steps


@pytest.mark.parametrize("total", range(1, 60))
def test_steps_are_as_even_as_whole_numbers_allow(total: int) -> None:
    """Two gaps differ by at most one step."""
    for evaluations in range(1, total + 1):
        steps = evaluation_steps(total, evaluations)
        gaps = [after - before for before, after in zip((0, *steps), steps, strict=False)]
        assert len(steps) == evaluations
        assert steps[-1] == total
        assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("evaluating", "training", "evaluations", "said"),
    [
        (22.4, 224, 5, None),
        (0, 224, 0, None),
        (31, 224, 5, "took 14% of the training time (31 of 224 s), 10% is the aim: 3 of this size would keep to it"),
        (60, 224, 2, "27% of the training time (60 of 224 s), 10% is the aim: take fewer dev items"),
    ],
)
def test_evaluations_of_more_than_a_tenth_are_named(
    evaluating: float, training: float, evaluations: int, said: str | None
) -> None:
    """A tenth is still allowed; above it the sentence says how many evaluations would fit, if any."""
    found = too_dear(evaluating, training, evaluations)
    assert found is None if said is None else found is not None and said in found
    assert share(evaluating, training) == pytest.approx(evaluating / training)
