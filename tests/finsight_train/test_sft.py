"""finsight_train.sft: a three-step QLoRA run on a tiny base, and everything that stops before a weight is loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError
from finsight_train import qlora, recipe, rows, sft
from tests.finsight_train.conftest import NEWS, TINY_SFT, sft_row, write_stage, write_yaml

if TYPE_CHECKING:
    from collections.abc import Callable


def _train(runs: Path) -> int:
    return sft.main(["--recipe", str(runs.parent / "tiny.yaml"), "--runs", str(runs)])


def _recipe(base: Path, **changes: Any) -> recipe.Recipe:
    return recipe.Recipe(**{**TINY_SFT, "base": str(base), **changes})


def _data(base: Path, folder: Path) -> tuple[Any, list[rows.Row]]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    jsonl.write_lines(folder / "rows.jsonl", [sft_row(n, news) for n, news in enumerate(NEWS)])
    return tokenizer, rows.read_rows(folder / "rows.jsonl", tokenizer, 1024)


def test_a_run_writes_what_it_promises(runs: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Six steps leave an adapter in safetensors, curves, a full record and a manifest; again: skipped."""
    assert _train(runs) == 0
    folder = runs / "tiny" / "train"
    assert manifest.verified(folder / "adapter")
    assert {path.name for path in (folder / "adapter").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    curve = [row for _, row in jsonl.read_lines(folder / "loss.jsonl")]
    assert [row["step"] for row in curve] == [1, 2, 3, 4, 5, 6]
    assert all(list(row) == ["step", "epoch", "loss", "learning_rate", "grad_norm"] for row in curve)
    dev = [row for _, row in jsonl.read_lines(folder / "dev.jsonl")]
    assert [(row["step"], row["n"]) for row in dev] == [(3, 6), (6, 6)]
    replies = [row for _, row in jsonl.read_lines(folder / "dev_replies.jsonl")]
    assert [row["step"] for row in replies] == [3, 3, 3, 6, 6, 6]
    assert not (runs / "tiny" / "train.checkpoint").exists()
    record = jsonl.read(folder / "train.json")
    _, data = _data(base, runs)
    once = sum(len(row.input_ids) for row in data)
    assert once < record["tokens_seen"] < 2 * once
    assert record["tokens_computed"] < record["tokens_seen"]
    assert (record["attention"], record["layers"], record["stopped"]) == ("sdpa", "own", None)
    assert record["placement"] == {"tokens": None, "kept": True, "recomputed": 0}
    assert record["final_loss"] == curve[-1]["loss"] < record["first_loss"]
    assert record["trainable_parameters"] == sum(_lora_sizes(base))
    assert jsonl.read(folder / "adapter" / "adapter_config.json")["base_model_name_or_path"] == str(base)
    capsys.readouterr()
    assert _train(runs) == 0
    assert "unchanged, skipped" in capsys.readouterr().out


def _lora_sizes(base: Path) -> list[int]:
    config = jsonl.read(base / "config.json")
    hidden, inner = int(config["hidden_size"]), int(config["intermediate_size"])
    keys = int(config["num_key_value_heads"]) * hidden // int(config["num_attention_heads"])
    shapes = [(hidden, hidden), (hidden, keys), (hidden, keys), (hidden, hidden)] + [(hidden, inner)] * 3
    return [16 * (a + b) for a, b in shapes] * int(config["num_hidden_layers"])


def test_a_saved_adapter_gives_the_same_logits(base: Path, tmp_path: Path) -> None:
    """Saved and reloaded on a freshly quantised base, the adapter computes what it computed in memory."""
    from peft import PeftModel

    settings = _recipe(base)
    model = qlora.adapted(qlora.quantised(base, settings, "sdpa"), settings).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        with model.disable_adapter():
            untrained = model(input_ids=ids).logits
    qlora.save_adapter(model, tmp_path / "adapter", "base")
    again = PeftModel.from_pretrained(qlora.quantised(base, settings, "sdpa"), tmp_path / "adapter").eval()
    with torch.no_grad():
        assert torch.equal(again(input_ids=ids).logits, expected)
    assert not torch.allclose(untrained, expected)
    assert again.config.use_cache is True


def test_the_saved_base_is_the_one_that_the_adapter_met(base: Path, tmp_path: Path) -> None:
    """Loaded as an ordinary model it gives the logits of the NF4 base; the original weights give others."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from finsight_train import dequantised, qlora

    settings = _recipe(base)
    tokenizer, met_in_nf4 = AutoTokenizer.from_pretrained(base), qlora.quantised(base, settings, "sdpa")
    dequantised.write_base(met_in_nf4, base, tokenizer, "float32", tmp_path / "base")
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    with torch.no_grad():
        met = qlora.quantised(base, settings, "sdpa").eval()(ids).logits
        saved, original = (
            AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()(ids).logits
            for folder in (tmp_path / "base", base)
        )
    torch.testing.assert_close(saved, met, rtol=0, atol=1e-5)
    assert (original - met).abs().max() > 1e-3


def test_layers_are_quantised_and_safe_to_train(base: Path) -> None:
    """All linear layers are NF4 with double quantisation, none may repack itself, and the adapter is float32."""
    from bitsandbytes.nn import Linear4bit

    from finsight_train.adapter import Adapter

    settings = _recipe(base)
    model = qlora.adapted(qlora.quantised(base, settings, "sdpa"), settings)
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert len(layers) == 7 * 2
    states = [layer.weight.quant_state for layer in layers]
    assert all((state.quant_type, state.nested) == ("nf4", True) for state in states)
    assert all(layer.compute_dtype == torch.float32 for layer in layers)
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)
    assert Adapter(model).values.dtype == torch.float32


def test_the_settings_of_the_gpu_recipe_train_too(runs: Path, base: Path) -> None:
    """With finsight-7b's settings (bfloat16, nothing kept, all layers computed twice) the loss falls."""
    seven = vars(recipe.load(recipe.RECIPES / "finsight-7b.yaml"))
    changes = {"base": str(base), "device": "cpu", "epochs": 4.0, "learning_rate": 1.0e-2, "dev_sets": ["simulated"]}
    small = {"dev_items": 3, "dev_evaluations": 1, "step_tokens": 2600, "preset": "memory"}
    write_yaml(runs.parent / "tiny.yaml", {**seven, **changes, **small})
    assert _train(runs) == 0
    record = jsonl.read(runs / "tiny" / "train" / "train.json")
    assert record["steps"] == 8
    assert record["placement"] == {"tokens": None, "kept": False, "recomputed": 2}
    assert record["final_loss"] < record["first_loss"]
    _, data = _data(base, runs)
    assert record["labelled_tokens"] == 4 * sum(label != rows.IGNORED for row in data for label in row.labels)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_stops_with_its_step(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """A step that blows up ends in one line with step, rows and last checkpoint, exit code 2, and no adapter of it."""
    from finsight_train.network import Network

    calls, plain = iter(range(100)), Network.loss

    def broken(self: Network, *arguments: Any) -> Any:
        loss = plain(self, *arguments)
        if next(calls) == 3:
            loss = loss * float("inf") if where == "loss" else _Broken.apply(loss)  # type: ignore[no-untyped-call]
        return loss

    monkeypatch.setattr(Network, "loss", broken)
    assert _train(runs) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert f"step 4: the {where}" in error
    assert "Rows of this step: row-" in error
    assert "the last good checkpoint is " in error
    assert "step-000002" in error
    assert not (runs / "tiny" / "train").exists()


class _Broken(torch.autograd.Function):
    """The loss as it is, with a gradient that is not finite."""

    @staticmethod
    def forward(_ctx: Any, loss: Any) -> Any:
        return loss.clone()

    @staticmethod
    def backward(_ctx: Any, g: Any) -> Any:
        return g * float("nan")


def _without_export(runs: Path, _: Path) -> None:
    (runs / "tiny" / "export" / "sft.jsonl").unlink()


def _changed(**changes: Any) -> Callable[[Path, Path], None]:
    def change(runs: Path, base: Path) -> None:
        write_yaml(runs.parent / "tiny.yaml", {**TINY_SFT, "base": str(base), **changes})

    return change


def _edited(runs: Path, _: Path) -> None:
    path = runs / "tiny" / "export" / "sft.jsonl"
    path.write_text(path.read_text("utf-8").replace("Acme", "Acne"), "utf-8")


def _unfinished(runs: Path, _: Path) -> None:
    (runs / "tiny" / "export" / "manifest.json").unlink()


def _rows(*given: dict[str, Any]) -> Callable[[Path, Path], None]:
    def change(runs: Path, _: Path) -> None:
        folder = runs / "tiny" / "export"
        (folder / "manifest.json").unlink()
        write_stage(folder, "sft.jsonl", given)

    return change


def _copied_base(name: str, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Path, Path], None]:
    def change(runs: Path, base: Path) -> None:
        copy = runs.parent / "copy"
        copy.mkdir()
        for path in base.iterdir():
            if path.name != "manifest.json":
                (copy / path.name).write_bytes(path.read_bytes())
        (copy / name).write_text(json.dumps(edit(jsonl.read(copy / name))), "utf-8")
        _changed(base=str(copy))(runs, base)

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_export, "sft.jsonl: not there; run the stage"),
        (_edited, "it was changed after it was made"),
        (_unfinished, "no manifest.json stands with it"),
        (_changed(base="no/such/base"), "no such base model"),
        (_changed(learnig_rate=0.1), "did you mean 'learning_rate'?"),
        (_changed(max_length=4096, step_tokens=8192), "more than the 1,024 positions"),
        (_changed(max_length=64), "tokens, max_length is 64"),
        (_changed(dev_items=500), "500 dev items are asked for, there are"),
        (_changed(dev_sets=["newz"]), "did you mean 'news'?"),
        (_changed(dev_sets=["news"], dev_items=80), "do not fit into the 1,024 positions"),
        (_rows(sft_row(1, "news", "")), "sft.jsonl:1: row row-1: completion: its content is empty"),
        (_rows(), "holds no rows"),
        (_copied_base("generation_config.json", lambda c: {**c, "use_cache": False}), "use_cache is false"),
        (_copied_base("config.json", lambda c: {**c, "num_hidden_layers": 0}), "no model configuration can be read"),
        (
            _copied_base("config.json", lambda c: {**c, "num_hidden_layers": 0, "layer_types": []}),
            "has no linear layer",
        ),
        (_copied_base("tokenizer_config.json", lambda c: {**c, "eos_token": "<|endoftext|>"}), "does not end a reply"),
    ],
)
def test_errors_come_before_any_weight_is_loaded(  # noqa: PLR0917 - fixtures
    runs: Path,
    base: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path, Path], None],
    says: str,
) -> None:
    """Whatever is wrong with files, rows, recipe or tokenizer: one line, exit code 2, no weights touched, no output."""

    def loaded(*_: Any) -> None:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(qlora, "quantised", loaded)
    change(runs, base)
    assert _train(runs) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error
    assert not (runs / "tiny" / "train").exists()


def test_a_gpu_recipe_without_a_gpu_is_refused(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the recipe and the way out; with a GPU that has bfloat16 it passes."""
    settings = replace(recipe.load(recipe.RECIPES / "finsight-7b.yaml"), base=str(base))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="finsight-7b trains on an NVIDIA GPU"):
        qlora.check_device(settings)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    qlora.check_device(settings)
