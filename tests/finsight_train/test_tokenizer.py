"""finsight-nano's tokenizer: each decision of its module docstring bears a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import prompt
from finsight_train import tokenizer
from tests.finsight_train.conftest import NEWS, primer_texts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def learnt() -> Any:
    return tokenizer.trained((row["text"].replace("<|im_end|>", "\n") for row in primer_texts(600)), 600)


def test_digits_stand_alone(learnt: Any) -> None:
    """A number is one token per digit, however often the text held it."""
    assert learnt.encode("1999").tokens == ["1", "9", "9", "9"]


def test_chinese_characters_stand_alone(learnt: Any) -> None:
    """A known run of Chinese is one token per character, and decodes to itself."""
    encoded = learnt.encode("公告称")
    assert [learnt.decode([token]) for token in encoded.ids] == ["公", "告", "称"]


@pytest.mark.parametrize("before", ["(", '"', "-", "\n", "，"])
def test_a_name_is_the_same_tokens_wherever_it_stands(learnt: Any, before: str) -> None:
    """No bracket, quotation mark, hyphen or line end joins the word that follows it."""
    alone = learnt.encode("Acme").tokens
    assert learnt.encode(f"{before}Acme").tokens[-len(alone) :] == alone


def test_a_space_joins_the_word_that_follows(learnt: Any) -> None:
    """The nearest negative: a space does join, so that running text is short."""
    assert learnt.encode(" Acme").tokens == ["ĠAcme"]


def test_every_loader_gives_the_same_tokens(base: Path) -> None:
    """AutoTokenizer, which puts Qwen2's own pattern in place, agrees with tokenizer.json on plain and hostile text."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    auto, plain = AutoTokenizer.from_pretrained(base), Tokenizer.from_file(str(base / "tokenizer.json"))
    for text in [*NEWS, *(row["text"] for row in primer_texts(50)), prompt.student_prompt("'losses' isn't ('d")]:
        assert auto(text)["input_ids"] == plain.encode(text).ids
        assert auto.decode(plain.encode(text).ids, clean_up_tokenization_spaces=False) == text


def test_no_default_system_prompt(base: Path) -> None:
    """The template renders what it is given in Qwen2.5's markers and adds nothing but the generation prompt."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(base)
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    whole = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
    assert loaded.apply_chat_template(chat, tokenize=False) == whole
    head = loaded.apply_chat_template(chat[:1], tokenize=False, add_generation_prompt=True)
    assert head == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n"
    assert loaded(head)["input_ids"].count(loaded.convert_tokens_to_ids("<|im_start|>")) == 2
    assert (loaded.eos_token, loaded.pad_token) == ("<|im_end|>", "<|endoftext|>")
