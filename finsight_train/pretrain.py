"""Pretraining from scratch: a Qwen2 model and one plain loop over packed blocks of text.

    step 400/4600  loss 2.131  lr 2.98e-03  1,650,000 tok/s  16 s

Blocks are cut from the run of all documents; a block may hold several, and attention crosses from one to the next. The
learning rate follows a cosine over steps or seconds, whichever budget is nearer its end, so that a slower machine
still ends with a small rate.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Final

from finsight_eval.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from finsight_train.nano import Recipe

#: Blocks kept out of training, for the loss on text that was not trained on.
HELD_OUT: Final = 128
#: The cosine ends at this share of the peak rate.
FLOOR: Final = 0.05
_BETAS: Final = (0.9, 0.95)


def model_of(recipe: Recipe, tokenizer: Any) -> Any:
    """Return a randomly initialised Qwen2ForCausalLM in float32 of the shape that `recipe` gives."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(recipe.seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        max_position_embeddings=recipe.positions,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def rate(progress: float, warmup: float) -> float:
    """Return the share of the peak learning rate at `progress` in [0, 1]: linear warm-up, then a cosine to FLOOR."""
    if progress < warmup:
        return progress / warmup
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup))))
    return FLOOR + (1 - FLOOR) * cosine


def _loss_of(model: Any, ids: Any) -> Any:
    """Return the mean next-token loss over `ids`, shape [batch, block + 1]."""
    import torch
    from torch.nn.functional import cross_entropy

    with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.device.type == "cuda"):
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    return cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())


def _optimizer(model: Any, recipe: Recipe, fused: bool) -> Any:
    import torch

    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=_BETAS, fused=fused)


class Blocks:
    """The text as blocks on the device: `train(step)` gives ids of shape [batch, block + 1]."""

    def __init__(self, tokens: NDArray[np.uint16], recipe: Recipe) -> None:
        import torch

        self.size, self.batch = recipe.block, recipe.batch
        self.tokens = torch.from_numpy(tokens.astype("int32")).to(recipe.device)
        blocks = (len(tokens) - 1) // self.size
        self.held_out = min(HELD_OUT, blocks // 10)
        self.per_epoch = (blocks - self.held_out) // self.batch
        if self.per_epoch < 1 or self.held_out < 1:
            raise InputError(
                f"{len(tokens):,} tokens make {blocks} blocks of {self.size}; a batch of {self.batch} needs more text"
            )
        self._generator = torch.Generator().manual_seed(recipe.seed)
        # Held-out blocks are spread over the run: text shards may be ordered by kind or language.
        order = torch.randperm(blocks, generator=self._generator)
        self._held, self._rest = order[: self.held_out], order[self.held_out :]

    def _ids(self, blocks: Any) -> Any:
        import torch

        at = torch.arange(self.size + 1, device=self.tokens.device)
        starts = blocks.to(self.tokens.device, non_blocking=True) * self.size
        return self.tokens[starts[:, None] + at].long()

    def train(self, step: int) -> Any:
        import torch

        place = step % self.per_epoch
        if place == 0:
            self._rest = self._rest[torch.randperm(len(self._rest), generator=self._generator)]
        return self._ids(self._rest[place * self.batch : (place + 1) * self.batch])

    def held(self) -> list[Any]:
        size = min(self.batch, self.held_out)
        return [self._ids(self._held[at : at + size]) for at in range(0, self.held_out - size + 1, size)]


def trained(model: Any, tokens: NDArray[np.uint16], recipe: Recipe) -> dict[str, Any]:
    """Train `model` in place and return the record: steps, tokens, losses, held-out loss, seconds, tokens/s.

    Raises:
        InputError: too little text for one batch, or a loss that is not finite, with its step.
    """
    import torch

    cuda = recipe.device == "cuda"
    torch.set_float32_matmul_precision("high")
    blocks = Blocks(tokens, recipe)
    model.to(recipe.device).train()
    optimizer = _optimizer(model, recipe, fused=cuda)
    loss_of = torch.compile(_loss_of, dynamic=False) if cuda else _loss_of
    per_step = recipe.batch * recipe.block
    steps = max(1, recipe.tokens // per_step)
    loss_of(model, blocks.train(0)).backward()  # compiles outside the time budget
    optimizer.zero_grad(set_to_none=True)
    losses: list[tuple[int, float]] = []
    started, step, progress = time.monotonic(), 0, 0.0
    while progress < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate(max(progress, 1 / steps), recipe.warmup)
        loss = loss_of(model, blocks.train(step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        seconds = time.monotonic() - started
        progress = max(step / steps, seconds / recipe.seconds)
        if step % recipe.log_every == 0 or progress >= 1.0:
            losses.append((step, _finite(loss.item(), step)))  # also waits for the GPU, so that seconds are true
            seconds = time.monotonic() - started
            lr, speed = optimizer.param_groups[0]["lr"], per_step * step / seconds
            print(
                f"step {step}/{steps}  loss {losses[-1][1]:.3f}  lr {lr:.2e}  {speed:,.0f} tok/s  {seconds:.0f} s",
                flush=True,
            )
    return {
        "steps": step,
        "planned_steps": steps,
        "tokens": step * per_step,
        "epochs": round(step / blocks.per_epoch, 3),
        "seconds": round(seconds, 1),
        "tokens_per_second": round(step * per_step / seconds),
        "held_out_loss": _held_out_loss(model, blocks),
        "losses": losses,
    }


def _held_out_loss(model: Any, blocks: Blocks) -> float:
    import torch

    model.eval()
    with torch.no_grad():
        losses = [_loss_of(model, ids).item() for ids in blocks.held()]
    return round(float(sum(losses)) / len(losses), 4)


def _finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise InputError(f"the loss is {loss} at step {step}: lower learning_rate or raise warmup")
    return round(loss, 4)
