"""The adapter's trainable numbers as one float32 tensor: what is optimised, clipped, summed over processes and saved.

    base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight: elements 0 to 5,119, shape (16, 320)

Every parameter of the model is a view into it, and every gradient one into `gradient`: a step is a handful of kernels
instead of some for each of 392 matrices, and nothing can be forgotten when it is saved.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Adapter:
    """The trainable parameters of a PEFT model.

    Attributes:
        names: of the parameters, in the order in which they lie.
        values: all of them, (parameters,), float32.
    """

    def __init__(self, model: Any) -> None:
        """Move the trainable parameters of `model` into one tensor.

        In float32: bfloat16's 8 bits lose small updates.
        """
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        self.names = [name for name, _ in named]
        parameters = [parameter for _, parameter in named]
        flat = torch.cat([parameter.detach().float().reshape(-1) for parameter in parameters])
        self.values = torch.nn.Parameter(flat)
        self.values.grad = torch.zeros_like(flat)
        ends = list(accumulate(parameter.numel() for parameter in parameters))
        for parameter, end in zip(parameters, ends, strict=True):
            part = slice(end - parameter.numel(), end)
            parameter.data = self.values.data[part].view(parameter.shape)
            parameter.grad = self.gradient[part].view(parameter.shape)

    @property
    def gradient(self) -> Tensor:
        """All gradients, (parameters,); backward passes add to it."""
        assert self.values.grad is not None  # noqa: S101 - made above, never taken away
        return self.values.grad

    def load(self, values: Tensor) -> None:
        """Take over saved values."""
        with torch.no_grad():
            self.values.copy_(values)
