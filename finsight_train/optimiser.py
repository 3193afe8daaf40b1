"""AdamW over the adapter, and the learning rate of each step.

learning_rate(19, 375, nano) -> 0.001        the top, after the linear start; then down to nearly 0 by the cosine
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from finsight_train.adapter import Adapter
    from finsight_train.recipe import Recipe

#: AdamW's averages of gradients and of their squares: what a checkpoint has to hold.
MOMENTS: Final = ("exp_avg", "exp_avg_sq")


def learning_rate(step: int, total: int, recipe: Recipe) -> float:
    """Return the learning rate of the `step`-th of `total` steps, counted from 1: a linear start, then the schedule."""
    start = math.ceil(recipe.warmup * total)
    if step <= start:
        return recipe.learning_rate * step / start
    done = (step - start - 1) / max(1, total - start)
    falls = {"cosine": (1 + math.cos(math.pi * done)) / 2, "linear": 1 - done, "constant_with_warmup": 1.0}
    return recipe.learning_rate * falls[recipe.scheduler]


def optimiser_of(adapter: Adapter, recipe: Recipe) -> Any:
    """Return AdamW (arXiv 1711.05101) over the adapter, with the moments that a checkpoint holds."""
    optimiser = torch.optim.AdamW([adapter.values], lr=0.0, weight_decay=recipe.weight_decay, fused=True)
    optimiser.state[adapter.values] = {
        "step": torch.zeros((), dtype=torch.float32, device=adapter.values.device),
        **{name: torch.zeros_like(adapter.values) for name in MOMENTS},
    }
    return optimiser


def update(optimiser: Any, adapter: Adapter, loss: Tensor, rate: float, clip_norm: float) -> Tensor:
    """Change the adapter by its clipped gradient, unless that or `loss` is not finite; return the gradient's norm.

    Nothing of it waits for a GPU.
    """
    gradient = adapter.gradient
    norm: Tensor = gradient.norm()
    gradient.mul_((clip_norm / (norm + 1e-6)).clamp(max=1.0))
    optimiser.found_inf = (~torch.isfinite(norm + loss)).float()  # above 0 the fused AdamW leaves all as it is
    optimiser.param_groups[0]["lr"] = rate
    optimiser.step()
    gradient.zero_()
    return norm
