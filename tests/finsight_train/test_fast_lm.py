"""The fast decoder: token for token what lm-eval's `hf` writes, and out of the way where it does not apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from finsight_train.fast_lm import FastLM, by_length, greedy, shared_head

BASE = Path(__file__).parents[2] / "finsight_train" / "bases" / "finsight-nano"
HEAD = "You are a financial risk expert. Judge what the news means for the company or asset that it bears on most. "
TEXTS = [
    HEAD + "Halden Motors recalled 12,000 cars.",
    HEAD + "Orlo Foundry said that orders rose by a third and that it would take on staff; the forecast stands.",
    HEAD + "恒岳电池公告称，最大客户提前终止供货协议。",
    HEAD + "Short.",
    HEAD
    + "The board of Quarrystone Cement met on Friday and agreed on nothing at all, which nobody had expected. " * 3,
    "A text that begins in another way.",
]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    from lm_eval.models.huggingface import HFLM

    arguments = {"pretrained": str(BASE), "device": "cpu", "dtype": "float32"}
    return {cls.__name__: cls.create_from_arg_obj(arguments, {"batch_size": 5}) for cls in (HFLM, FastLM)}


def replies(model: Any, texts: list[str], **generation: Any) -> list[str]:
    from lm_eval.api.instance import Instance

    settings = {"until": [], "max_gen_toks": 24, "do_sample": False} | generation
    requests = [Instance("generate_until", {}, (text, dict(settings)), n) for n, text in enumerate(texts)]
    found: list[str] = model.generate_until(requests, disable_tqdm=True)
    return found


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:5], TEXTS[:1], TEXTS[:2] * 3])
def test_it_writes_what_hf_writes(models: dict[str, Any], texts: list[str]) -> None:
    """With and without a shared head, in full and in partial batches, for equal prompts and for a single one."""
    assert replies(models["FastLM"], texts) == replies(models["HFLM"], texts)


def test_an_adapter_is_added_to_the_weights(tmp_path: Path) -> None:
    """In float32 the replies are those of base and adapter side by side; in bfloat16 the two stay side by side."""
    from lm_eval.models.huggingface import HFLM
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    made = get_peft_model(
        AutoModelForCausalLM.from_pretrained(BASE), LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")
    )
    for name, weights in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.02)
    made.save_pretrained(tmp_path)
    arguments = {"pretrained": str(BASE), "peft": str(tmp_path), "device": "cpu"}
    single = {
        cls: cls.create_from_arg_obj(arguments | {"dtype": "float32"}, {"batch_size": 6}) for cls in (HFLM, FastLM)
    }
    assert not isinstance(single[FastLM].model, PeftModel)
    said = replies(single[FastLM], TEXTS)
    assert said == replies(single[HFLM], TEXTS)
    half = FastLM.create_from_arg_obj(arguments | {"dtype": "bfloat16"}, {"batch_size": 6})
    assert isinstance(half.model, PeftModel)
    bare = HFLM.create_from_arg_obj({"pretrained": str(BASE), "device": "cpu", "dtype": "float32"}, {"batch_size": 6})
    assert said != replies(bare, TEXTS)


@pytest.mark.parametrize(
    ("lengths", "groups"),
    [
        ([100, 99, 98], [[0, 1, 2]]),
        ([40, 2000, 45, 1900], [[1, 3], [2, 0]]),
        ([10], [[0]]),
        ([80, 100], [[1, 0]]),
        ([79, 100], [[1], [0]]),
    ],
)
def test_long_prompts_are_read_apart(lengths: list[int], groups: list[list[int]]) -> None:
    """No prompt of a group is padded by more than a quarter, and each stands in one group."""
    assert by_length(lengths) == groups


def test_a_repetition_penalty_is_kept(models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Qwen2.5's generation config holds one, and `generate` applies it to greedy decoding, too."""
    for model in models.values():
        monkeypatch.setattr(model.model.generation_config, "repetition_penalty", 1.3)
    same = replies(models["FastLM"], TEXTS), replies(models["HFLM"], TEXTS)
    assert same[0] == same[1]
    monkeypatch.undo()
    assert replies(models["HFLM"], TEXTS) != same[1]


@pytest.mark.parametrize(
    ("options", "fast"),
    [
        ({}, True),
        ({"until": [" the"]}, False),
        ({"do_sample": True, "temperature": 0.7}, False),
        ({"num_beams": 2}, False),
    ],
)
def test_anything_but_greedy_decoding_is_left_to_hf(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], fast: bool
) -> None:
    """Stop words, sampling and beams go the ordinary way; plain greedy decoding does not."""
    calls: list[bool] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(True)
        return greedy(*arguments, **named)

    monkeypatch.setattr("finsight_train.fast_lm.greedy", counted)
    replies(models["FastLM"], TEXTS[:2], **options)
    assert bool(calls) is fast


def test_a_row_that_has_ended_stays_ended(models: dict[str, Any]) -> None:
    """Behind the first end token a row holds end tokens only, and rows that go on are not disturbed by it."""
    model = models["FastLM"]
    tokens, mask = model.tok_batch_encode(TEXTS[:4])
    free = greedy(model.model, tokens, mask, 12, {model.eot_token_id})
    end = int(free[0, 3])  # let a token of the first row end rows
    cut = greedy(model.model, tokens, mask, 12, {model.eot_token_id, end})
    for row, whole in zip(cut.tolist(), free.tolist(), strict=True):
        stops = [place for place, token in enumerate(whole) if token in (end, model.eot_token_id)]
        kept = stops[0] + 1 if stops else len(whole)
        assert row[:kept] == whole[:kept]
        assert set(row[kept:]) <= {min(end, model.eot_token_id)}


@pytest.mark.parametrize(
    ("rows", "length"),
    [
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2], [1, 2, 3]], 1),
        ([[1, 2], [1, 2]], 1),
        ([[1], [2]], 0),
        ([[7]], 0),
        ([[1, 2, 3]], 2),
    ],
)
def test_every_row_keeps_a_token_of_its_own(rows: list[list[int]], length: int) -> None:
    """The head is what all rows share, short of the whole of any of them: each must be asked for its next token."""
    assert shared_head(rows) == length
