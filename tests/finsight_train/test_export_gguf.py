"""finsight_train.export --gguf: llama.cpp's file holds the merged weights, tokenizer and stop tokens, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import jsonl, prompt
from finsight_eval.errors import InputError
from finsight_train import export
from finsight_train.exporting import gguf_file, gguf_tokenizer, job, serving
from tests.finsight_train.exported import tiny_base

if TYPE_CHECKING:
    from collections.abc import Callable

NEWS = "Acme's plant, 12% of sales, can't reopen.\n\n海晟科技公告称，中标4.5亿元。 <|im_end|> naïve  x"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder as the export writes it, of random weights."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    from finsight_train.exporting import beside

    folder = tiny_base(tmp_path_factory.mktemp("gguf") / "merged")
    config, tokenizer = AutoConfig.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    beside.write(folder, config, tokenizer, GenerationConfig.from_pretrained(folder), "float32")
    return folder


def _serving(folder: Path, penalty: float = 1.0) -> serving.Serving:
    from transformers import AutoTokenizer, GenerationConfig

    generation = GenerationConfig.from_pretrained(folder)
    generation.repetition_penalty = penalty
    return serving.serving_of("tiny", AutoTokenizer.from_pretrained(folder), generation, (4096, 640), 96)


def _keys(path: Path) -> dict[str, Any]:
    gguf = pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    return {name: field.contents() for name, field in gguf.GGUFReader(path).fields.items()}


@pytest.mark.parametrize(("kind", "error"), [("f16", 2.0**-11), ("q8_0", 0.6 / 127)])
def test_the_file_holds_the_weights_to_within_its_type(model: Path, tmp_path: Path, kind: str, error: float) -> None:
    """Read back, every tensor is there and off by no more than half a step of its type; vectors are exact."""
    gguf = pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    written = gguf_file.write(model, tmp_path / "tiny.gguf", kind, _serving(model))
    assert 0 < written.largest_error <= error
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "tiny.gguf").tensors}
    assert len(tensors) == written.tensors == 2 + 12 * 2
    types = {name: tensor.tensor_type.name for name, tensor in tensors.items()}
    assert types["output_norm.weight"] == types["blk.0.attn_q.bias"] == "F32"
    assert types["blk.1.ffn_down.weight"] == types["token_embd.weight"] == gguf_file.TYPES[kind][0]


def test_the_file_says_all_that_llama_cpp_asks_for(model: Path, tmp_path: Path) -> None:
    """Shape, rotary base, splitting rule, kinds of tokens, chat template, stop token, greedy sampling."""
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    gguf_file.write(model, tmp_path / "tiny.gguf", "f16", _serving(model, penalty=1.05))
    keys = _keys(tmp_path / "tiny.gguf")
    expected = {
        "general.architecture": "qwen2", "general.file_type": 1, "qwen2.context_length": 4096, "qwen2.block_count": 2,
        "qwen2.embedding_length": 64, "qwen2.feed_forward_length": 96, "qwen2.attention.head_count": 4,
        "qwen2.attention.head_count_kv": 2, "qwen2.rope.freq_base": 50_000.0, "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.eos_token_id": 2, "tokenizer.ggml.eot_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0, "tokenizer.ggml.add_bos_token": False, "general.sampling.temp": 0.0,
    }  # fmt: skip
    assert {name: keys[name] for name in expected} == expected
    assert keys["general.sampling.penalty_repeat"] == pytest.approx(1.05)
    assert keys["tokenizer.chat_template"] == (model / "chat_template.jinja").read_text("utf-8")
    assert keys["tokenizer.ggml.tokens"][:3] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    assert keys["tokenizer.ggml.token_type"][:4] == [3, 3, 3, 1]
    assert keys["tokenizer.ggml.tokens"][-1].startswith("[PAD")
    assert keys["tokenizer.ggml.token_type"][-7:] == [5] * 7
    assert not any("tmp" in str(value)[:300] for value in keys.values())


def test_another_loader_reads_the_same_model(model: Path, tmp_path: Path) -> None:
    """Read by transformers, the file gives the tokens of the original and its logits to within float16."""
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    gguf_file.write(model, tmp_path / "tiny.gguf", "f16", _serving(model))
    original = AutoTokenizer.from_pretrained(model)
    text = original.apply_chat_template(prompt.messages(prompt.student_prompt(NEWS)), tokenize=False)
    ids = original(text, add_special_tokens=False).input_ids
    other = AutoTokenizer.from_pretrained(tmp_path, gguf_file="tiny.gguf")
    assert other(text, add_special_tokens=False).input_ids == ids
    with torch.no_grad():
        ours = AutoModelForCausalLM.from_pretrained(model).eval()(torch.tensor([ids])).logits
        read = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf").eval()(torch.tensor([ids])).logits
    assert (ours - read).norm() < 0.01 * ours.norm()


def test_untied_weights_have_a_head_of_their_own(tmp_path: Path) -> None:
    """A base whose head is not its embedding gets both; one more tensor than a tied base."""
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    folder = tiny_base(tmp_path / "untied", tied=False)
    assert gguf_file.write(folder, tmp_path / "tiny.gguf", "q8_0", _serving(folder)).tensors == 2 + 12 * 2 + 1


def _tokenizer(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def changed(found: dict[str, Any]) -> dict[str, Any]:
        change(found)
        return found

    return changed


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (
            lambda t: t["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex=r"\p{Han}|\w+"),
            "Qwen2's own pattern",
        ),
        (lambda t: t.update(pre_tokenizer=None), "Qwen2's own pattern"),
        (lambda t: t.update(normalizer={"type": "Lowercase"}), "its normaliser is"),
        (lambda t: t["model"].update(type="Unigram"), "byte-level BPE"),
        (lambda t: t["model"].update(byte_fallback=True), "byte-level BPE"),
        (lambda t: t["model"]["vocab"].update(beyond=5_000), "has no place in the model's embedding"),
    ],
)
def test_a_tokenizer_that_llama_cpp_would_read_otherwise_is_refused(
    model: Path, tmp_path: Path, harm: Callable[[dict[str, Any]], Any], said: str
) -> None:
    """Splitting rules go by name there: another pattern, normaliser or kind of model is an error."""
    size = jsonl.read(model / "config.json")["vocab_size"]
    assert gguf_tokenizer.vocabulary_of(model / "tokenizer.json", size).merges
    jsonl.write(tmp_path / "tokenizer.json", _tokenizer(harm)(jsonl.read(model / "tokenizer.json")))
    with pytest.raises(InputError, match=said):
        gguf_tokenizer.vocabulary_of(tmp_path / "tokenizer.json", size)


@pytest.mark.parametrize(
    "change",
    [{"architectures": ["LlamaForCausalLM"]}, {"use_sliding_window": True}, {"rope_parameters": {"rope_type": "yarn"}}],
)
def test_a_model_that_the_file_cannot_hold_is_refused(model: Path, change: dict[str, Any]) -> None:
    """Another architecture, a sliding window, a scaled rotary embedding: the error names llama.cpp's own converter."""
    config = jsonl.read(model / "config.json")
    gguf_file.check_architecture(config, "base")
    with pytest.raises(InputError, match="convert_hf_to_gguf"):
        gguf_file.check_architecture({**config, **change}, "base")


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes before anything is merged."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"finsight-harness\[gguf\]"):
        job.check_gguf(job.Job("tiny", None, "a/b", Path(), None, None))  # type: ignore[arg-type]


