"""finsight_train.export: the merged model is base plus adapter, answers like them, and nothing else takes its place."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import jsonl, manifest, suite
from finsight_eval.errors import InputError
from finsight_train import export
from finsight_train.exporting import agreement, lora, merge
from tests.finsight_train.exported import tiny_base, trained_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RIGHT = '<thinking>\na -> b\n</thinking>\n{"entity": "A", "sentiment": "Positive", "risk_level": "Low"}'


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("export") / "tiny-base")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """Return the run of one export from a saved base."""
    where = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "ITEMS", 4)
        assert _export(trained_run(where, patch, base)) == 0
    return where / "runs" / "tiny"


@pytest.fixture
def runs(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the runs before the export, to be harmed."""
    shutil.copytree(finished.parents[1], tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "runs" / "tiny" / "merged")
    monkeypatch.setattr(suite, "FOLDER", tmp_path / "suites")
    monkeypatch.setattr(agreement, "ITEMS", 4)
    return tmp_path / "runs"


def _export(runs: Path, *more: str) -> int:
    return export.main(["--recipe", str(runs.parent / "tiny.yaml"), "--runs", str(runs), *more])


def test_every_weight_is_the_trained_one_plus_the_adapters_product(finished: Path, base: Path) -> None:
    """W + alpha / r * B A in float32 where the adapter has a pair, the dequantised base elsewhere, nothing else."""
    import torch

    before = dict(merge.saved_weights(finished / "train" / "base"))
    after = dict(merge.saved_weights(finished / "merged"))
    adapter = lora.read(finished / "train" / "adapter", str(base))
    assert after.keys() == before.keys() > adapter.pairs.keys()
    assert (adapter.scale, len(adapter.pairs)) == (2.0, 14)
    for name, weights in before.items():
        if name in adapter.pairs:
            down, up = adapter.pairs[name]
            torch.testing.assert_close(after[name], weights + 2.0 * up @ down)
            assert not torch.equal(after[name], weights)
        else:
            assert torch.equal(after[name], weights)


def test_the_merged_model_computes_what_adapter_and_base_do(finished: Path) -> None:
    """Loaded as an ordinary model it gives the logits of the adapter beside the base; the base alone does not."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ids = torch.arange(3, 60)[None]
    with torch.no_grad():
        merged = AutoModelForCausalLM.from_pretrained(finished / "merged").eval()(ids).logits
        base = AutoModelForCausalLM.from_pretrained(finished / "train" / "base").eval()
        untrained = base(ids).logits
        beside = PeftModel.from_pretrained(base, finished / "train" / "adapter").eval()(ids).logits
    torch.testing.assert_close(merged, beside, rtol=1e-3, atol=1e-3)
    assert (merged - untrained).abs().max() > 0.1


def test_a_base_that_was_not_saved_gives_the_same_weights(
    tmp_path: Path, base: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quantised again and dequantised layer by layer, the base merges to the very same bytes."""
    monkeypatch.setattr(agreement, "ITEMS", 4)
    runs = trained_run(tmp_path, monkeypatch, base, save_base=False)
    assert _export(runs) == 0
    ours, theirs = runs / "tiny" / "merged" / "model.safetensors", finished / "merged" / "model.safetensors"
    assert dict(_tensors(ours)) == dict(_tensors(theirs))
    assert jsonl.read(ours.parent / "export.json")["reference"] == "adapter beside the NF4 base"
    assert "was NOT" not in (ours.parent / "README.md").read_text("utf-8")


def _tensors(path: Path) -> list[tuple[str, bytes]]:
    return [(name, tensor.numpy().tobytes()) for name, tensor in merge.saved_weights(path.parent)]


def test_the_folder_holds_all_that_a_server_needs_and_nothing_of_this_machine(finished: Path, base: Path) -> None:
    """Safetensors, tokenizer, both configs, card and record under one manifest; no pickle, no path."""
    folder = finished / "merged"
    assert manifest.verified(folder)
    assert {path.name for path in folder.iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *("chat_template.jinja", "README.md", "export.json", "manifest.json"),
    }
    for path in folder.iterdir():
        if path.name != "manifest.json":
            assert str(base.parent).encode() not in path.read_bytes(), path
    assert (folder / "model.safetensors").stat().st_mode & 0o044 == 0o044
    record = jsonl.read(folder / "export.json")["agreement"]
    assert (record["items"], record["identical"], record["same_verdicts"], record["different"]) == (4, 4, 4, [])


