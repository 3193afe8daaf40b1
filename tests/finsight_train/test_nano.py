"""finsight_train.nano, end to end on the CPU, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError
from finsight_train import nano, pretrain, shards
from tests.finsight_train.conftest import TINY_BASE, write_stage, write_yaml

if TYPE_CHECKING:
    from pathlib import Path


def test_a_base_is_complete(base: Path) -> None:
    """The folder verifies against its manifest, holds safetensors only, and generates with its cache on."""
    assert manifest.verified(base)
    names = {path.name for path in base.iterdir()}
    assert {"config.json", "generation_config.json", "tokenizer.json", "pretrain.json", "manifest.json"} <= names
    assert not {name for name in names if name.endswith((".bin", ".pt", ".pkl"))}
    generation = jsonl.read(base / "generation_config.json")
    config = jsonl.read(base / "config.json")
    assert (generation["use_cache"], generation["eos_token_id"], generation["pad_token_id"]) == (True, [2, 0], 0)
    assert (config["use_cache"], config["model_type"], config["dtype"]) == (True, "qwen2", "bfloat16")


def test_the_record_tells_how_it_was_made(base: Path) -> None:
    """pretrain.json holds text hash, tokens, steps, losses that fall, seconds, hardware, versions, rarest tokens."""
    record = jsonl.read(base / "pretrain.json")
    assert record["tokens"] == record["steps"] * TINY_BASE["batch"] * TINY_BASE["block"]
    assert record["losses"][-1][1] < record["losses"][0][1]
    assert {"text_sha256", "seconds", "hardware", "versions", "held_out_loss", "settings"} <= set(record)
    assert list(record["frame_counts"].values()) == sorted(record["frame_counts"].values())


def test_a_finished_base_is_skipped(base: Path, primer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same command again trains nothing and says so."""
    recipe = write_yaml(base.parent / "tiny.yaml", TINY_BASE)
    assert nano.main(["--recipe", str(recipe), "--text", str(primer), "--out", str(base)]) == 0
    assert "unchanged, skipped" in capsys.readouterr().out


def test_weights_are_sharded_below_the_limit(tmp_path: Path) -> None:
    """A model larger than 12 MB is written in shards of at most 12 MB."""
    recipe = nano.Recipe(**{**TINY_BASE, "hidden": 256, "intermediate": 2048, "layers": 4})
    tokenizer = _trained()
    nano._save(pretrain.model_of(recipe, tokenizer), tokenizer, tmp_path)
    sizes = [path.stat().st_size for path in tmp_path.glob("*.safetensors")]
    assert len(sizes) >= 2
    assert max(sizes) <= 12_100_000


def _trained() -> Any:
    from finsight_train.tokenizer import for_transformers, trained

    return for_transformers(trained(["a text to learn from"], 300))


@pytest.mark.parametrize("size", [50, 333, 1 << 20])
def test_spans_cover_every_document_once(primer: Path, size: int) -> None:
    """However a shard is cut into spans, every document is read exactly once and in order."""
    files = shards.text_files(primer)
    whole = [json.loads(line)["text"] for path in files for line in path.read_text("utf-8").splitlines()]
    assert [text for span in shards.spans_of(files, size) for text in shards.documents(span)] == whole


def test_documents_are_separated(primer: Path, base: Path) -> None:
    """Each document ends in one <|endoftext|>, and its chat markers are read as special tokens."""
    from tokenizers import Tokenizer

    tokens = shards.tokens_of(shards.text_files(primer), Tokenizer.from_file(str(base / "tokenizer.json")))
    texts = [text for span in shards.spans_of(shards.text_files(primer)) for text in shards.documents(span)]
    assert (tokens == 0).sum() == len(texts)
    assert (tokens == 1).sum() == sum(text.count("<|im_start|>") for text in texts) > 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"device": "tpu"}, "not one of cuda, cpu"),
        ({"vocabulary": 100}, "vocabulary 100"),
        ({"heads": 3}, "even multiple of heads"),
        ({"block": 4096}, "block 4096"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"batch": 0}, "above 0"),
        ({"learning_rat": 0.1}, "did you mean 'learning_rate'?"),
    ],
)
def test_a_wrong_recipe_is_refused(
    tmp_path: Path, primer: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], says: str
) -> None:
    """A wrong value or key ends in one line that names it, exit code 2, and nothing is written."""
    recipe = write_yaml(tmp_path / "tiny.yaml", {**TINY_BASE, **change})
    assert nano.main(["--recipe", str(recipe), "--text", str(primer), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"text": "fine"}\n{"text": ', "byte 17: not valid JSON"),
        ('{"text": ""}', 'expected, found \'{"text": ""}\''),
        ('{"txt": "a"}', "is expected"),
        ('["a"]', "is expected"),
        ('{"text": "too little to fill a batch"}\n' * 2, "needs more text"),
    ],
)
def test_broken_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, says: str) -> None:
    """A broken line names file and byte; too little text says what a batch needs; no base is left behind."""
    text = tmp_path / "text"
    write_stage(text, "part-0.jsonl", [])
    (text / "part-0.jsonl").write_text(line, "utf-8")
    record = jsonl.read(text / "manifest.json")
    jsonl.write(text / "manifest.json", {**record, "outputs": manifest.outputs_of(text)})
    recipe = write_yaml(tmp_path / "tiny.yaml", TINY_BASE)
    assert nano.main(["--recipe", str(recipe), "--text", str(text), "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    """No *.jsonl: the error names the folder."""
    with pytest.raises(InputError, match="holds no"):
        shards.text_files(tmp_path)


@pytest.mark.parametrize(("progress", "expected"), [(0.01, 0.5), (0.02, 1.0), (1.0, pretrain.FLOOR)])
def test_the_rate_warms_up_and_falls(progress: float, expected: float) -> None:
    """Linear to the peak at the end of the warm-up, then a cosine down to the floor."""
    assert pretrain.rate(progress, 0.02) == pytest.approx(expected)
