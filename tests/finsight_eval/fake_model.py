"""A model class without a model: its reply is a function of the prompt, and it logs every prompt that it is asked.

model: tests.finsight_eval.fake_model:FakeLM
model_args: {log: asked.txt, seconds: 0.2}       # seconds: how long a batch takes
"""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import LM

from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.parse import Answer, render

if TYPE_CHECKING:
    from collections.abc import Sequence


class FakeLM(LM):  # type: ignore[misc]
    """Answers in batches, the longest prompt first, and reports every reply to the cache hook as `hf` does.

    `flips`: the share of prompts whose answer depends on the batch size, too.
    """

    tokenizer_name = "fake"

    def __init__(self, log: str, pretrained: str, batch_size: int, seconds: float = 0.0, flips: float = 0.0) -> None:
        super().__init__()
        self.log, self.weights, self.size, self.seconds, self.flips = Path(log), pretrained, batch_size, seconds, flips

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return chat_history[-1]["content"]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        order = sorted(range(len(requests)), key=lambda place: -len(requests[place].args[0]))
        replies = [""] * len(requests)
        for start in range(0, len(order), self.size):
            batch = order[start : start + self.size]
            time.sleep(self.seconds)
            with self.log.open("a", encoding="utf-8") as log:
                log.writelines(f"{digest(requests[place].args[0])}\n" for place in batch)
            for place in batch:
                context, generation = requests[place].args
                replies[place] = self.reply(context, generation)
                self.cache_hook.add_partial("generate_until", (context, {**generation, "until": ["x"]}), replies[place])
        return replies

    def reply(self, context: str, generation: dict[str, Any]) -> str:
        rng = random.Random(f"{self.weights} {context}")
        if rng.random() < self.flips:
            rng = random.Random(f"{self.size} {context}")
        if generation.get("do_sample"):
            rng = random.Random()
        return render(Answer("a -> b", "Acme", rng.choice(SENTIMENTS), rng.choice(RISK_LEVELS)))

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        raise NotImplementedError


def digest(context: str) -> str:
    """Return a short name of a prompt."""
    return hashlib.sha256(context.encode()).hexdigest()[:16]
