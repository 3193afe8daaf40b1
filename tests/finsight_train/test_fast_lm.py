"""The fast decoder: token for token what lm-eval's `hf` writes, and out of the way where it does not apply."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from finsight_train import fast_lm, packed
from finsight_train.fast_lm import FastLM, rows_that_fit
from finsight_train.schedule import continuations

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


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:5], TEXTS[:1], TEXTS[:2] * 3, TEXTS[:5] * 3])
def test_it_writes_what_hf_writes(models: dict[str, Any], texts: list[str]) -> None:
    """With and without a shared head, for fewer and for more prompts than slots, for equal ones and a single one."""
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

    def counted(*arguments: Any) -> Any:
        calls.append(True)
        return continuations(*arguments)

    monkeypatch.setattr(fast_lm, "continuations", counted)
    replies(models["FastLM"], TEXTS[:2], **options)
    assert bool(calls) is fast


def test_every_reply_goes_to_its_request(models: dict[str, Any]) -> None:
    """Requests of several kinds in one call: each reply stands where its request stood."""
    from lm_eval.api.instance import Instance

    kinds: list[dict[str, Any]] = [
        {"max_gen_toks": 6},
        {"max_gen_toks": 9},
        {"max_gen_toks": 9, "until": [" the", "a"]},
    ]
    requests = [
        Instance("generate_until", {}, (text, {"until": [], "do_sample": False} | kinds[n % 3]), n)
        for n, text in enumerate(TEXTS)
    ]
    found = {name: model.generate_until(requests, disable_tqdm=True) for name, model in models.items()}
    assert found["FastLM"] == found["HFLM"]


def test_a_reply_is_handed_over_as_soon_as_it_ends(models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """lm-eval's cache hook hears of each, with its request, while other rows are still being written."""
    model = models["FastLM"]
    heard: list[tuple[str, Any, str, int]] = []
    passes: list[bool] = []

    class Hook:
        def add_partial(self, kind: str, request: Any, text: str) -> None:
            heard.append((kind, request, text, len(passes)))

    counting = model.model.register_forward_hook(lambda *_: passes.append(True))
    monkeypatch.setattr(model, "cache_hook", Hook())
    found = replies(model, TEXTS[:5] * 3)
    counting.remove()
    assert {kind for kind, *_ in heard} == {"generate_until"}
    assert sorted((context, text) for _, (context, _), text, _ in heard) == sorted(
        zip(TEXTS[:5] * 3, found, strict=True)
    )
    assert all(asked == {"until": [], "max_gen_toks": 24, "do_sample": False} for _, (_, asked), _, _ in heard)
    assert heard[0][3] < 0.6 * len(passes)


def test_an_error_of_the_journal_is_not_taken_for_the_models(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens may fail (a full disk, say): that ends the run, and nothing is decoded a second time."""

    class Hook:
        def add_partial(self, *_arguments: Any) -> None:
            raise RuntimeError("the disk is full")

    monkeypatch.setattr(models["FastLM"], "cache_hook", Hook())
    with pytest.raises(RuntimeError, match="the disk is full"):
        replies(models["FastLM"], TEXTS[:2])


@pytest.mark.parametrize("reason", [packed.Unsupported("planted"), TypeError("planted"), RuntimeError("planted")])
def test_what_the_decoder_cannot_do_is_left_to_hf(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], reason: Exception
) -> None:
    """The reason is said, what had been written by then is kept, and the replies are those of `hf`."""

    def broken(*arguments: Any) -> Any:
        yield next(continuations(*arguments))
        raise reason

    monkeypatch.setattr(fast_lm, "continuations", broken)
    assert replies(models["FastLM"], TEXTS) == replies(models["HFLM"], TEXTS)
    assert "decoding as `hf` does, hence slower: planted" in capsys.readouterr().err


def test_when_memory_runs_out_fewer_rows_go_on(
    models: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No reply is lost or asked for twice; with one row and still too little memory, `hf` has to do."""
    asked: list[int] = []

    def short(model: Any, prompts: Any, *rest: Any) -> Any:
        asked.append(len(prompts))
        yield next(continuations(model, prompts, *rest))
        raise torch.cuda.OutOfMemoryError("planted")

    monkeypatch.setattr(fast_lm, "continuations", short)
    monkeypatch.setattr(models["FastLM"], "_rows", 4)
    found = replies(models["FastLM"], TEXTS[:3])
    assert found == replies(models["HFLM"], TEXTS[:3])
    assert asked == [3, 2, 1]
    assert "going on with 2 rows" in capsys.readouterr().err


QWEN_7B = SimpleNamespace(
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    hidden_size=3584,
    intermediate_size=18944,
    vocab_size=152064,
)


@pytest.mark.parametrize(
    ("gib", "capacity", "rows"),
    [
        (100, 432, 256),  # an H200 with the weights on it
        (8, 432, 256),  # 24 GB: 15.2 are weights
        (4, 432, 119),
        (8, 2048, 59),
        (0.2, 432, 1),  # and should even that be too much, memory runs out and is said to
    ],
)
def test_rows_are_as_many_as_memory_holds(gib: float, capacity: int, rows: int) -> None:
    """Of Qwen2.5-7B in bfloat16: 57 KB a token and 2.4 MB of logits a row, 0.6 GB of work space."""
    assert rows_that_fit(int(gib * 2**30), QWEN_7B, capacity, 2) == rows