def test_the_real_tokenizer_keeps_every_token(qwen: Any, tmp_path: Path) -> None:
    """Qwen2.5's 151,643 tokens, 22 added ones and 151,387 merges, filled up to the size of its embedding."""
    qwen.save_pretrained(tmp_path)
    found = gguf_tokenizer.vocabulary_of(tmp_path / "tokenizer.json", 152_064)
    assert (len(found.tokens), len(found.merges)) == (152_064, 151_387)
    assert found.tokens[151_643:151_646] == ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    assert found.kinds[151_642:151_646] == [1, 3, 3, 3]
    assert found.kinds.count(gguf_tokenizer.CONTROL) + found.kinds.count(gguf_tokenizer.USER_DEFINED) == 22
    assert found.kinds[-1] == gguf_tokenizer.UNUSED


def test_a_run_is_written_as_gguf_with_a_modelfile(model: Path, tmp_path: Path) -> None:
    """File, Modelfile and record; the Modelfile names the file beside it."""
    pytest.importorskip("gguf", reason="the extra `gguf` is not installed")
    from dataclasses import asdict

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "merged").symlink_to(model)
    jsonl.write(model / "export.json", {"serving": asdict(_serving(model))})
    task = job.Job("tiny", None, model, tmp_path / "run", None, None)  # type: ignore[arg-type]
    said, _ = export.build_gguf(task, "q8_0", tmp_path)
    assert said.startswith("26 tensors")
    assert (tmp_path / "Modelfile").read_text("utf-8").startswith("FROM ./tiny-q8_0.gguf\n")
    assert jsonl.read(tmp_path / "gguf.json")["file"] == "tiny-q8_0.gguf"
