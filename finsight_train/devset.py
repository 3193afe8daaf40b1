"""The dev items that an adapter answers while it is trained, chosen and rendered before any weight is loaded.

    exam_of(("simulated",), 40, tokenizer, 96, 2048) -> Exam(items=(Item(id="sim-dev-zh-0007", ...), ...),
                                                             prompts=((1, 389, 27, ...), ...), new_tokens=96, ...)

The choice has no chance in it: set, language and sentiment take turns, within them risk levels, and ids by their hash.
So the first 24 of 40 are those of 24, and a curve of one run may be laid beside that of another. `test` is never read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import benchmark, prompt
from finsight_eval.errors import InputError
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.records import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.records import Item
    from finsight_train.rows import Row

#: A reply may be longer than any that was taught by this factor before it is cut; nano: 73 tokens taught, 98 allowed.
_ROOM: Final = (4, 3)


@dataclass(frozen=True)
class Exam:
    """Dev items with their prompts as token ids, and how long a reply may be.

    Attributes:
        tokenizer: turns replies into text; its end token ends one.
    """

    items: tuple[Item, ...]
    prompts: tuple[tuple[int, ...], ...]
    new_tokens: int
    tokenizer: Any


def exam_of(sets: Sequence[str], count: int, tokenizer: Any, new_tokens: int, positions: int) -> Exam:
    """Return `count` dev items of benchmark sets; a reply has `new_tokens`, the model `positions`.

    Raises:
        InputError: no such set or one without a dev split, more items than there are, or a prompt that leaves no room
            for a reply.
    """
    items = chosen({name: benchmark.read(name, "dev") for name in sets}, count)
    prompts = tuple(rendered(tokenizer, item) for item in items)
    for item, ids in zip(items, prompts, strict=True):
        if len(ids) + new_tokens > positions:
            raise InputError(
                f"dev item {item.id}: its prompt of {len(ids):,} tokens and a reply of {new_tokens:,} do not fit into "
                f"the {positions:,} positions of the base; leave its set out of the dev sets"
            )
    return Exam(items, prompts, new_tokens, tokenizer)


def chosen(sets: dict[str, list[Item]], count: int) -> tuple[Item, ...]:
    """Return `count` items, cells of set, sentiment and language taking turns; raises InputError where there are fewer.

    A cell that is used up is passed over.
    """
    there = sum(map(len, sets.values()))
    if not 1 <= count <= there:
        held = ", ".join(f"{name} {len(items)}" for name, items in sets.items()) or "no set named"
        raise InputError(f"{count} dev items are asked for, there are {there} ({held}); ask for 1 to {there}")
    turns = []
    for place, (name, lang, sentiment) in enumerate(product(sets, LANGUAGES, SENTIMENTS)):
        cell = [item for item in sets[name] if (item.lang, item.sentiment) == (lang, sentiment)]
        turns += [(turn, place, item) for turn, item in enumerate(_risks_in_turn(cell))]
    return tuple(item for *_, item in sorted(turns, key=lambda found: found[:2])[:count])


def _risks_in_turn(items: Sequence[Item]) -> list[Item]:
    """Return the items of a cell so that risk levels take turns, each level's items by the hash of their ids."""
    seen: Counter[str] = Counter()
    turns = []
    for item in sorted(items, key=lambda item: hashlib.sha256(item.id.encode()).digest()):
        turns.append((seen[item.risk_level], RISK_LEVELS.index(item.risk_level), item))
        seen[item.risk_level] += 1
    return [item for *_, item in sorted(turns, key=lambda found: found[:2])]


def rendered(tokenizer: Any, item: Item) -> tuple[int, ...]:
    """Return the prompt of `item` as evaluation and training render it."""
    conversation = prompt.messages(prompt.prompt_of(item))
    ids = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, tokenize=True, return_dict=False)
    return tuple(ids)


def reply_budget(rows: Sequence[Row]) -> int:
    """Return how many tokens a reply may have: a third more than the longest that is taught, its stop token included.

    What is longer has not learnt to stop, and is cut here so that it costs no more than that.
    """
    longest = max(sum(label >= 0 for label in row.labels) for row in rows)
    return -(-longest * _ROOM[0] // _ROOM[1])
