"""The decoder's slots: what one row does leaves the others as they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from finsight_train.decode import Decoder
from finsight_train.packed import Unsupported, packed_attention

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = Path(__file__).parents[2] / "finsight_train" / "bases" / "finsight-nano"
HEAD = list(range(100, 120))
PROMPTS = [[*HEAD, 200, 201, 202], [*HEAD, 300], [*HEAD, *range(400, 440)]]


@pytest.fixture(scope="module")
def base() -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()


@pytest.fixture
def model(base: Any) -> Iterator[Any]:
    with torch.inference_mode(), packed_attention(base):
        yield base


def written(decoder: Decoder, rows: int, reach: int) -> list[int]:
    """Return the next token of the first `rows` slots."""
    return decoder.write(rows, 1, partial(decoder.step, reach=reach))[0]


def alone(model: Any, prompt: list[int], tokens: int) -> list[int]:
    """Return a prompt's continuation from a decoder of its own."""
    decoder = Decoder(model, 1, 80)
    first = decoder.read([(0, prompt)], 0)
    return first + [written(decoder, 1, len(prompt) + n)[0] for n in range(1, tokens)]


def test_rows_are_decoded_as_if_each_were_alone(model: Any) -> None:
    """With a shared head, read in two passes, and with rows that move to other slots in between."""
    expected = [alone(model, prompt, 6) for prompt in PROMPTS]
    decoder = Decoder(model, 4, 80)
    decoder.share(HEAD)
    found = {0: decoder.read([(0, PROMPTS[0])], 20), 3: decoder.read([(3, PROMPTS[1])], 20)}
    found[2] = decoder.read([(2, PROMPTS[2])], 20)
    for _ in range(2):
        for slot, token in enumerate(written(decoder, 4, 70)):
            found.setdefault(slot, []).append(token)
    decoder.move([3], [1])
    found[1] = found.pop(3)
    for _ in range(3):
        for slot, token in enumerate(written(decoder, 3, 70)):
            found[slot].append(token)
    assert [found[0], found[1], found[2]] == expected


def test_an_empty_slot_that_is_written_keeps_the_shared_head(model: Any) -> None:
    """A graph writes more slots than are in use; a prompt that is read later still finds its head unharmed."""
    decoder = Decoder(model, 2, 80)
    decoder.share(HEAD)
    before = [buffer[1, : len(HEAD)].clone() for buffer in decoder.store.by_slot()]
    decoder.read([(0, PROMPTS[0])], 20)
    for step in range(1, 5):
        written(decoder, 2, 23 + step)
    assert all(
        torch.equal(buffer[1, : len(HEAD)], was) for buffer, was in zip(decoder.store.by_slot(), before, strict=True)
    )
    assert decoder.read([(1, PROMPTS[1])], 20) == alone(model, PROMPTS[1], 1)


def test_a_row_that_has_ended_stays_in_its_slot(model: Any) -> None:
    """Written on to the end of its slot and beyond, it changes no other row."""
    decoder = Decoder(model, 2, 32)
    decoder.read([(0, PROMPTS[0]), (1, PROMPTS[1])], 0)
    kept = [buffer[1].clone() for buffer in decoder.store.by_slot()]
    for _ in range(14):
        written(decoder, 1, 32)
    assert all(torch.equal(buffer[1], was) for buffer, was in zip(decoder.store.by_slot(), kept, strict=True))
    assert int(decoder.places[0]) == 31


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"layer_types": ["linear_attention"] * 8}, "no attention"),
        ({"layer_types": ["full_attention"] * 8}, None),
    ],
)
def test_only_attention_is_packed(base: Any, monkeypatch: pytest.MonkeyPatch, change: Any, reason: str | None) -> None:
    """A layer that carries a state from token to token would mix the rows: such a model is refused."""
    for name, value in change.items():
        monkeypatch.setattr(base.config, name, value)
    if reason is None:
        with packed_attention(base):
            assert base.config._attn_implementation == "finsight_packed"
        assert base.config._attn_implementation == "sdpa"
    else:
        with pytest.raises(Unsupported, match=reason), packed_attention(base):
            pass


def test_an_adapter_may_not_add_tokens(base: Any) -> None:
    """Learned prompts would stand before the first row only; LoRA adds none and is decoded."""
    from peft import LoraConfig, PromptTuningConfig, get_peft_model

    prompts = get_peft_model(base, PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    with pytest.raises(Unsupported, match="tokens of its own"), packed_attention(prompts):
        pass
    lora = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear"))
    with torch.inference_mode(), packed_attention(lora):
        assert len(alone(lora, PROMPTS[0], 2)) == 2
    lora.unload()


@pytest.mark.parametrize(
    ("window", "serves"),
    [(80, True), (79, False)],
)
def test_a_window_must_hold_prompt_and_reply(model: Any, window: int, serves: bool) -> None:
    """A sliding window that no row outgrows changes nothing; a shorter one is refused."""
    for layer in model.model.layers:
        layer.self_attn.sliding_window = window
    try:
        decoder = Decoder(model, 1, 80)
        if serves:
            decoder.read([(0, PROMPTS[0])], 0)
        else:
            with pytest.raises(Unsupported, match="window"):
                decoder.read([(0, PROMPTS[0])], 0)
    finally:
        for layer in model.model.layers:
            layer.self_attn.sliding_window = None
