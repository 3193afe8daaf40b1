"""The fast decoder on a GPU: recorded steps write what `hf` writes; what cannot be recorded is decoded, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from finsight_eval import benchmark, prompt
from finsight_train import fast_lm
from finsight_train.fast_lm import FastLM
from finsight_train.graphs import Recorded

BASE = Path(__file__).parents[2] / "finsight_train" / "bases" / "finsight-nano"

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")]


def model_of(cls: Any, dtype: str = "float32", **arguments: Any) -> Any:
    return cls.create_from_arg_obj(
        {"pretrained": str(BASE), "device": "cuda", "dtype": dtype} | arguments, {"batch_size": 64}
    )


def replies(model: Any, count: int = 64, new_tokens: int = 40) -> list[str]:
    from lm_eval.api.instance import Instance

    texts = [prompt.student_prompt(item.text) for item in benchmark.read("news", "test")[:count]]
    contexts = [model.apply_chat_template(prompt.messages(text)) for text in texts]
    wanted = {"until": [], "max_gen_toks": new_tokens, "do_sample": False}
    requests = [Instance("generate_until", {}, (text, dict(wanted)), n) for n, text in enumerate(contexts)]
    found: list[str] = model.generate_until(requests, disable_tqdm=True)
    return found


@pytest.fixture(scope="module")
def of_hf() -> list[str]:
    from lm_eval.models.huggingface import HFLM

    return replies(model_of(HFLM))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """For how many rows steps were recorded."""
    sizes: list[int] = []
    record = Recorded._record

    def counted(self: Recorded, rows: int) -> None:
        record(self, rows)
        sizes.extend(self.recordings if rows in self.recordings else [])

    monkeypatch.setattr(Recorded, "_record", counted)
    return sizes


@pytest.mark.parametrize("most", [256, 16, 1])
def test_recorded_steps_write_what_hf_writes(
    of_hf: list[str], recorded: list[int], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """In float32, whether all rows are decoded at once or a free slot takes the next prompt."""
    monkeypatch.setattr(fast_lm, "_MOST_ROWS", most)
    count = 64 if most > 1 else 4
    assert replies(model_of(FastLM), count) == of_hf[:count]
    assert min(most, 64) in recorded


def test_a_step_that_cannot_be_recorded_is_run(
    of_hf: list[str], recorded: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A layer that waits for the GPU makes recording fail; the reason is said, and the replies are the same."""
    model = model_of(FastLM)
    model.model.model.norm.register_forward_hook(lambda _layer, _given, out: out * float(out.isfinite().all().item()))
    assert replies(model) == of_hf
    assert recorded == []
    assert "without a CUDA graph" in capsys.readouterr().err
    assert replies(model_of(FastLM)) == of_hf  # and the next model records again
    assert recorded


def test_when_memory_runs_out_fewer_rows_go_on(
    of_hf: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No reply is lost or written twice when the estimate was too high."""
    steps = Recorded.__call__

    def short(self: Recorded, rows: int) -> None:
        if rows > 20:
            raise torch.cuda.OutOfMemoryError("planted")
        steps(self, rows)

    monkeypatch.setattr(Recorded, "__call__", short)
    assert replies(model_of(FastLM)) == of_hf
    assert "rows at a time" in capsys.readouterr().err


def test_memory_is_given_back() -> None:
    """Keys and values do not outlive their run: the next one counts what is free."""
    model = model_of(FastLM)
    replies(model, 64, 4)
    before = torch.cuda.memory_allocated()
    replies(model, 64, 40)
    assert torch.cuda.memory_allocated() - before < 2**20


def quantised() -> dict[str, Any]:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.bfloat16,
        bnb_4bit_use_double_quant=True,
    )
    model = AutoModelForCausalLM.from_pretrained(
        BASE, quantization_config=nf4, dtype=torch.bfloat16, device_map={"": 0}
    )
    torch.manual_seed(3)
    made = get_peft_model(model, LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM"))
    for name, weights in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.02)
    return {"pretrained": made.eval(), "tokenizer": AutoTokenizer.from_pretrained(BASE)}


def test_a_quantised_base_with_its_adapter_is_decoded(recorded: list[int]) -> None:
    """NF4 weights and an adapter beside them: near enough to `hf` that four in five replies begin alike."""
    from lm_eval.models.huggingface import HFLM

    given = quantised()
    ours, theirs = (replies(cls(**given, batch_size=64), new_tokens=8) for cls in (FastLM, HFLM))
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= 0.8 * len(theirs)
    assert recorded


def test_half_precision_is_decoded_nearly_as_hf_does(recorded: list[int]) -> None:
    """In bfloat16 (FlashAttention) the first tokens of four in five replies are those of `hf`."""
    from lm_eval.models.huggingface import HFLM

    ours, theirs = (replies(model_of(cls, "bfloat16"), new_tokens=8) for cls in (FastLM, HFLM))
    assert sum(a == b for a, b in zip(ours, theirs, strict=True)) >= 0.8 * len(theirs)
    assert recorded
