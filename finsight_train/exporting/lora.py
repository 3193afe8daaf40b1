"""The adapter as numbers: which weight of the base gets which low-rank product added.

    base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight (16, 320), ...lora_B.weight (320, 16)
    -> {"model.layers.0.self_attn.q_proj.weight": (A, B)}, scale 2.0

Only plain LoRA is merged here: W + alpha / r * B A. Whatever else PEFT knows (DoRA, trained embeddings, ranks of their
own ...) is refused by name, for a merge that leaves a part out still writes fluent text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

_PREFIX: Final = "base_model.model."
_DOWN: Final = ".lora_A.weight"
_UP: Final = ".lora_B.weight"
#: What plain LoRA says, or leaves unsaid: any other value of these changes the product or what it is added to.
_PLAIN: Final[dict[str, tuple[Any, ...]]] = {
    "peft_type": ("LORA",),
    "bias": ("none", None),
    "lora_bias": (False, None),
    "fan_in_fan_out": (False, None),
    "use_dora": (False, None),
    "use_rslora": (False, None),
    "use_qalora": (False, None),
    "use_bdlora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "modules_to_save": ([], None),
    "trainable_token_indices": (None, [], {}),
    "target_parameters": (None, []),
    "layer_replication": (None, []),
    "megatron_config": (None,),
}


@dataclass(frozen=True)
class Adapter:
    """Low-rank pairs by the name of the weight that they are added to, and the factor of their product."""

    scale: float
    rank: int
    pairs: Mapping[str, tuple[Tensor, Tensor]]


def read(folder: Path, base: str) -> Adapter:
    """Return the adapter in `folder`; raises InputError where it is none, not plain LoRA, or made for another base."""
    path = folder / "adapter_config.json"
    config = jsonl.read(path)
    if (found := config.get("base_model_name_or_path")) != base:
        raise InputError(
            f"{path}: base_model_name_or_path is {printable(str(found))!r}, the recipe's base is {base!r}; merge the "
            "adapter into the base that it was trained on, or train it again"
        )
    for key, allowed in _PLAIN.items():
        if (value := config.get(key)) not in allowed:
            raise InputError(
                f"{path}: {key} is {printable(repr(value), 80)}, the export merges plain LoRA ({allowed[0]!r}) only; "
                f"serve the adapter itself, or train one with {key} {allowed[0]!r}"
            )
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1 or not isinstance(alpha, int | float):
        raise InputError(f"{path}: r is {rank!r} and lora_alpha {alpha!r}, two numbers are expected; train it again")
    return Adapter(alpha / rank, rank, _pairs(folder / "adapter_model.safetensors"))


def _pairs(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (FileNotFoundError, SafetensorError) as error:
        reason = printable(str(error), 80)
        raise InputError(f"{path}: no adapter in safetensors can be read ({reason}); train it again") from None
    downs = {name.removeprefix(_PREFIX).removesuffix(_DOWN) for name in tensors if name.endswith(_DOWN)}
    wanted = {f"{_PREFIX}{layer}{end}" for layer in downs for end in (_DOWN, _UP)}
    if odd := sorted(wanted ^ set(tensors)):
        raise InputError(
            f"{path}: tensor {printable(odd[0])!r} has no partner; pairs of lora_A and lora_B are expected"
        )
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(f"{path}: tensor {printable(name)!r} holds NaN or infinity; train it again")
    if not downs:
        raise InputError(f"{path}: holds no lora_A; an adapter with at least one layer is expected")
    return {
        f"{layer}.weight": (tensors[f"{_PREFIX}{layer}{_DOWN}"], tensors[f"{_PREFIX}{layer}{_UP}"])
        for layer in sorted(downs)
    }
