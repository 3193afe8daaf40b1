"""The tokenizer as llama.cpp reads it: tokens with their kind, merges, and the name of a splitting rule.

    tokens ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "!", ...], kinds [3, 3, 3, 1, ...], merges ["e r", ...]

llama.cpp knows splitting rules by name and cannot be given a pattern. Ours is Qwen2's own ("qwen2"), which a Qwen2
tokenizer has and finsight-nano's, too, once it is saved; any other is refused rather than approximated. What it cannot
express: it does not normalise (NFC), so that text in decomposed characters becomes other tokens than in training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_train.tokenizer import QWEN2

if TYPE_CHECKING:
    from pathlib import Path

#: gguf.TokenType: an ordinary token, one that only markup writes, one that an added word is, one that is never written.
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
RULE: Final = "qwen2"
_NORMALISERS: Final = (None, {"type": "NFC"})


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by id with their kinds, and merges in their order."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]


def vocabulary_of(path: Path, size: int) -> Vocabulary:
    """Return the vocabulary of a tokenizer.json, filled up to the `size` of the model's embedding.

    Raises:
        InputError: a tokenizer that llama.cpp would read otherwise than transformers.
    """
    found = jsonl.read(path)
    if problem := _problem(found):
        raise InputError(f"{path}: {problem}; llama.cpp would split texts otherwise: serve the safetensors instead")
    tokens = {number: token for token, number in found["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, NORMAL)
    for added in found["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    if max(tokens) >= size:
        raise InputError(f"{path}: token {max(tokens)} has no place in the model's embedding of {size}")
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in found["model"]["merges"]]
    return Vocabulary(
        [tokens.get(number, f"[PAD{number}]") for number in range(size)],
        [kinds.get(number, UNUSED) for number in range(size)],
        merges,
    )


def _problem(found: dict[str, Any]) -> str | None:
    """Return what llama.cpp's rule for Qwen2 does not express, in words, or None."""
    model = found.get("model") or {}
    if model.get("type") != "BPE" or model.get("byte_fallback") or model.get("ignore_merges"):
        return f"its model is {printable(str(model.get('type')), 40)}, byte-level BPE with merges is expected"
    splits = _splits(found.get("pre_tokenizer") or {})
    if splits != [QWEN2]:
        return f"it splits texts by {printable(str(splits), 120)}, Qwen2's own pattern is expected"
    if found.get("normalizer") not in _NORMALISERS:
        return f"its normaliser is {printable(str(found['normalizer']), 80)}, NFC or none is expected"
    return None


def _splits(rule: dict[str, Any]) -> list[str]:
    """Return the patterns by which a pre-tokenizer splits."""
    inner = rule.get("pretokenizers", [rule])
    return [str((part.get("pattern") or {}).get("Regex")) for part in inner if part.get("type") == "Split"]
