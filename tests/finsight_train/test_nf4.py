"""NF4 weights dequantised in place: bitsandbytes' numbers, to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from finsight_train import nf4

GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]


def weight_of(device: str, dtype: torch.dtype, nested: bool) -> Any:
    from bitsandbytes.nn import Params4bit

    made = torch.randn(96, 128, generator=torch.Generator().manual_seed(3)).to(dtype)
    made[5] *= 40  # blocks of very different size
    made[6] = 0
    return Params4bit(made, requires_grad=False, quant_type="nf4", compress_statistics=nested).to(device)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("nested", [True, False])
def test_the_numbers_are_those_of_bitsandbytes(device: str, dtype: torch.dtype, nested: bool) -> None:
    """To the last bit, whether scales are quantised too or not, and nothing beside the rows is written."""
    from bitsandbytes.functional import dequantize_4bit

    weight = weight_of(device, dtype, nested)
    assert weight.quant_state.nested == nested
    buffer = torch.full((100, 140), 7.0, dtype=dtype, device=device)
    nf4.dequantise(weight, buffer[2:98, :128])
    assert torch.equal(buffer[2:98, :128], dequantize_4bit(weight.data, weight.quant_state))
    buffer[2:98, :128] = 7
    assert (buffer == 7).all()


def test_another_dtype_is_rounded_once() -> None:
    """A float32 weight asked for in bfloat16 is the float32 number, rounded."""
    weight = weight_of("cpu", torch.float32, nested=True)
    wide, narrow = torch.empty(96, 128), torch.empty(96, 128, dtype=torch.bfloat16)
    nf4.dequantise(weight, wide)
    nf4.dequantise(weight, narrow)
    assert torch.equal(narrow, wide.bfloat16())
    assert not torch.equal(narrow.float(), wide)
