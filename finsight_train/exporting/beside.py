"""What stands beside the weights: configuration, generation config and tokenizer, for old and new loaders alike.

    config.json {"architectures": ["Qwen2ForCausalLM"], "dtype": "float32", "rope_parameters": {"rope_theta": 10000.0},
                 "torch_dtype": "float32", "rope_theta": 10000.0, ...}

transformers 5 renamed keys that transformers 4, and servers built on it, read under their old names and otherwise
replace by a default without a word: a model with another rotary base then writes nonsense. Both names are written. What
names the machine that wrote the files is taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_train.exporting.serving import generation_config

if TYPE_CHECKING:
    from pathlib import Path

#: What transformers notes of where and how it loaded something.
_MACHINE: Final = (
    "_name_or_path",
    "name_or_path",
    "_commit_hash",
    "is_local",
    "local_files_only",
    "quantization_config",
)
#: transformers 5's name for special tokens without a role -> transformers 4's, which 5 still reads.
_EXTRA, _ADDITIONAL = "extra_special_tokens", "additional_special_tokens"


def write(folder: Path, config: Any, tokenizer: Any, generation: Any, dtype: str) -> None:
    """Write config.json, generation_config.json and the tokenizer's files into `folder`."""
    config.save_pretrained(folder)
    jsonl.write(folder / "config.json", readable_config(jsonl.read(folder / "config.json"), dtype))
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    jsonl.write(settings, readable_tokenizer(jsonl.read(settings)))
    jsonl.write(folder / "generation_config.json", generation_config(tokenizer, generation))


def readable_config(found: jsonl.Row, dtype: str) -> jsonl.Row:
    """Return a config.json that transformers 4 reads as 5 does."""
    rope = found.get("rope_parameters") or {}
    old = {"rope_theta": rope["rope_theta"]} if "rope_theta" in rope else {}
    kept = {key: value for key, value in found.items() if key not in _MACHINE}
    return {**kept, **old, "dtype": dtype, "torch_dtype": dtype, "use_cache": True}


def readable_tokenizer(found: jsonl.Row) -> jsonl.Row:
    """Return a tokenizer_config.json that transformers 4 reads as 5 does: there a list of extra tokens is an error."""
    kept = {key: value for key, value in found.items() if key not in _MACHINE}
    if isinstance(kept.get(_EXTRA), list):
        kept[_ADDITIONAL] = kept.pop(_EXTRA)
    return kept
