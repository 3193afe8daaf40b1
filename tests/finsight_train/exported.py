"""A tiny trained run, made without training: a random Qwen2 base, a random adapter, manifests as training writes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from finsight_eval import jsonl, suite
from finsight_eval.stage import Plan, run
from finsight_train import recipe as recipes
from tests.finsight_train.conftest import primer_texts, write_yaml

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from finsight_train.recipe import Recipe

SUITE: dict[str, Any] = {
    "name": "tiny", "tasks": ["finsight"], "base": "trained", "model": "hf", "model_args": {}, "batch_size": 4,
    "max_new_tokens": 12, "showcase": [],
}  # fmt: skip


def tiny_base(folder: Path, *, tied: bool = True, generation: dict[str, Any] | None = None) -> Path:
    """Write a random Qwen2 model of two layers with a tokenizer of its own, and return its folder."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from finsight_train import tokenizer

    texts = [row["text"] for row in primer_texts(200)]
    made = tokenizer.for_transformers(tokenizer.trained(texts, 600))
    torch.manual_seed(5)
    config = Qwen2Config(
        vocab_size=len(made) + 7,  # as with Qwen2.5, the embedding is larger than the vocabulary
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=4096, tie_word_embeddings=tied, eos_token_id=2, pad_token_id=0, bos_token_id=None,
        initializer_range=0.3, rope_parameters={"rope_type": "default", "rope_theta": 50_000.0},
    )  # fmt: skip
    model = Qwen2ForCausalLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    jsonl.write(folder / "generation_config.json", generation or {"eos_token_id": [2, 0], "pad_token_id": 0})
    return folder


def write_adapter(folder: Path, base: Path, recipe: Recipe) -> None:
    """Write an adapter with random numbers for `base` as training saves it, and the base beside it if it is to be."""
    import torch
    from transformers import AutoTokenizer

    from finsight_train import dequantised, qlora

    model = qlora.adapted(qlora.quantised(base, recipe, "sdpa"), recipe)
    torch.manual_seed(6)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    qlora.save_adapter(model, folder / "adapter", str(base))
    if recipe.save_base:
        tokenizer = AutoTokenizer.from_pretrained(base)
        dequantised.write_base(model.unload(), base, tokenizer, recipe.compute_dtype, folder / "base")


def trained_run(where: Path, monkeypatch: pytest.MonkeyPatch, base: Path, **changes: Any) -> Path:
    """Return the folder of all runs, in which `tiny` is trained; its suite and recipe stand beside it."""
    shipped = asdict(recipes.load(recipes.RECIPES / "nano.yaml"))
    settings = jsonl.loads(jsonl.dumps({**shipped, "name": "tiny", "base": str(base), "save_base": True, **changes}))
    recipe = recipes.load(write_yaml(where / "tiny.yaml", settings))
    (where / "suites").mkdir()
    write_yaml(where / "suites" / "tiny.yaml", SUITE)
    monkeypatch.setattr(suite, "FOLDER", where / "suites")

    def build(out: Path) -> tuple[str, dict[str, Any]]:
        write_adapter(out, base, recipe)
        jsonl.write(out / "train.json", {"settings": settings})
        return "trained", {}

    run(Plan("train", where / "runs" / "tiny" / "train", "finsight_eval.jsonl"), build)
    return where / "runs"
