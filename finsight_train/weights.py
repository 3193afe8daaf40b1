"""QLoRA's linear layers: every product with a base weight takes its adapter along, as a few more rows and columns.

    y = x W' + s (x A') B'                 W: NF4, dequantised; A (rank, in), B (out, rank): the adapter
    matrix = [[W, sB],                     x lies in a buffer that is `rank` columns wider: x A' goes there, and
              [A,  -]]                     y = [x, x A'] [W, sB]' is one product, and so is the gradient by x

Layers that read the same input (query, key, value; gate, up) are one product. Compared with adding the adapter's part
afterwards that saves passes over the widest tensors, and sums everything before it is rounded.

A matrix is kept where memory allows, else dequantised at each use; the numbers are the same.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from finsight_train import nf4

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor


class Projection:
    """Adapted linear layers of PEFT's that read the same input.

    Attributes:
        inputs, outputs: their widths, those of all layers added up for `outputs`.
        rank: of all layers added up: by so much a buffer is wider than what it holds.
        masters: the adapter's float32 parameters, first every A, then every B.
    """

    def __init__(self, layers: Sequence[Any], dtype: torch.dtype) -> None:
        self.layers, self._dtype = list(layers), dtype
        name = layers[0].active_adapters[0]
        self.scales = [layer.scaling[name] for layer in layers]
        downs = [layer.lora_A[name].weight for layer in layers]
        ups = [layer.lora_B[name].weight for layer in layers]
        self.masters: tuple[Any, ...] = (*downs, *ups)
        self.inputs = downs[0].shape[1]
        self.sizes, self.ranks = [up.shape[0] for up in ups], [down.shape[0] for down in downs]
        self.outputs, self.rank = sum(self.sizes), sum(self.ranks)
        biases = [layer.base_layer.bias for layer in layers]
        given = next((bias for bias in biases if bias is not None), None)
        self.bias: Tensor | None = None
        if given is not None:
            filled = [given.new_zeros(n) if b is None else b.data for b, n in zip(biases, self.sizes, strict=True)]
            self.bias = torch.cat(filled).to(dtype)
        self._kept: Tensor | None = None

    def keep(self) -> None:
        """Dequantise once and for all."""
        self._kept = self._built()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Dequantise once for all uses within this block."""
        before = self._kept
        self._kept = self._built() if before is None else before
        try:
            yield
        finally:
            self._kept = before

    def matrix(self) -> Tensor:
        """Return [[W, sB], [A, -]], (outputs + rank, inputs + rank)."""
        return self._built() if self._kept is None else self._kept

    def slots(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Yield where in the kept matrix each master belongs, the master, and by what it is multiplied."""
        if self._kept is not None:
            yield from self._slots_of(self._kept)

    def _slots_of(self, matrix: Tensor) -> Iterator[tuple[Tensor, Tensor, float]]:
        row, column, parts = self.outputs, self.inputs, len(self.sizes)
        for master, rank in zip(self.masters[:parts], self.ranks, strict=True):
            yield matrix[row : row + rank, : self.inputs], master.data, 1.0
            row += rank
        row = 0
        for master, size, rank, scale in zip(self.masters[parts:], self.sizes, self.ranks, self.scales, strict=True):
            yield matrix[row : row + size, column : column + rank], master.data, scale
            row, column = row + size, column + rank

    def _built(self) -> Tensor:
        device = self.masters[0].device
        shape = (self.outputs + self.rank, self.inputs + self.rank)
        matrix = torch.empty(shape, dtype=self._dtype, device=device)
        matrix[:, self.inputs :].zero_()  # an adapter adds to its own layer's outputs only
        row = 0
        for layer, size in zip(self.layers, self.sizes, strict=True):
            nf4.dequantise(layer.base_layer.weight, matrix[row : row + size, : self.inputs])
            row += size
        _fill(self._slots_of(matrix))
        return matrix

    def forward_of(self, part: int) -> Any:
        """Return the forward function of the `part`-th layer on the kept matrix, for generation."""
        row, column = sum(self.sizes[:part]), sum(self.ranks[:part])
        rows, columns = slice(row, row + self.sizes[part]), slice(column, column + self.ranks[part])

        def forward(x: Tensor) -> Tensor:
            matrix = self.matrix()
            weight = matrix[rows, : self.inputs]
            down, up = matrix[self.outputs :, : self.inputs][columns], matrix[rows, self.inputs :][:, columns]
            flat = x.reshape(-1, self.inputs)
            y = flat @ weight.t() if self.bias is None else torch.addmm(self.bias[rows], flat, weight.t())
            return y.addmm_(flat @ down.t(), up.t()).view(*x.shape[:-1], self.sizes[part])

        return forward


def refresh(projections: Sequence[Projection]) -> None:
    """Copy the adapter as it is now into the kept matrices; called after each change of it."""
    _fill(slot for projection in projections for slot in projection.slots())


def _fill(slots: Iterable[tuple[Tensor, Tensor, float]]) -> None:
    """Write every master, multiplied, into its slot: two calls for all of them."""
    if found := list(slots):
        scaled = torch._foreach_mul([master for _, master, _ in found], [scale for _, _, scale in found])  # noqa: SLF001
        torch._foreach_copy_([slot for slot, _, _ in found], scaled)


def _thin(left: Tensor, right: Tensor) -> Tensor:
    """Return left' right in float32: an adapter's gradient, a sum over all tokens."""
    if left.is_cuda and left.dtype != torch.float32:
        return torch.mm(left.t(), right, out_dtype=torch.float32)
    return (left.t() @ right).float()


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, projection: Projection, *_masters: Tensor) -> Tensor:
        matrix, n, m = projection.matrix(), projection.inputs, projection.outputs
        wide, y = roomy(x.detach(), projection.rank), x.new_empty(len(x), m + projection.rank)[:, :m]
        torch.mm(wide[:, :n], matrix[m:, :n].t(), out=wide[:, n:])
        if projection.bias is None:
            torch.mm(wide, matrix[:m].t(), out=y)
        else:
            torch.addmm(projection.bias, wide, matrix[:m].t(), out=y)
        ctx.save_for_backward(wide)
        ctx.projection = projection
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,), projection = ctx.saved_tensors, ctx.projection
        matrix, n, m = projection.matrix(), projection.inputs, projection.outputs
        g = roomy(g, projection.rank)
        torch.mm(g[:, :m], matrix[:m, n:], out=g[:, m:])
        g_x = torch.mm(g, matrix[:, :n]) if ctx.needs_input_grad[0] else None
        downs = torch.split(_thin(g[:, m:], x[:, :n]), projection.ranks)
        ups, row, column = [], 0, 0
        thin = _thin(g[:, :m], x[:, n:])
        for size, rank, scale in zip(projection.sizes, projection.ranks, projection.scales, strict=True):
            ups.append(thin[row : row + size, column : column + rank] * scale)
            row, column = row + size, column + rank
        return g_x, None, *downs, *ups


def roomy(x: Tensor, room: int) -> Tensor:
    """Return (rows, columns + room): `x` with the scratch behind its rows, if it was made with such, else a copy.

    The scratch of an `x` that was made as `empty(rows, columns + room)[:, :columns]` may be written by its only reader.
    """
    rows, columns = x.shape
    ends = x.storage_offset() + rows * (columns + room) <= x.untyped_storage().nbytes() // x.element_size()
    if x.stride() == (columns + room, 1) and ends:
        return x.as_strided((rows, columns + room), x.stride(), x.storage_offset())
    copied = x.new_empty(rows, columns + room)
    copied[:, :columns] = x
    return copied


def product(x: Tensor, projection: Projection) -> Tensor:
    """Return x W' + s (x A') B', (tokens, outputs), for `x` of (tokens, inputs); see `roomy` for how both lie."""
    found: Tensor = _Product.apply(x, projection, *projection.masters)  # type: ignore[no-untyped-call]
    return found
