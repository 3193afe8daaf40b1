"""What fits into a GPU's memory: which activations are kept, whether the base is dequantised, how long a pass may be.

    placed("auto", shape, Load(16384, 470, 0), 24 GB) -> Placement(tokens=4224, kept=False, recomputed=4)

An estimate, made from the model's configuration before any weight is loaded: what is held all the time (base, adapter,
optimiser), what each layer keeps for the way back, and what the widest moment of a layer needs on top.
benchmarks/speed/TRAINING.md compares it with what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import InputError
from finsight_train.network import Placement

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Bytes of an NF4 weight: half, an 8-bit scale for 64 and a float32 one for 256 times 64.
_NF4: Final = 0.5 + 1 / 64 + 4 / (64 * 256)
#: A parameter of the adapter, its gradient and the optimiser's two moments, float32; and the copy that is multiplied.
_MASTER: Final = 5 * 4
#: Logits in work, one slice of finsight_train.head, and the intermediate results of its kernels.
_HEAD: Final = 2 * 1024 * 152_064 * 2
#: Never planned with: fragments, graphs, other programs.
_SPARED: Final = 0.06
#: A step may be cut into so many passes at most, each so much wider than its part that rows fit without another pass.
_CUTS: Final = 32
_ROOM: Final = 1.03
#: Passes are of a multiple of so many tokens, as matrix products like it.
_GRAIN: Final = 128
#: The pass of `memory`: shorter ones save little and dequantise as often.
_SHORT: Final = 6144
#: Times relative to the forward pass of a token: the way back costs as much again (weights have no gradient).
_THERE_AND_BACK: Final = 2.0
#: Dequantising a layer twice takes as long as the forward pass of so many tokens, and every pass by itself as long as
#: that of so many (measured on an H200).
_DEQUANTISED: Final = 400.0
_PASS: Final = 600.0
GIB: Final = 2**30


@dataclass(frozen=True)
class Shape:
    """The sizes of a model of the Llama form, and of the adapter on it."""

    layers: int
    hidden: int
    intermediate: int
    queries: int
    keys: int
    vocabulary: int
    tied: bool
    rank: int
    number_size: int

    @property
    def linears(self) -> tuple[tuple[int, int], ...]:
        """Outputs and inputs of the four products of a layer."""
        return (
            (self.queries + 2 * self.keys, self.hidden),
            (self.hidden, self.queries),
            (2 * self.intermediate, self.hidden),
            (self.hidden, self.intermediate),
        )

    @property
    def weights(self) -> int:
        """Weights of one layer's products."""
        return sum(outputs * inputs for outputs, inputs in self.linears)

    @property
    def adapter(self) -> int:
        """Parameters of the whole adapter: query, key, value, gate and up each have their own A."""
        ranks = (3, 1, 2, 1)
        return self.layers * sum(
            self.rank * (outputs + many * inputs) for (outputs, inputs), many in zip(self.linears, ranks, strict=True)
        )

    @property
    def activations(self) -> int:
        """Bytes that a layer keeps of one token: two sums, two norms, attention's states and result, gate, up, both."""
        numbers = 4 * self.hidden + 3 * self.queries + 2 * self.keys + 3 * self.intermediate + 7 * self.rank
        return numbers * self.number_size


@dataclass(frozen=True)
class Load:
    """What a process has to compute: tokens of its widest step, of its longest row, and those that all rows share.

    The shared ones are computed once a pass, and counted in neither of the others.
    """

    step: int
    row: int
    shared: int


