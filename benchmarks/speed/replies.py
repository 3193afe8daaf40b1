"""Replies as tokens: what a model of lm-eval writes, when, and where two models part.

    Heard(tokens=[27, 82260, ..., 151645], seconds=1.8)      # the reply to one prompt; seconds since the start
    Parting(at=17, gap=0.0, ranks=(1, 2))                    # two replies agree in 17 tokens; the 18th was a tie

lm-eval hands out texts, of which tokens cannot be told for certain; so its model is listened to while it works.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Heard:
    """One reply: its tokens up to the first end token, and when it was finished."""

    tokens: list[int]
    seconds: float


@dataclass(frozen=True)
class Parting:
    """Where two replies to one prompt part.

    Attributes:
        at: how many tokens they share before that.
        gap: how far apart the model's own logits of the two next tokens are, in one pass over what came before.
        ranks: the places of the two tokens among all logits, 1 for the highest.
    """

    at: int
    gap: float
    ranks: tuple[int, int]


class _Hook:
    """Stands in for lm-eval's cache, which is told every reply as soon as it is finished."""

    def __init__(self) -> None:
        self.started, self.last, self.heard = time.perf_counter(), [0], dict[str, Heard]()

    def add_partial(self, _kind: str, request: Sequence[Any], _text: str) -> None:
        self.heard[request[0]] = Heard(self.last, time.perf_counter() - self.started)


@contextmanager
def listening(model: Any) -> Iterator[dict[str, Heard]]:
    """Within this block, collect the replies of `model` by prompt."""
    hook, decode = _Hook(), model.tok_decode
    ends = set(_listed(model.model.generation_config.eos_token_id)) | {model.eot_token_id}

    def heard(tokens: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(tokens, list):
            stop = next((place + 1 for place, token in enumerate(tokens) if token in ends), len(tokens))
            hook.last = tokens[:stop]
        return decode(tokens, *arguments, **options)

    model.tok_decode, before, model.cache_hook = heard, model.cache_hook, hook
    try:
        yield hook.heard
    finally:
        model.cache_hook = before
        del model.tok_decode


def _listed(value: Any) -> list[int]:
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def shared(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two replies begin with in common."""
    pairs = zip(left, right, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def partings(model: Any, left: dict[str, Heard], right: dict[str, Heard]) -> list[Parting | None]:
    """Return for each prompt where the replies part, None where they are the same."""
    import torch

    found: list[Parting | None] = []
    for prompt, reply in left.items():
        mine, other = reply.tokens, right[prompt].tokens
        at = shared(mine, other)
        if at == max(len(mine), len(other)):
            found.append(None)
            continue
        before = [*model.tok_encode(prompt), *mine[:at]]
        with torch.inference_mode():
            out = model.model(input_ids=torch.tensor([before], device=model.device), logits_to_keep=1)
        scores = out.logits[0, -1].float()
        first, second = scores[mine[at]], scores[other[at]]
        ranks = int((scores > first).sum()) + 1, int((scores > second).sum()) + 1
        found.append(Parting(at, float((first - second).abs()), ranks))
    return found
