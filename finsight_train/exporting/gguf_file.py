"""The merged model as one GGUF file, for llama.cpp and Ollama: written by the `gguf` package, then read back.

    blk.0.attn_q.weight (320, 320) F16     output_norm.weight (320,) F32     tokenizer.ggml.pre "qwen2"

Names of tensors and keys are the package's own, layouts those of llama.cpp's converter: vectors in float32, matrices in
the type asked for. Tensors are converted one at a time, so that memory holds one, not the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_train.exporting import merge
from finsight_train.exporting.gguf_tokenizer import RULE, vocabulary_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from finsight_train.exporting.serving import Serving

#: Type on the command line -> (its name in gguf, the file type that llama.cpp shows).
TYPES: Final = {"f16": ("F16", 1), "q8_0": ("Q8_0", 7)}
_ARCHITECTURE: Final = "Qwen2ForCausalLM"


@dataclass(frozen=True)
class Written:
    """What was found when the file was read back.

    Attributes:
        tensors: how many it holds.
        largest_error: the largest difference between a weight and what the file says, as a share of the largest weight
            of its tensor.
    """

    tensors: int
    largest_error: float


def check_architecture(config: dict[str, Any], where: str) -> None:
    """Raise InputError for a model whose layers this file cannot hold as they are."""
    found = (config.get("architectures") or [None])[0]
    if found != _ARCHITECTURE:
        raise InputError(
            f"{where}: architecture {printable(str(found), 60)!r}, GGUF is written for {_ARCHITECTURE} only; convert "
            "the folder with llama.cpp's own convert_hf_to_gguf.py"
        )
    rope = config.get("rope_parameters") or {}
    if rope.get("rope_type", "default") != "default" or config.get("use_sliding_window"):
        raise InputError(
            f"{where}: scaled rotary embedding or a sliding window; convert the folder with llama.cpp's own "
            "convert_hf_to_gguf.py"
        )


def write(model: Path, path: Path, kind: str, serving: Serving) -> Written:
    """Write the merged model in folder `model` to `path` in type `kind`, read it back, and return what was found."""
    import gguf

    config = jsonl.read(model / "config.json")
    check_architecture(config, str(model))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(path, "qwen2")
    _add_keys(writer, config, kind, serving)
    _add_vocabulary(writer, model, config, serving)
    types = {}
    for name, tensor in _arrays(model):
        target = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise InputError(f"{model}: GGUF has no name for the tensor {printable(name)!r}; serve the safetensors")
        types[name] = _type_of(gguf, tensor, kind)
        writer.add_tensor_info(target, *_layout(gguf, tensor.shape, types[name]), raw_dtype=types[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for name, tensor in _arrays(model):
        writer.write_tensor_data(_quantised(gguf, name, tensor, types[name]))
    writer.close()
    return read_back(model, path)


def _arrays(model: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for name, tensor in merge.saved_weights(model):
        yield name, tensor.float().numpy()


def _type_of(gguf: Any, tensor: NDArray[np.float32], kind: str) -> Any:
    """Return the type of a tensor: float32 for a vector, float16 for rows that no whole number of blocks makes up."""
    if tensor.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    wanted = gguf.GGMLQuantizationType[TYPES[kind][0]]
    block = gguf.GGML_QUANT_SIZES[wanted][0]
    return wanted if tensor.shape[-1] % block == 0 else gguf.GGMLQuantizationType.F16


def _layout(gguf: Any, shape: tuple[int, ...], kind: Any) -> tuple[tuple[int, ...], Any, int]:
    """Return shape, dtype and size in bytes of what a tensor of `shape` becomes; blocks are counted in bytes."""
    import numpy as np

    plain = {gguf.GGMLQuantizationType.F32: np.float32, gguf.GGMLQuantizationType.F16: np.float16}
    stored = np.dtype(plain.get(kind, np.uint8))
    found = shape if kind in plain else gguf.quant_shape_to_byte_shape(shape, kind)
    return found, stored, math.prod(found) * stored.itemsize


def _quantised(gguf: Any, name: str, tensor: NDArray[np.float32], kind: Any) -> Any:
    import numpy as np

    if kind == gguf.GGMLQuantizationType.F16 and np.abs(tensor).max() > np.finfo(np.float16).max:
        raise InputError(f"{name}: holds {np.abs(tensor).max():.0f}, more than float16 holds; use --gguf q8_0")
    return gguf.quants.quantize(tensor, kind)


def _add_keys(writer: Any, config: dict[str, Any], kind: str, serving: Serving) -> None:
    writer.add_type("model")
    writer.add_name(serving.name)
    writer.add_file_type(TYPES[kind][1])
    writer.add_quantization_version(2)  # of the block formats, as llama.cpp's converter writes it
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_sampling_temp(0.0)
    if serving.penalty != 1:
        writer.add_sampling_penalty_repeat(serving.penalty)
        writer.add_sampling_penalty_last_n(-1)


def _add_vocabulary(writer: Any, model: Path, config: dict[str, Any], serving: Serving) -> None:
    vocabulary = vocabulary_of(model / "tokenizer.json", config["vocab_size"])
    generation = jsonl.read(model / "generation_config.json")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(RULE)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    writer.add_eos_token_id(serving.stop_ids[0])
    writer.add_eot_token_id(serving.stop_ids[0])
    if "pad_token_id" in generation:
        writer.add_pad_token_id(generation["pad_token_id"])
    if "bos_token_id" in generation:
        writer.add_bos_token_id(generation["bos_token_id"])
    writer.add_add_bos_token(False)
    writer.add_chat_template((model / "chat_template.jinja").read_text("utf-8"))


def read_back(model: Path, path: Path) -> Written:
    """Return what the file at `path` says of the weights in `model`; raises AssertionError where one is lost."""
    import gguf
    import numpy as np

    layers = jsonl.read(model / "config.json")["num_hidden_layers"]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, layers)
    held = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    count, worst = 0, 0.0
    for name, tensor in _arrays(model):
        found = held[names.get_name(name, try_suffixes=(".weight", ".bias"))]
        values = gguf.quants.dequantize(found.data, found.tensor_type).reshape(tensor.shape)
        scale = float(np.abs(tensor).max()) or 1.0
        worst = max(worst, float(np.abs(values - tensor).max()) / scale)
        count += 1
    assert count == len(held), f"{path}: {len(held)} tensors for {count} weights"  # noqa: S101 - our own invariant
    return Written(count, worst)
