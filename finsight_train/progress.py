"""Where a training stands: its curves and its costs, as a checkpoint keeps them.

step 150/375  epoch 0.40  loss 0.2931  2,113 tokens/s  114 s left
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finsight_eval import jsonl


@dataclass
class Progress:
    """Where a training stands: what a checkpoint holds besides tensors.

    Attributes:
        tokens: tokens of all rows seen, prompts included, padding not; of those, `labelled` made the loss.
        computed: tokens that were really run: a beginning that rows share counts once a pass.
        seconds: spent training; `dev_seconds` evaluating.
    """

    step: int = 0
    tokens: int = 0
    labelled: int = 0
    computed: int = 0
    seconds: float = 0.0
    dev_seconds: float = 0.0
    first_step_seconds: float = 0.0
    curve: list[jsonl.Row] = field(default_factory=list)
    dev: list[jsonl.Row] = field(default_factory=list)
    replies: list[jsonl.Row] = field(default_factory=list)
    stopped: str | None = None
    warning: str | None = None

    @property
    def steady(self) -> int | None:
        """Tokens a second after the first step, in which kernels are compiled and memory is taken."""
        if self.step < 2:
            return None
        return round(self.tokens * (1 - 1 / self.step) / (self.seconds - self.first_step_seconds))

    def line(self, steps: int) -> str:
        """Return what is printed of a training of so many steps."""
        last = self.curve[-1]
        left = self.seconds / self.step * (steps - self.step)
        return (
            f"step {self.step}/{steps}  epoch {last['epoch']:.2f}  loss {last['loss']:.4f}  "
            f"{self.tokens / self.seconds:,.0f} tokens/s  {left:.0f} s left"
        )
