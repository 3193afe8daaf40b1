"""What servers are told: the prompt's frame, stop tokens and settings of the evaluation; and the model card."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import prompt
from finsight_eval.errors import InputError
from finsight_train.exporting import agreement, card, serving
from finsight_train.tokenizer import CHAT_TEMPLATE, for_transformers, trained

if TYPE_CHECKING:
    from finsight_train.exporting.serving import Serving

FIGURE = {"value": 0.5, "low": 0.4, "high": 0.625, "n": 320}
HOSTILE = "</td><script>alert(1)</script> | [x](javascript:1) `rm -rf`"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return for_transformers(trained(["a b c"], 300))


def _generation(**values: Any) -> Any:
    empty = dict.fromkeys(("eos_token_id", "bos_token_id", "pad_token_id", "repetition_penalty"))
    return SimpleNamespace(**{**empty, **values})


def _served(tokenizer: Any, **values: Any) -> Serving:
    return serving.serving_of("tiny", tokenizer, _generation(**values), (2048, 640), 96)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ({"eos_token_id": [2, 0], "pad_token_id": 0}, {"eos_token_id": [2, 0], "pad_token_id": 0}),
        ({"eos_token_id": 0}, {"eos_token_id": [2, 0], "pad_token_id": 0}),
        ({}, {"eos_token_id": [2], "pad_token_id": 0}),
        (
            {"eos_token_id": [2, 0], "bos_token_id": 0, "repetition_penalty": 1.05, "temperature": 0.7, "top_k": 20},
            {"bos_token_id": 0, "eos_token_id": [2, 0], "pad_token_id": 0, "repetition_penalty": 1.05},
        ),
        ({"eos_token_id": 2, "repetition_penalty": 1.0}, {"eos_token_id": [2], "pad_token_id": 0}),
    ],
)
def test_generation_is_greedy_and_stops_where_training_taught(
    tokenizer: Any, base: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The chat template's stop token is always among the ends; of the base's settings only a real penalty stays."""
    found = serving.generation_config(tokenizer, _generation(**base))
    assert found == {**expected, "do_sample": False, "use_cache": True}


def test_the_frame_is_what_the_chat_template_writes(tokenizer: Any) -> None:
    """Head, message and tail are the rendered prompt, token for token; a template that adds to a message is refused."""
    served = _served(tokenizer)
    message = prompt.student_prompt("Acme rose. {{ .Prompt }}")
    rendered = tokenizer.apply_chat_template(prompt.messages(message), add_generation_prompt=True, tokenize=False)
    assert served.head + message + served.tail == rendered
    assert served.stops == ("<|im_end|>",)
    with pytest.raises(InputError, match="exactly once"):
        serving.template_edges(SimpleNamespace(apply_chat_template=lambda *_, **__: "no message"))


def test_a_default_system_message_stays_in_the_frame(tokenizer: Any) -> None:
    """What Qwen2.5's template says before the user, every server says, too."""
    other = for_transformers(trained(["a b c"], 300))
    other.chat_template = "{{- '<|im_start|>system\\nYou are Qwen.<|im_end|>\\n' }}" + CHAT_TEMPLATE
    assert serving.template_edges(other)[0] == "<|im_start|>system\nYou are Qwen.<|im_end|>\n<|im_start|>user\n"


def test_ollama_is_told_frame_stops_and_greedy_settings(tokenizer: Any) -> None:
    """Its own defaults, a penalty of 1.1 and sampling at 0.8, are overruled; text that ends its quotes is refused."""
    written = serving.modelfile(_served(tokenizer, eos_token_id=[2, 0]), "tiny-f16.gguf")
    assert written == (
        "FROM ./tiny-f16.gguf\n"
        'TEMPLATE """<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}<|im_end|>"""\n'
        'PARAMETER stop "<|im_end|>"\nPARAMETER stop "<|endoftext|>"\nPARAMETER temperature 0\n'
        "PARAMETER repeat_penalty 1\nPARAMETER repeat_last_n -1\nPARAMETER num_ctx 2048\nPARAMETER num_predict 96\n"
    )
    for text in ('"""', "{{ .System }}"):
        harmed = serving.Serving("x", text, "", ("<|im_end|>",), (2,), 1.0, 2048, 96)
        with pytest.raises(InputError, match="a Modelfile cannot hold"):
            serving.modelfile(harmed, "x.gguf")


def _facts(tokenizer: Any, **changes: Any) -> card.Facts:
    figures = dict.fromkeys(agreement.FIGURES, FIGURE)
    agreed = {
        "sets": ["news"], "items": 64, "identical": 63, "same_verdicts": 64, "least": 58, "reply_tokens": 50.5,
        "common_tokens": 49.0, "reference": figures, "merged": figures,
    }  # fmt: skip
    metrics = {"metrics": {**figures, "teacher_agreement": {"value": None, "low": None, "high": None, "n": 0}}}
    score = {"tasks": {"finsight": {**metrics, "model": "runs/tiny/train/base"}}}
    settings = {"name": "tiny", "rank": 16, "alpha": 32, "compute_dtype": "float32"}
    facts: dict[str, Any] = {
        "serving": _served(tokenizer, eos_token_id=[2, 0]), "base": "Qwen/Qwen2.5-0.5B-Instruct", "saved_base": True,
        "train": {"settings": settings}, "overlap": None, "agreement": agreed, "scores": {"adapter": score},
        "room": 16,
    }  # fmt: skip
    return card.Facts(**{**facts, **changes})


def test_the_card_tells_what_was_measured_and_on_what(tokenizer: Any) -> None:
    """Figures with intervals and n; what was not measured is said, and never 0; twice the same bytes."""
    facts = _facts(tokenizer)
    text = card.card(facts)
    assert text == card.card(_facts(tokenizer))
    assert 'base_model: "Qwen/Qwen2.5-0.5B-Instruct"' in text
    assert "| finsight, sentiment macro F1 | 0.50 (0.40 to 0.62) | not measured | 320 |" in text
    assert "| finsight, teacher agreement | not measured | not measured | 0 |" in text
    assert "the same reply to 63 of 64 dev items" in text
    assert "beside the same dequantised base" in text
    assert "was not recorded" in text
    assert "`<|im_end|>` (2), `<|endoftext|>` (0)" in text
    assert "vllm serve ../train/base --enable-lora --max-lora-rank 16" in text
    assert "repetition penalty: the base has none" in text


def test_the_card_names_figures_of_another_model(tokenizer: Any) -> None:
    """Where the adapter was measured beside the original weights, the card says that these are another model's."""
    score = {
        "tasks": {"finsight": {"metrics": dict.fromkeys(card._TITLES, FIGURE), "model": "Qwen/Qwen2.5-7B-Instruct"}}
    }
    text = card.card(_facts(tokenizer, scores={"adapter": score}, saved_base=False))
    assert "was NOT the dequantised one" in text
    assert "other replies are to be expected" in text
    assert "nothing has been measured yet" in card.card(_facts(tokenizer, scores={}))


def test_names_from_outside_come_to_no_life_in_the_card(tokenizer: Any) -> None:
    """A hostile base or recipe is shown as text: no tag, no link, no table cell, no line of its own."""
    train = {"settings": {"name": HOSTILE, "rank": 16, "alpha": 32, "compute_dtype": "float32"}}
    text = card.card(_facts(tokenizer, base=HOSTILE, train=train))
    assert not re.search(r"^(?!vllm serve|base_model).*(<script|\[x\]|`rm)", text, re.MULTILINE)
    assert "&#60;script&#62;" in text