def test_old_loaders_find_what_new_ones_renamed(finished: Path) -> None:
    """Version 4 of transformers takes 10,000 for a rotary base that it misses, and stops at a list of extra tokens."""
    config = jsonl.read(finished / "merged" / "config.json")
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 50_000.0
    assert config["torch_dtype"] == config["dtype"] == "float32"
    tokenizer = jsonl.read(finished / "merged" / "tokenizer_config.json")
    assert "extra_special_tokens" not in tokenizer
    assert tokenizer["additional_special_tokens"] == ["<|im_start|>"]


def test_again_it_is_skipped_and_made_again_it_is_the_same(runs: Path, finished: Path) -> None:
    """A second export is skipped; one from scratch writes the same card, record and weights, byte for byte."""
    assert _export(runs) == 0
    for name in ("README.md", "export.json", "model.safetensors", "config.json", "generation_config.json"):
        ours, theirs = runs / "tiny" / "merged" / name, finished / "merged" / name
        assert ours.read_bytes() == theirs.read_bytes(), name
    stamp = (runs / "tiny" / "merged" / "manifest.json").stat().st_mtime_ns
    assert _export(runs) == 0
    assert (runs / "tiny" / "merged" / "manifest.json").stat().st_mtime_ns == stamp


def test_a_model_that_judges_otherwise_takes_no_place(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, files kept aside, no runs/NAME/merged."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(runs / "tiny" / "train" / "base")
    answers = iter([RIGHT, RIGHT.replace("Positive", "Negative")])
    monkeypatch.setattr(agreement, "replies", lambda *_: [tokenizer.encode(next(answers))] * 4)
    assert _export(runs) == 1
    assert "0 of 4 replies identical, 0 verdicts the same, at least 4 are asked for" in capsys.readouterr().err
    assert not (runs / "tiny" / "merged").exists()
    kept = runs / "tiny" / "merged.refused"
    assert (kept / "model.safetensors").is_file()
    assert jsonl.read(kept / "export.json")["agreement"]["different"][0]["merged"] == ["A", "Negative", "Low"]


def _config(**changes: Any) -> Callable[[Path], None]:
    def harm(train: Path) -> None:
        path = train / "adapter" / "adapter_config.json"
        jsonl.write(path, {**jsonl.read(path), **changes})

    return harm


def _tensor(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def harm(train: Path) -> None:
        from safetensors.torch import load_file, save_file

        path = train / "adapter" / "adapter_model.safetensors"
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return harm


FIRST = "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_config(base_model_name_or_path="Qwen/Qwen2.5-7B-Instruct"), "the recipe's base is"),
        (_config(use_dora=True), "use_dora is True, the export merges plain LoRA"),
        (_config(modules_to_save=["lm_head"]), "modules_to_save is"),
        (_config(rank_pattern={"q_proj": 4}), "rank_pattern is"),
        (_config(r=0), "r is 0"),
        (_tensor(lambda held: held[FIRST].fill_(float("nan"))), "holds NaN or infinity"),
        (_tensor(lambda held: held.pop(FIRST)), "has no partner"),
        (_tensor(lambda held: held.clear()), "no lora_A"),
        (_tensor(lambda held: held.update({FIRST: held[FIRST][:, :8].contiguous()})), "trained on another base"),
        (
            lambda train: (train / "adapter" / "adapter_model.safetensors").write_bytes(b"x"),
            "no adapter in safetensors",
        ),
    ],
)
def test_an_adapter_that_cannot_be_merged_whole_is_refused(
    runs: Path, base: Path, harm: Callable[[Path], None], said: str
) -> None:
    """Not plain LoRA, of another base, damaged: an error that names it, instead of a model that lacks a part."""
    train = runs / "tiny" / "train"
    adapter = lora.read(train / "adapter", str(base))
    assert len(dict(merge.merged_weights(merge.saved_weights(train / "base"), adapter, "base"))) > 14
    harm(train)
    with pytest.raises(InputError, match=said):
        list(merge.merged_weights(merge.saved_weights(train / "base"), lora.read(train / "adapter", str(base)), "base"))


