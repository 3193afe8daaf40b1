"""NF4 weights back to numbers (arXiv 2305.14314), straight to where they are wanted.

    packed: two 4-bit codes a byte     code: the 16 values of NF4     absmax: the largest magnitude of each 64 weights,
                                                                      itself 8-bit codes of blocks of 256

bitsandbytes' own kernel writes a tensor of its own, which would have to be copied; this is one pass on a GPU, and its
numbers are the same to the last bit (a test compares them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from finsight_train.elementwise import kernel

if TYPE_CHECKING:
    from torch import Tensor


def dequantise(weight: Any, out: Tensor) -> None:
    """Write the NF4 `weight` of a bitsandbytes layer into `out`, (outputs, inputs)."""
    from bitsandbytes.functional import dequantize_4bit, dequantize_blockwise

    state = weight.quant_state
    if out.is_cuda and out.numel() % state.blocksize == 0:
        largest = state.absmax
        if state.nested:  # the scales are quantised, too
            largest = dequantize_blockwise(state.absmax, state.state2).add_(state.offset)
        _write(weight.data, state.code, largest.float(), state.blocksize, out)
    else:
        out.copy_(dequantize_4bit(weight.data, state))


@kernel
def _write(packed: Tensor, code: Tensor, largest: Tensor, block: int, out: Tensor) -> None:
    codes = torch.stack((packed.view(-1) >> 4, packed.view(-1) & 15), dim=-1).view(-1, block)
    out.copy_((code[codes.int()] * largest[:, None]).view(out.shape))
