"""The merge: the weights that training saw, plus the adapter, added in float32 and rounded once.

    model.layers.0.self_attn.q_proj.weight (320, 320)    NF4 -> float32, + 2.0 * B A, -> the recipe's dtype

The base is the quantised and dequantised one: an adapter learns to work on its rounding errors, and put on the original
weights it meets others. One tensor at a time is dequantised, merged and handed to the shard that is being filled, so
that memory holds the base in 4 bits (or nothing of it, where training saved it dequantised), and one shard.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from finsight_train.exporting.lora import Adapter

#: Bytes after which a shard is closed; a larger tensor has a shard of its own.
SHARD: Final = 1_000_000_000
_INDEX: Final = "model.safetensors.index.json"


def saved_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield name and weights of a model saved as safetensors, one tensor in memory at a time."""
    from safetensors import safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder}: holds no *.safetensors; run the training stage again")
    for path in files:
        with safe_open(path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - no mapping
                yield name, opened.get_tensor(name)


def dequantised_weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield name and weights of an NF4 model, dequantised one at a time; tied weights come once."""
    from bitsandbytes.functional import dequantize_4bit

    for name, parameter in model.named_parameters():
        state = getattr(parameter, "quant_state", None)
        yield name, parameter.data if state is None else dequantize_4bit(parameter.data, state)


def dequantised_size(model: Any) -> int:
    """Return how many bytes the weights of an NF4 model take once dequantised."""
    states = ((getattr(parameter, "quant_state", None), parameter) for parameter in model.parameters())
    return sum(state.shape.numel() * state.dtype.itemsize if state else held.nbytes for state, held in states)


def merged(weights: Tensor, pair: tuple[Tensor, Tensor], scale: float) -> Tensor:
    """Return `weights` with the pair's product added, in float32, rounded once to the dtype that `weights` has."""
    down, up = (factor.to(weights.device).float() for factor in pair)
    return (weights.float() + scale * (up @ down)).to(weights.dtype)


def merged_weights(weights: Iterator[tuple[str, Tensor]], adapter: Adapter, where: str) -> Iterator[tuple[str, Tensor]]:
    """Yield every weight, merged where the adapter has a pair for it.

    Raises:
        InputError: at the first pair whose shape is not its weight's, or at the end if a pair found no weight: the
            adapter belongs to another base.
    """
    left = dict(adapter.pairs)
    for name, tensor in weights:
        if (pair := left.pop(name, None)) is None:
            yield name, tensor
            continue
        product = (pair[1].shape[0], pair[0].shape[1])
        if pair[0].shape[0] != pair[1].shape[1] or product != tuple(tensor.shape):
            raise InputError(
                f"{where}: {name} has shape {tuple(tensor.shape)}, the adapter's pair gives {product}; the adapter was "
                "trained on another base"
            )
        result = merged(tensor, pair, adapter.scale)
        if not result.isfinite().all():
            raise InputError(f"{where}: {name} overflows {tensor.dtype} once merged; train with a lower learning rate")
        yield name, result
    if left:
        name = printable(next(iter(left)))
        raise InputError(f"{where}: has no weight {name!r} that the adapter changes; it was trained on another base")


def check_space(folder: Path, needed: int) -> None:
    """Raise InputError where the disk of `folder` has less than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"{folder}: {needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; free the other "
            f"{(needed - free) / 1e9:.1f} GB, or name another disk with --runs"
        )


def write(weights: Iterator[tuple[str, Tensor]], folder: Path, shard: int = SHARD) -> int:
    """Write `weights` as safetensors below `folder`, in shards of about `shard` bytes; return how many there are."""
    from safetensors.torch import save_file

    places: list[list[str]] = []
    total = 0
    for tensors in _shards(weights, shard):
        places.append(list(tensors))
        total += (size := sum(tensor.nbytes for tensor in tensors.values()))
        check_space(folder, size)
        save_file(tensors, path := folder / _shard_name(len(places)), metadata={"format": "pt"})
        path.chmod(0o644)  # safetensors leaves it to its owner alone, and a server may run as somebody else
    if len(places) == 1:
        (folder / _shard_name(1)).rename(folder / "model.safetensors")
        return len(places[0])
    names = [f"model-{number:05}-of-{len(places):05}.safetensors" for number in range(1, len(places) + 1)]
    for number, name in enumerate(names, start=1):
        (folder / _shard_name(number)).rename(folder / name)
    where = {name: shard_name for shard_name, held in zip(names, places, strict=True) for name in held}
    jsonl.write(folder / _INDEX, {"metadata": {"total_size": total}, "weight_map": dict(sorted(where.items()))})
    return len(where)


def _shard_name(number: int) -> str:
    return f"shard-{number}.safetensors"


def _shards(weights: Iterator[tuple[str, Tensor]], limit: int) -> Iterator[dict[str, Tensor]]:
    """Yield the weights in groups of at most `limit` bytes, or of one tensor."""
    held: dict[str, Tensor] = {}
    size = 0
    for name, tensor in weights:
        if held and size + tensor.nbytes > limit:
            yield held
            held, size = {}, 0
        held[name] = tensor.cpu().contiguous()
        size += tensor.nbytes
    if held:
        yield held
