"""Backends: which lm-eval model class answers, why that one, and with which arguments.

    choose("auto") -> Choice("finsight_train.fast_lm:FastLM", "vllm is not installed; torch, transformers and peft are")

A suite says `model: auto`, one of lm-eval's names (`hf`, `vllm`, `local-chat-completions` ...) or
"package.module:Class". The choice is printed, stands in the manifest and is part of what makes an evaluation stale:
another backend may answer otherwise.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import endpoint, jsonl, manifest
from finsight_eval.errors import InputError
from finsight_eval.suite import AUTO, ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from finsight_eval.suite import Suite

FAST: Final = "finsight_train.fast_lm:FastLM"
_FAST_NEEDS: Final = ("torch", "transformers", "peft")
#: The adapter ranks that vLLM sets room aside for; a rank between two of them takes the larger.
_VLLM_RANKS: Final = (8, 16, 32, 64, 128, 256, 320, 512)


@dataclass(frozen=True)
class Choice:
    """A backend's name, and why it was taken."""

    model: str
    why: str


def installed(name: str) -> bool:
    """Tell whether package `name` can be imported, without importing it."""
    return importlib.util.find_spec(name) is not None


def gpus() -> int:
    """Return how many NVIDIA GPUs there are for us; the driver is asked directly, for torch takes seconds to import."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return 0
    try:
        driver = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return 0
    count = ctypes.c_uint(0)
    found = driver.nvmlInit_v2() == 0 and driver.nvmlDeviceGetCount_v2(ctypes.byref(count)) == 0
    return count.value if found else 0


def choose(model: str, has: Callable[[str], bool] = installed, count_gpus: Callable[[], int] = gpus) -> Choice:
    """Return the backend that a suite's `model` stands for: vLLM where it can run, else the fastest one of ours."""
    if model != AUTO:
        return Choice(model, "named by the suite")
    if has("vllm") and count_gpus():
        return Choice("vllm", "vllm is installed and there is a CUDA GPU")
    why = "vllm is installed, but there is no CUDA GPU" if has("vllm") else "vllm is not installed"
    if not (lacking := [name for name in (*_FAST_NEEDS, FAST.split(".")[0]) if not has(name)]):
        return Choice(FAST, f"{why}; {', '.join(_FAST_NEEDS)} are")
    return Choice("hf", f"{why}, nor {', '.join(lacking)}")


def arguments(settings: Suite, inputs: Mapping[str, Path], *, adapter: bool, seed: int | None) -> dict[str, Any]:
    """Return the arguments of the backend `settings.model` for the base, or for the base with the adapter.

    `inputs` may name the folders "base" and "adapter"; what it does not name is taken from the suite as it stands.
    """
    base = str(inputs.get("base", settings.base))
    weights = str(inputs.get("adapter", settings.adapter)) if adapter else None
    if settings.model == ENDPOINT:
        seeded = {} if seed is None else {"seed": seed}
        return endpoint.arguments(weights or base, settings.model_args) | seeded
    if settings.model == "vllm":
        given = {key: value for key, value in settings.model_args.items() if key != "device"}  # it takes CUDA's first
        lora = {"lora_local_path": weights, "max_lora_rank": _room_for(inputs.get("adapter"))} if weights else {}
        return {"pretrained": base, **lora, **({} if seed is None else {"seed": seed}), **given}
    return {"pretrained": base, **({"peft": weights} if weights else {}), **settings.model_args}


def _room_for(adapter: Path | None) -> int:
    """Return the rank to set aside for the adapter in a folder; 16, vLLM's default, for one on the hub."""
    rank = jsonl.read(adapter / "adapter_config.json").get("r", 16) if adapter else 16
    return next((room for room in _VLLM_RANKS if rank <= room), rank)


def model_class(name: str) -> Any:
    """Return lm-eval's model class `name`, or the class that "package.module:Class" names."""
    from lm_eval.api.registry import get_model

    if name == ENDPOINT:
        return endpoint.model_class()
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute) if attribute else get_model(name)
    except (ImportError, AttributeError, ValueError, KeyError) as error:
        raise _missing(name, error) from None


def code_of(name: str) -> str | None:
    """Return a hash over the code of a model class of one's own: other code may decode otherwise."""
    module, _, attribute = name.partition(":")
    try:
        return manifest.code_digest(module) if attribute else None
    except ModuleNotFoundError as error:
        raise _missing(name, error) from None


def _missing(name: str, error: Exception) -> InputError:
    return InputError(f"model {name!r} of the suite cannot be had ({error}); `hf` always can")
