"""The model that is trained: the base in NF4 with a LoRA adapter on every linear layer.

    quantised(base, recipe, "sdpa") -> Qwen2ForCausalLM, weights of its linear layers in 4 bits

Each line that looks superfluous stands for a trap that was met once; its comment says which.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_train.recipe import Recipe


def check_device(recipe: Recipe) -> None:
    """Raise InputError where the recipe asks for a GPU or a dtype that this machine lacks."""
    import torch

    if recipe.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"recipe {recipe.name} trains on an NVIDIA GPU and none is visible (device: cuda); "
            "use --recipe nano, which runs on any CPU"
        )
    if recipe.device == "cuda" and recipe.compute_dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        raise InputError(f"recipe {recipe.name} computes in bfloat16, which this GPU lacks; use compute_dtype: float32")


def check_base(base: Path | str, recipe: Recipe) -> None:
    """Raise InputError for what the base's configuration can tell: no linear layers, few positions, slow generation."""
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    try:
        config = AutoConfig.from_pretrained(base)
    except (OSError, ValueError, StrictDataclassError) as error:
        raise InputError(f"{base}: no model configuration can be read: {' '.join(str(error).split())[:200]}") from None
    positions = getattr(config, "max_position_embeddings", recipe.max_length)
    if recipe.max_length > positions:
        raise InputError(
            f"max_length {recipe.max_length:,} is more than the {positions:,} positions of {base}; lower it"
        )
    # A base saved by a careless trainer says use_cache: false, and then generates ten times slower without a word.
    generation = None if isinstance(base, str) else base / "generation_config.json"
    if generation and generation.is_file() and json.loads(generation.read_text("utf-8")).get("use_cache") is False:
        raise InputError(f"{generation}: use_cache is false, which makes generation many times slower; set it to true")
    try:
        with torch.device("meta"):  # the layers alone, without a single weight
            model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    except ValueError as error:
        raise InputError(f"{base}: cannot be trained: {' '.join(str(error).split())[:200]}") from None
    head = model.get_output_embeddings()
    kinds = (torch.nn.Linear, Conv1D)  # the second is GPT-2's
    if not any(isinstance(module, kinds) and module is not head for module in model.modules()):
        raise InputError(f"{base}: has no linear layer that NF4 can hold; fine-tune another base")


def quantised(base: Path | str, recipe: Recipe, attention: str) -> Any:
    """Return the base model in NF4 on the recipe's device; raises InputError where NF4 can hold none of its layers."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    dtype = getattr(torch, recipe.compute_dtype)
    # load_in_4bit alone would mean FP4, float32 compute and no double quantisation.
    four_bits = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=recipe.quantisation,
        bnb_4bit_use_double_quant=recipe.double_quant,
        bnb_4bit_compute_dtype=dtype,
    )
    model = AutoModelForCausalLM.from_pretrained(
        base,
        quantization_config=four_bits,
        dtype=dtype,  # also embeddings and head: prepare_model_for_kbit_training would make them float32, 2.2 GB on 7B
        device_map={"": torch.cuda.current_device() if recipe.device == "cuda" else "cpu"},
        attn_implementation=attention,
    )
    if not prepare_layers(model):
        raise InputError(f"{base}: has no linear layer that NF4 can hold; quantise another base")
    return model


def prepare_layers(model: Any) -> int:
    """Make the NF4 layers of `model` safe to train on any CPU and return their number."""
    from bitsandbytes.nn import Linear4bit

    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    for layer in layers:
        # On CPUs with AVX512-BF16 an eval() forward repacks the weights in place; training on them afterwards crashes
        # on layers with a bias (Qwen's q, k and v) or loses gradient in silence.
        layer.support_avx512bf16_for_cpu = False
    return len(layers)


def adapted(model: Any, recipe: Recipe) -> Any:
    """Return `model` with a fresh LoRA adapter."""
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=recipe.target_modules,
        task_type="CAUSAL_LM",
        base_model_name_or_path=recipe.base,
    )
    return get_peft_model(model, lora)


def save_adapter(model: Any, folder: Path, base: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors into `folder`."""
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = base, True  # never a path of the machine that trained
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)  # "auto" would ask the hub
    (folder / "README.md").unlink(missing_ok=True)  # an empty template of PEFT's