def test_an_adapter_with_more_layers_than_the_base_is_refused() -> None:
    """A pair that finds no weight ends in an error, after all the weights that there are."""
    import torch

    pair = (torch.ones(1, 2), torch.ones(2, 1))
    adapter = lora.Adapter(2.0, 1, {"a.weight": pair, "b.weight": pair})
    weights = merge.merged_weights(iter([("a.weight", torch.zeros(2, 2))]), adapter, "base")
    assert next(weights)[1].tolist() == [[2.0, 2.0], [2.0, 2.0]]
    with pytest.raises(InputError, match=r"has no weight 'b\.weight'"):
        next(weights)


def test_the_sum_is_rounded_once() -> None:
    """In bfloat16 the product is added in float32: adding it rounded, or in bfloat16, gives another number."""
    import torch

    torch.manual_seed(1)
    weights, down, up = torch.randn(64, 64).bfloat16(), torch.randn(4, 64) * 0.1, torch.randn(64, 4) * 0.1
    found = merge.merged(weights, (down, up), 2.0)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, (weights.double() + 2.0 * up.double() @ down.double()).bfloat16())
    assert not torch.equal(found, weights + (2.0 * up @ down).bfloat16())


def test_shards_hold_the_same_tensors(tmp_path: Path) -> None:
    """Several shards with an index, or one file: what is read back is what was written, in files of bounded size."""
    import torch

    tensors = {f"layer.{number}": torch.full((100,), float(number)) for number in range(5)}
    assert merge.write(iter(tensors.items()), tmp_path, shard=900) == 5
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == [
        f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)
    ]
    index = jsonl.read(tmp_path / "model.safetensors.index.json")
    assert index["metadata"]["total_size"] == 2000
    assert index["weight_map"]["layer.4"] == "model-00003-of-00003.safetensors"
    assert {name: tensor.tolist() for name, tensor in merge.saved_weights(tmp_path)} == {
        name: tensor.tolist() for name, tensor in tensors.items()
    }


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda runs: shutil.rmtree(runs / "tiny" / "train" / "adapter"), "no adapter; run `python -m finsight_train"),
        (lambda runs: (runs / "tiny" / "train" / "manifest.json").unlink(), "no manifest.json stands with it"),
        (lambda runs: _config(r=8)(runs / "tiny" / "train"), "was changed after it was made"),
        (lambda runs: (runs.parent / "suites" / "tiny.yaml").unlink(), "no such recipe"),
        (
            lambda runs: _edit(runs.parent / "tiny.yaml", "double_quant: true", "double_quant: false"),
            "double_quant True",
        ),
        (lambda runs: _edit(runs.parent / "suites" / "tiny.yaml", "- finsight", "- finsight_fpb"), "has dev items"),
    ],
)
def test_what_is_missing_or_has_changed_since_is_said_at_once(
    runs: Path, harm: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line that names file and remedy; no folder is begun."""
    harm(runs)
    assert _export(runs) == 2
    assert said in capsys.readouterr().err
    assert not list((runs / "tiny").glob("merged*"))


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_disk_that_is_too_small_is_named_before_it_is_filled(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says how much is needed, how much there is and how much to free."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
    assert _export(runs) == 2
    assert "GB are needed and 0.0 GB are free" in capsys.readouterr().err
    assert not (runs / "tiny" / "merged").exists()


def test_dev_items_are_spread_over_the_sets() -> None:
    """As many of each set, at most as many as asked for, none twice, and all of a set smaller than its share."""
    items = agreement.dev_items(["news", "simulated"], 64)
    assert len({item.id for item in items}) == 64
    assert sum(item.id.startswith("news") for item in items) == 32
    assert len(agreement.dev_items(["adversarial", "news"], 64)) == 12 + 52
    assert agreement.dev_sets(["finsight_en", "finsight", "finsight_fpb", "finsight_simulated"]) == [
        "news",
        "simulated",
    ]


@pytest.mark.parametrize(
    ("one", "two", "shared"),
    [([1, 2, 3], [1, 2, 3], 3), ([1, 2, 3], [1, 9, 3], 1), ([1, 2], [1, 2, 3], 2), ([], [1], 0)],
)
def test_tokens_in_common_are_those_before_the_first_difference(one: list[int], two: list[int], shared: int) -> None:
    """What follows a difference is another story, even where it agrees."""
    assert agreement.common(one, two) == shared
