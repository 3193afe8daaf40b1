"""Which dev items are asked in the course of training, and how: fixed, balanced, rendered as the evaluation renders."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from finsight_eval import benchmark
from finsight_eval.errors import InputError
from finsight_eval.prompt import messages, prompt_of
from finsight_train.devset import Exam, chosen, exam_of, reply_budget
from finsight_train.rows import IGNORED, Row

BASE = Path(__file__).parents[2] / "finsight_train" / "bases" / "finsight-nano"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(BASE)


def exam(tokenizer: Any, sets: tuple[str, ...] = ("simulated",), count: int = 12, positions: int = 2048) -> Exam:
    return exam_of(sets, count, tokenizer, 96, positions)


@pytest.mark.parametrize(("sets", "count"), [(("simulated",), 24), (("simulated",), 40), (("news", "simulated"), 48)])
def test_sets_languages_and_sentiments_have_equal_shares(sets: tuple[str, ...], count: int) -> None:
    """As long as no cell is used up, cells differ by one item at most; risk levels of a cell do, too."""
    items = chosen({name: benchmark.read(name, "dev") for name in sets}, count)
    assert len({item.id for item in items}) == count
    cells = Counter((item.id.split("-")[0], item.lang, item.sentiment) for item in items)
    assert len(cells) == 6 * len(sets)
    assert max(cells.values()) - min(cells.values()) <= 1
    risks = Counter(item.risk_level for item in items)
    assert min(risks.values()) >= count / 5


def test_a_smaller_choice_is_the_beginning_of_a_larger_one() -> None:
    """Curves of 24 and of 120 items share the 24; all items are there in the end, each once."""
    dev = {"simulated": benchmark.read("simulated", "dev")}
    every = chosen(dev, 120)
    assert chosen(dev, 24) == every[:24]
    assert {item.id for item in every} == {item.id for item in dev["simulated"]}


def test_the_choice_is_pinned() -> None:
    """Another order would make curves of two runs incomparable without a word."""
    items = chosen({"simulated": benchmark.read("simulated", "dev")}, 40)
    told = " ".join(item.id for item in items)
    assert hashlib.sha256(told.encode()).hexdigest()[:12] == "ecddda56861d"


def test_no_test_item_is_asked(tokenizer: Any) -> None:
    """Nothing is chosen by what is measured in the end."""
    asked = {item.id for item in exam(tokenizer, ("news", "simulated"), 200).items}
    measured = {item.id for name in ("news", "simulated") for item in benchmark.read(name, "test")}
    assert not asked & measured


def test_the_prompt_is_the_one_that_lm_eval_gives(tokenizer: Any) -> None:
    """Token for token, chat template included."""
    for item, ids in zip((found := exam(tokenizer)).items, found.prompts, strict=True):
        text = tokenizer.apply_chat_template(messages(prompt_of(item)), tokenize=False, add_generation_prompt=True)
        assert list(ids) == tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize(
    ("sets", "count", "positions", "said"),
    [
        (("simulate",), 12, 2048, "no benchmark set 'simulate' (did you mean 'simulated'?)"),
        (("simulated",), 121, 2048, "121 dev items are asked for, there are 120 (simulated 120); ask for 1 to 120"),
        (("simulated",), 0, 2048, "0 dev items are asked for"),
        ((), 12, 2048, "12 dev items are asked for, there are 0 (no set named)"),
        (("simulated",), 12, 300, "do not fit into the 300 positions of the base"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tokenizer: Any, sets: tuple[str, ...], count: int, positions: int, said: str
) -> None:
    """Before any weight is loaded, with what is there."""
    with pytest.raises(InputError) as raised:
        exam(tokenizer, sets, count, positions)
    assert said in str(raised.value)


@pytest.mark.parametrize(("lengths", "budget"), [([3], 4), ([72, 6], 96), ([73], 98), ([1, 1], 2)])
def test_a_reply_may_be_a_third_longer_than_the_longest_taught(lengths: list[int], budget: int) -> None:
    """The prompt does not count, and a third of a token is a whole one."""
    rows = [Row(str(n), list(range(n + 9)), [IGNORED] * 9 + list(range(n))) for n in lengths]
    assert reply_budget(rows) == budget
