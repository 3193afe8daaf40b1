"""What a training is made of, and a step that is under way.

Taken(numbers=[17, 903, 44, 1201], epoch=0.03, rate=0.00021, labelled=194, computed=665, values=tensor([2.31, 0.91, 0]))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from finsight_train.devset import Exam
    from finsight_train.processes import Processes
    from finsight_train.recipe import Recipe
    from finsight_train.rows import Row


@dataclass(frozen=True)
class Task:
    """All that a training is made of."""

    recipe: Recipe
    rows: Sequence[Row]
    steps: Sequence[tuple[float, Sequence[int]]]
    prefix: Sequence[int]
    exam: Exam | None
    checkpoints: Path
    of: Mapping[str, Any]
    processes: Processes


@dataclass(frozen=True)
class Taken:
    """A step that was handed to the device; its loss and gradient norm come back while the next one is computed."""

    numbers: Sequence[int]
    epoch: float
    rate: float
    labelled: int
    computed: int
    values: Tensor
    event: Any

    def read(self) -> tuple[float, float, float]:
        """Wait for this step alone and return its loss, its gradient's norm, and how many processes are to stop."""
        if self.event is not None:
            self.event.synchronize()
        loss, norm, asked = self.values.tolist()
        return loss, norm, asked