def head_width(config: Any) -> int:
    """Return the numbers of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def shape_of(config: Any, rank: int, number_size: int) -> Shape:
    """Return the shape of a model by its configuration."""
    width = head_width(config)
    return Shape(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
        queries=width * config.num_attention_heads,
        keys=width * (getattr(config, "num_key_value_heads", None) or config.num_attention_heads),
        vocabulary=config.vocab_size,
        tied=bool(getattr(config, "tie_word_embeddings", False)),
        rank=rank,
        number_size=number_size,
    )


def needed(shape: Shape, placement: Placement) -> int:
    """Return the bytes that training takes at its peak; `placement.tokens` must be given."""
    tokens, size = placement.tokens or 0, shape.number_size
    outside = shape.vocabulary * shape.hidden * size * (1 if shape.tied else 2)
    held = outside + _NF4 * shape.layers * shape.weights + _MASTER * shape.adapter
    if placement.kept:
        held += shape.layers * sum(
            (outputs + 3 * shape.rank) * (inputs + 3 * shape.rank) * size for outputs, inputs in shape.linears
        )
    recomputed = placement.recomputed
    saved = tokens * ((shape.layers - recomputed) * shape.activations + recomputed * shape.hidden * size)
    work = tokens * (shape.intermediate + 4 * shape.hidden) * size + (tokens * shape.activations if recomputed else 0)
    if not placement.kept:
        work += (shape.weights if recomputed else max(a * b for a, b in shape.linears)) * size
    return int(held + saved + max(work, _HEAD + tokens * 4 * shape.hidden * size))


def effort(shape: Shape, placement: Placement) -> float:
    """Return the time of a token relative to its forward pass; a long pass shares what each pass costs."""
    assert placement.tokens is not None  # noqa: S101 - only a GPU's placements are weighed
    again = placement.recomputed / shape.layers
    return _THERE_AND_BACK + again + (_PASS + (0.0 if placement.kept else _DEQUANTISED)) / placement.tokens


def lengths_of(load: Load) -> list[int]:
    """Return the lengths that a pass may have: of a whole step, of half of one, and so on, none below a row's."""
    parts = [load.step if cuts == 1 else load.step * _ROOM / cuts for cuts in range(1, _CUTS + 1)]
    found = [-(-int(part + load.shared) // _GRAIN) * _GRAIN for part in parts]
    least = -(-(load.row + load.shared) // _GRAIN) * _GRAIN
    return sorted({max(length, least) for length in found}, reverse=True)


def _candidates(preset: str, shape: Shape, load: Load) -> Iterator[Placement]:
    lengths = lengths_of(load)
    for tokens in lengths:
        if preset == "speed":
            yield Placement(tokens, kept=True, recomputed=0)
        elif preset == "memory":
            if tokens <= _SHORT or tokens == lengths[-1]:
                yield Placement(tokens, kept=False, recomputed=shape.layers)
        else:
            for recomputed in range(shape.layers + 1):
                yield from (Placement(tokens, kept, recomputed) for kept in (True, False))


def placed(preset: str, shape: Shape, load: Load, free: int) -> Placement:
    """Return the fastest placement of `preset` that fits into `free` bytes.

    Raises:
        InputError: none does; says how much is missing, and which preset fits.
    """
    budget = free * (1 - _SPARED)
    found = list(_candidates(preset, shape, load))
    fitting = [placement for placement in found if needed(shape, placement) <= budget]
    if fitting:
        return min(fitting, key=lambda placement: effort(shape, placement))
    least = min(needed(shape, placement) for placement in found) / (1 - _SPARED)
    others = [other for other in ("auto", "memory") if _fits(other, shape, load, free)]
    advice = (
        f"preset {others[0]} fits" if others else "no preset fits: take a smaller base or max_length, or another GPU"
    )
    raise InputError(
        f"preset {preset} needs {least / GIB:.1f} GiB of GPU memory, {free / GIB:.1f} GiB are free: "
        f"{(least - free) / GIB:.1f} GiB are missing; {advice}"
    )


def _fits(preset: str, shape: Shape, load: Load, free: int) -> bool:
    budget = free * (1 - _SPARED)
    return any(needed(shape, found) <= budget for found in _candidates(preset, shape, load))


def free(most_gib: float | None) -> int:
    """Return the bytes of the GPU's memory that may be used, and hold torch to them where a limit is given."""
    import torch

    there, whole = torch.cuda.mem_get_info()
    if most_gib is None:
        return int(there)
    torch.cuda.set_per_process_memory_fraction(min(1.0, most_gib * GIB / whole))
    return min(int(there), int(most_gib * GIB))


def on_cpu(preset: str, config: Any) -> Placement:
    """Return the placement without a GPU: a step's rows in one pass, everything kept unless `memory` is asked for."""
    sparing = preset == "memory"
    return Placement(None, kept=not sparing, recomputed=config.num_hidden_layers if sparing else 0)


def in_words(placement: Placement, shape: Shape) -> str:
    """Return a placement as printed: `passes of 4,096 tokens, base dequantised at each use, 3 of 28 layers ...`."""
    base = "kept dequantised" if placement.kept else "dequantised at each use"
    again = f"{placement.recomputed} of {shape.layers} layers compute their activations twice"
    return f"passes of {placement.tokens:,} tokens, base {base}, {again}; some {needed(shape, placement) / GIB:.1f} GiB"
