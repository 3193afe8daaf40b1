"""Does the merged model answer as the adapter did? Greedy replies of both to the same dev items, and what they share.

    {"items": 64, "identical": 64, "common_tokens": 58.1, "reply_tokens": 58.1, "same_verdicts": 64, "different": [],
     "reference": {"json_parse_rate": {"value": 0.98, "low": 0.92, "high": 1.0, "n": 64}, ...}, "merged": {...}}

The decoder is the project's own, the one of the evaluation. The reference keeps the adapter beside the base, as it was
trained; test items are not looked at.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from finsight_eval import benchmark, prompt
from finsight_eval.columns import Columns
from finsight_eval.errors import InputError
from finsight_eval.figures import figure_of
from finsight_eval.gold import TASKS
from finsight_eval.parse import Answer, parse
from finsight_eval.public import PUBLIC
from finsight_eval.verdicts import verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from finsight_eval.records import Item

#: How many dev items are asked; a suite with fewer has all of them asked.
ITEMS: Final = 64
#: The headline figures that a reply alone decides.
FIGURES: Final = ("json_parse_rate", "sentiment_f1", "risk_accuracy")
#: Rows decoded together: few enough for a card that holds the weights and little more.
_ROWS: Final = 32


def dev_sets(tasks: Iterable[str]) -> list[str]:
    """Return the benchmark sets of `tasks` that have a dev split; raises InputError where there is none."""
    named = dict.fromkeys(TASKS[task][0] for task in tasks if task in TASKS and TASKS[task][0] not in PUBLIC)
    if not named:
        raise InputError(
            "none of the suite's tasks has dev items to compare replies on (public sets have none); name one of ours, "
            "such as finsight, in the suite"
        )
    return list(named)


def dev_files(sets: Sequence[str]) -> dict[str, Path]:
    """Return set -> the file of its dev items."""
    return {name: benchmark.folder(name) / "dev.jsonl" for name in sets}


def dev_items(sets: Sequence[str], count: int) -> list[Item]:
    """Return about `count` dev items, as many of each set, spread evenly over each; raises InputError for none."""
    chosen: list[Item] = []
    for place, name in enumerate(sets):
        items = benchmark.read(name, "dev")
        share = min(len(items), (count - len(chosen)) // (len(sets) - place))
        chosen += [items[number * len(items) // share] for number in range(share)]
    return chosen


def prompts_of(items: Sequence[Item], tokenizer: Any) -> list[list[int]]:
    """Return each item's prompt as token ids, through the chat template, as training and evaluation read it."""
    return [
        tokenizer.apply_chat_template(
            prompt.messages(prompt.prompt_of(item)), add_generation_prompt=True, tokenize=True, return_dict=False
        )
        for item in items
    ]


def replies(model: Any, prompts: Sequence[Sequence[int]], new_tokens: int, ends: set[int]) -> list[list[int]]:
    """Return the greedy reply of `model` to each prompt, its end token included.

    Raises:
        InputError: a model that the decoder does not know.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    from finsight_train.packed import Unsupported
    from finsight_train.schedule import continuations

    found: dict[int, list[int]] = {}
    try:
        with tqdm(total=len(prompts), desc="  replies", disable=None, leave=False) as bar:
            for place, reply in continuations(model.eval(), prompts, new_tokens, ends, lambda _: _ROWS):
                found[place] = reply
                bar.update()
    except Unsupported as error:
        raise InputError(
            f"the decoder cannot run this base ({error}), so that agreement cannot be checked; use a base such as "
            "Qwen2.5, whose layers attend to all that came before"
        ) from None
    return [found[place] for place in range(len(prompts))]


def verdict(text: str) -> tuple[str, ...]:
    """Return what a reply says: entity, sentiment and risk level, or the reason why it cannot be read."""
    outcome = parse(text)
    if isinstance(outcome, Answer):
        return (outcome.entity, outcome.sentiment, outcome.risk_level)
    return (outcome.reason.value,)


def figures(items: Sequence[Item], texts: Sequence[str]) -> dict[str, Any]:
    """Return the strict headline figures of the replies, each with n and its 95 % interval."""
    columns = Columns([verdict_of(item, text) for item, text in zip(items, texts, strict=True)])
    return {name: figure_of(name, columns, np.arange(len(items))).row() for name in FIGURES}


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two replies have in common before they first differ."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def comparison(
    items: Sequence[Item], reference: Sequence[Sequence[int]], merged: Sequence[Sequence[int]], tokenizer: Any
) -> dict[str, Any]:
    """Return what two models' replies to `items` have in common, with the items on which their verdicts differ."""
    said, says = (
        [tokenizer.decode(ids, skip_special_tokens=True) for ids in replies] for replies in (reference, merged)
    )
    verdicts = [(item.id, verdict(one), verdict(two)) for item, one, two in zip(items, said, says, strict=True)]
    shared = [common(one, two) for one, two in zip(reference, merged, strict=True)]
    return {
        "items": len(items),
        "identical": sum(list(one) == list(two) for one, two in zip(reference, merged, strict=True)),
        "common_tokens": round(sum(shared) / len(items), 1),
        "reply_tokens": round(sum(map(len, reference)) / len(items), 1),
        "same_verdicts": sum(one == two for _, one, two in verdicts),
        "reference": figures(items, said),
        "merged": figures(items, says),
        "different": [
            {"id": name, "reference": list(one), "merged": list(two)} for name, one, two in verdicts if one != two
        ],
    }
