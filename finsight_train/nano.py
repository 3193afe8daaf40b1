r"""finsight-nano: tokenizer and weights from scratch, from a folder of text to a base model that `sft` can train.

    python -m finsight_train.nano --recipe nano --text runs/nano/primer

    {"text": "<|im_start|>user\nWhat is a hedge?<|im_end|>\n<|im_start|>assistant\nA cover ...<|im_end|>"}

The shipped base was made by this very command on one GPU; its folder holds the record (pretrain.json) and a manifest.
The tokenizer learns from the text alone and never from the prompt: a token that the text does not hold would keep a
random embedding, which LoRA cannot train, and a reply that needs it could never be learnt.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import errors, jsonl, manifest, stage
from finsight_eval.errors import InputError
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.recipe import load

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPES: Final = Path(__file__).parent / "recipes" / "pretrain"
BASES: Final = Path(__file__).parent / "bases"
#: Three replies without their words: how often the text holds these tokens says whether a reply can be learnt.
_FRAME: Final = "".join(
    f'<thinking>\n</thinking>\n{{"entity": "", "sentiment": "{sentiment}", "risk_level": "{risk}"}}<|im_end|>'
    for sentiment, risk in zip(SENTIMENTS, RISK_LEVELS, strict=True)
)


@dataclass(frozen=True)
class Recipe:
    """How finsight-nano is made. `tokens` and `seconds` are budgets: whichever is spent first ends the training."""

    name: str
    seed: int
    device: str
    vocabulary: int
    tokenizer_characters: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    positions: int
    block: int
    batch: int
    tokens: int
    seconds: float
    learning_rate: float
    warmup: float
    weight_decay: float
    log_every: int

    def __post_init__(self) -> None:
        if self.device not in ("cuda", "cpu"):
            raise ValueError(f"device {self.device!r} is not one of cuda, cpu")
        if not 300 <= self.vocabulary <= 65536:
            raise ValueError(f"vocabulary {self.vocabulary} is not within 300 to 65536 (ids are kept as 16 bits)")
        if self.hidden % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError("hidden must be an even multiple of heads, and heads a multiple of kv_heads")
        if not 8 <= self.block <= self.positions:
            raise ValueError(f"block {self.block} is not within 8 to positions ({self.positions})")
        if min(self.batch, self.tokens, self.layers, self.log_every, self.tokenizer_characters, self.seconds) <= 0:
            raise ValueError("batch, tokens, layers, log_every, tokenizer_characters and seconds are above 0")
        if not (0 < self.learning_rate < 1 and 0 < self.warmup < 1 and 0 <= self.weight_decay < 1):
            raise ValueError("learning_rate and warmup lie between 0 and 1, weight_decay from 0 to below 1")


def frame_counts(tokens: Any, tokenizer: Any) -> dict[str, int]:
    """Return how often `tokens` holds each token of a reply's frame, the rarest first."""
    import numpy as np

    counts = np.bincount(tokens, minlength=tokenizer.get_vocab_size())
    ids = sorted(set(tokenizer.encode(_FRAME).ids), key=lambda token: (counts[token], token))
    return {tokenizer.decode([token], skip_special_tokens=False): int(counts[token]) for token in ids}


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write bf16 safetensors (shards of 12 MB: some repositories limit a file's size), configuration and tokenizer."""
    import torch
    from transformers import GenerationConfig

    # use_cache stands here on purpose: without it generation recomputes the whole text for every token.
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id],
        pad_token_id=tokenizer.pad_token_id,
        use_cache=True,
    )
    model.config.use_cache = True
    model.to("cpu", torch.bfloat16).save_pretrained(folder, max_shard_size="12MB")
    tokenizer.save_pretrained(folder)


def build(recipe: Recipe, text: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """Train tokenizer and model on the shards below `text` and write the base into `folder`."""
    import time

    from finsight_train import machine, pretrain, shards
    from finsight_train.tokenizer import for_transformers, trained

    files = shards.text_files(text)
    started = time.monotonic()
    tokenizer = trained(shards.sample(files, recipe.tokenizer_characters), recipe.vocabulary)
    print(f"tokenizer: {tokenizer.get_vocab_size():,} tokens ({time.monotonic() - started:.0f} s)", flush=True)
    tokens = shards.tokens_of(files, tokenizer)
    size = sum(path.stat().st_size for path in files)
    print(
        f"text: {len(tokens):,} tokens of {size / len(tokens):.2f} bytes ({time.monotonic() - started:.0f} s)",
        flush=True,
    )
    counts = frame_counts(tokens, tokenizer)
    print(
        "rarest tokens of a reply's frame:", ", ".join(f"{k!r} {v:,}" for k, v in list(counts.items())[:6]), flush=True
    )
    wrapped = for_transformers(tokenizer)
    model = pretrain.model_of(recipe, wrapped)
    parameters = model.num_parameters()
    record = pretrain.trained(model, tokens, recipe)
    _save(model, wrapped, folder)
    facts = {
        "parameters": parameters,
        "text_tokens": len(tokens),
        "text_bytes": size,
        "hardware": machine.hardware(recipe.device),
        "frame_counts": counts,
        **record,
    }
    origin = {"settings": asdict(recipe), "text_sha256": manifest.verified(text), "versions": manifest.versions()}
    jsonl.write(folder / "pretrain.json", {**origin, **facts})
    product = (
        f"{parameters / 1e6:.1f}M parameters, {record['tokens']:,} tokens, held-out loss {record['held_out_loss']}"
    )
    return product, {key: value for key, value in facts.items() if key != "losses"}


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Pretrain finsight-nano."""
    parser = stage.arguments("Make the base model finsight-nano: tokenizer and weights from a folder of text.", RECIPES)
    parser.add_argument("--text", type=Path, help="folder of *.jsonl (default: <runs>/<recipe>/primer)")
    parser.add_argument(
        "--out", type=Path, default=BASES / "finsight-nano", help="folder of the base (default: the shipped one)"
    )
    options = parser.parse_args(argv)
    recipe = load(stage.recipe_path(options.recipe, RECIPES), Recipe)
    text = options.text or stage.run_folder(options.runs, options.recipe) / "primer"
    if recipe.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError(
                f"recipe {recipe.name} pretrains on a GPU and none is visible; the base is shipped ready made"
            )
    plan = stage.Plan("pretrain", options.out, "finsight_train.nano", inputs={"text": text}, settings=asdict(recipe))
    stage.run(plan, lambda folder: build(recipe, text, folder))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
