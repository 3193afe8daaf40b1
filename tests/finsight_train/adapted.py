"""A tiny model as training has it: random weights in NF4 with a random adapter; rows of random tokens; plain losses."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from finsight_train import qlora
from finsight_train import recipe as recipes
from finsight_train.rows import IGNORED, Row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

TOKENS = 300
_SIZES: dict[str, Any] = {
    "vocab_size": TOKENS, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.1,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def base_of(folder: Path, kind: str = "qwen2", **changes: Any) -> Path:
    """Write a random model of a `kind` that transformers knows, biases included, and return its folder."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**_SIZES, **changes}))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


def model_of(base: Path, dtype: str = "float32", device: str = "cpu") -> Any:
    """Return the base in NF4 with an adapter whose both halves are random."""
    recipe = replace(recipes.load(recipes.RECIPES / "nano.yaml"), base=str(base), compute_dtype=dtype, device=device)
    torch.manual_seed(6)
    model = qlora.adapted(qlora.quantised(base, recipe, "sdpa"), recipe)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def rows_of(sizes: Sequence[tuple[int, int]], shared: int = 0) -> list[Row]:
    """Return a row for each (prompt, reply) length; the first `shared` tokens of all are the same."""
    rng = random.Random(8)
    head = [rng.randrange(3, TOKENS) for _ in range(shared)]
    found = []
    for number, (prompt, reply) in enumerate(sizes):
        ids = head + [rng.randrange(3, TOKENS) for _ in range(prompt - shared + reply)]
        found.append(Row(f"row-{number}", ids, [IGNORED] * prompt + ids[prompt:]))
    return found


def plain_logits(model: Any, row: Row) -> Tensor:
    """Return what the model itself, with PEFT's layers, says where each label of one row is predicted."""
    start = row.labels.count(IGNORED)
    found: Tensor = model(input_ids=torch.tensor([row.input_ids]), use_cache=False).logits[0, start - 1 : -1]
    return found


def plain_loss(model: Any, row: Row) -> Tensor:
    """Return the summed loss of one row by these."""
    labels = torch.tensor([label for label in row.labels if label != IGNORED])
    return torch.nn.functional.cross_entropy(plain_logits(model, row), labels, reduction="sum")


#: (prompt, reply) tokens; all prompts begin with the same five tokens.
ROWS = rows_of([(9, 5), (30, 11), (6, 1), (14, 20), (8, 2)], shared=5)
PREFIX = ROWS[0].input_ids[:5]


def gradients(model: Any, loss: Tensor) -> dict[str, Tensor]:
    """Return the gradient by each parameter of the adapter."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))


def furthest(found: dict[str, Tensor], right: dict[str, Tensor]) -> float:
    """Return the largest relative error among the gradients."""
    assert set(found) == set(right)
    return max(float((found[name] - right[name]).norm() / right[name].norm()) for name in right)
