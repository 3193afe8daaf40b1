r"""The exam as it is sat in the middle of training: replies to dev items, read and scored as the evaluation does.

    {"step": 150, "n": 40, "json_parse_rate": 0.975, "sentiment_f1": 0.81, "risk_accuracy": 0.55, "seconds": 3.4,
     "reply_tokens": 1783, "parsed": [1, 1, 0, ...], "right": [2, 1, 0, ...]}
    {"step": 150, "id": "sim-dev-en-0031", "reply": "<thinking>\n...", "unparsed": null}

`parsed` and `right` count, story by story, replies that can be read and labels that are right: what two evaluations of
one training are compared by. The second kind of row holds a few replies in full, always to the same items, so that a
person can see how the model's words change. They are a model's words: escape them wherever they are shown.

Nothing of it touches the training: weights are read only, each module goes back to its mode, each source of random
numbers to its state. The losses of a training with and without exams are the same to the last bit (a test says so).
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from finsight_eval import metrics
from finsight_eval.clusters import cluster_numbers, sums_of
from finsight_eval.errors import InputError
from finsight_eval.metrics import reads_risk, sentiment_of
from finsight_eval.parse import Answer, Unparsed
from finsight_eval.verdicts import Verdict, verdict_of
from finsight_train.course import Point
from finsight_train.packed import Unsupported
from finsight_train.schedule import continuations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from finsight_eval import jsonl
    from finsight_train.devset import Exam

#: How many replies of each evaluation are kept in full: of the first items, which differ in sentiment and language.
SHOWN: Final = 3


@dataclass(frozen=True)
class Marks:
    """What one sitting gave: strict figures over n items, its cost, and every verdict."""

    n: int
    json_parse_rate: float
    sentiment_f1: float
    risk_accuracy: float
    seconds: float
    reply_tokens: int
    verdicts: tuple[Verdict, ...]

    def point(self, step: int) -> Point:
        """Return these marks as a point of the course of training."""
        numbers = cluster_numbers([verdict.item for verdict in self.verdicts])
        parsed = [isinstance(verdict.strict, Answer) for verdict in self.verdicts]
        right = [_labels_right(verdict) for verdict in self.verdicts]
        by_story = [tuple(int(total) for total in sums_of(found, numbers).sums) for found in (parsed, right)]
        return Point(step, self.json_parse_rate, self.sentiment_f1, self.risk_accuracy, *by_story)

    def row(self, step: int) -> jsonl.Row:
        """Return the line of dev.jsonl."""
        point = self.point(step)
        return {
            "step": step,
            "n": self.n,
            "json_parse_rate": self.json_parse_rate,
            "sentiment_f1": self.sentiment_f1,
            "risk_accuracy": self.risk_accuracy,
            "seconds": round(self.seconds, 2),
            "reply_tokens": self.reply_tokens,
            "parsed": list(point.parsed),
            "right": list(point.right),
        }

    def replies(self, step: int) -> list[jsonl.Row]:
        """Return the lines of dev_replies.jsonl."""
        return [
            {
                "step": step,
                "id": verdict.item.id,
                "reply": verdict.reply,
                "unparsed": verdict.strict.reason.value if isinstance(verdict.strict, Unparsed) else None,
            }
            for verdict in self.verdicts[:SHOWN]
        ]


def _labels_right(verdict: Verdict) -> int:
    said, item = verdict.strict, verdict.item
    return (sentiment_of(said) == item.sentiment) + bool(reads_risk(said, item))


def sit(exam: Exam, model: Any, slots: Callable[[int], int]) -> Marks:
    """Return the marks of `model` as it stands; `slots` says how many rows of a given capacity are decoded together.

    Raises:
        InputError: the decoder does not know the model.
    """
    started = time.monotonic()
    with at_rest(model):
        tokens = _continued(exam, model, slots)
    verdicts = tuple(verdict_of(item, text_of(exam, ids)) for item, ids in zip(exam.items, tokens, strict=True))
    risks = [reads_risk(verdict.strict, verdict.item) for verdict in verdicts]
    return Marks(
        n=len(verdicts),
        json_parse_rate=_known(metrics.rate([isinstance(verdict.strict, Answer) for verdict in verdicts])),
        sentiment_f1=metrics.macro_f1(
            [verdict.item.sentiment for verdict in verdicts], [sentiment_of(verdict.strict) for verdict in verdicts]
        ),
        risk_accuracy=_known(metrics.rate(risks)),
        seconds=time.monotonic() - started,
        reply_tokens=sum(map(len, tokens)),
        verdicts=verdicts,
    )


def _known(value: float | None) -> float:
    assert value is not None  # noqa: S101 - every item of ours has both labels
    return value


def text_of(exam: Exam, ids: Sequence[int]) -> str:
    """Return a reply as text, cut at its end token, as the evaluation cuts it."""
    text: str = exam.tokenizer.decode(ids, skip_special_tokens=True)
    return text.split(exam.tokenizer.decode([exam.tokenizer.eos_token_id]), maxsplit=1)[0]


def _continued(exam: Exam, model: Any, slots: Callable[[int], int]) -> list[list[int]]:
    """Return the reply to each prompt, with half as many rows at a time whenever the GPU's memory is too small."""
    ends, most = ends_of(model, exam.tokenizer), len(exam.prompts)
    found: dict[int, list[int]] = {}
    while len(found) < len(exam.prompts):
        left = [place for place in range(len(exam.prompts)) if place not in found]
        rows = [exam.prompts[place] for place in left]
        try:
            for at, tokens in continuations(model, rows, exam.new_tokens, ends, _at_most(most, slots)):
                found[left[at]] = tokens
        except Unsupported as error:
            raise InputError(
                f"the base cannot be evaluated while it is trained: {error}; train it without dev items and evaluate "
                "the adapter afterwards"
            ) from None
        except torch.cuda.OutOfMemoryError:
            if most == 1:
                raise
            most //= 2
    return [found[place] for place in range(len(exam.prompts))]


def _at_most(most: int, slots: Callable[[int], int]) -> Callable[[int], int]:
    return lambda capacity: min(most, slots(capacity))


def ends_of(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end a reply: the tokenizer's and those of the model's generation config."""
    found = model.generation_config.eos_token_id
    return {tokenizer.eos_token_id, *(found if isinstance(found, list) else [found] if found is not None else [])}


@contextmanager
def at_rest(model: Any) -> Iterator[None]:
    """Within this block `model` is in evaluation mode; after it modes and random numbers are what they were before."""
    modes = {module: module.training for module in model.modules()}
    chance = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - others draw from it
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
        random.setstate(chance[0])
        np.random.set_state(chance[1])  # noqa: NPY002
        torch.set_rng_state(chance[2])
        if devices:
            torch.cuda.set_rng_state_all(devices)
