r"""How the exported model is served: what its chat template writes around a prompt, where replies end, which settings.

    Serving(name="nano", head="<|im_start|>user\n", tail="<|im_end|>\n<|im_start|>assistant\n",
            stops=("<|im_end|>", "<|endoftext|>"), stop_ids=(2, 0), penalty=1.0, context=2048, new_tokens=96)

Everything is read from the tokenizer and the generation config that were exported: nothing is known by heart. Settings
are those of the evaluation, greedy; what a server does by default (sampling, a penalty on repetition) gives other
replies than those that were measured.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl, prompt
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Stands for the user's text where the chat template is taken apart.
_MARK: Final = "user-text-goes-here"
#: Room for a longer news text than training saw: Ollama cuts a prompt that does not fit, without a word.
_LONGER: Final = 4


@dataclass(frozen=True)
class Serving:
    """What a server has to be told.

    Attributes:
        head: what the chat template writes before a user's text; a default system message is part of it.
        tail: what it writes after it, up to where the reply begins.
        stops: the tokens that end a reply, the chat template's own first.
        penalty: the repetition penalty that the base's generation config holds; 1 is none.
        context: tokens of prompt and reply to make room for.
        new_tokens: the longest reply that the evaluation allowed.
    """

    name: str
    head: str
    tail: str
    stops: tuple[str, ...]
    stop_ids: tuple[int, ...]
    penalty: float
    context: int
    new_tokens: int


def read(row: jsonl.Row) -> Serving:
    """Return what export.json holds under "serving"."""
    stops, ids = tuple(row["stops"]), tuple(row["stop_ids"])
    return Serving(**{**row, "stops": stops, "stop_ids": ids})


def template_edges(tokenizer: Any) -> tuple[str, str]:
    """Return what the chat template writes before and after one user message; raises InputError where it alters it."""
    rendered = tokenizer.apply_chat_template(prompt.messages(_MARK), add_generation_prompt=True, tokenize=False)
    head, found, tail = rendered.partition(_MARK)
    if not found or _MARK in tail:
        raise InputError("the chat template does not render a user's message exactly once; use another base")
    return head, tail


def stop_ids(tokenizer: Any, generation: Any) -> tuple[int, ...]:
    """Return the ids of the tokens that end a reply: the one that training taught, then those of the base's config."""
    found = generation.eos_token_id
    listed = found if isinstance(found, list) else [found] if found is not None else []
    return tuple(dict.fromkeys([tokenizer.eos_token_id, *listed]))


def generation_config(tokenizer: Any, generation: Any) -> dict[str, Any]:
    """Return generation_config.json: greedy, the key-value cache on, and of the base only what greedy decoding heeds.

    Sampling defaults of the base (temperature, top_p, top_k) are left out; a repetition penalty stays, for the
    evaluation applied it too.
    """
    penalty = generation.repetition_penalty
    pad = generation.pad_token_id if generation.pad_token_id is not None else tokenizer.pad_token_id
    return {
        **({} if generation.bos_token_id is None else {"bos_token_id": generation.bos_token_id}),
        "do_sample": False,
        "eos_token_id": list(stop_ids(tokenizer, generation)),
        **({} if pad is None else {"pad_token_id": pad}),
        **({} if penalty in (None, 1.0) else {"repetition_penalty": penalty}),
        "use_cache": True,
    }


def serving_of(name: str, tokenizer: Any, generation: Any, lengths: tuple[int, int], new_tokens: int) -> Serving:
    """Return what a server has to be told; `lengths` are the model's positions and training's `max_length`."""
    head, tail = template_edges(tokenizer)
    ids = stop_ids(tokenizer, generation)
    return Serving(
        name=name,
        head=head,
        tail=tail,
        stops=tuple(tokenizer.convert_ids_to_tokens(list(ids))),
        stop_ids=ids,
        penalty=float(generation.repetition_penalty or 1.0),
        context=min(lengths[0], _LONGER * lengths[1]),
        new_tokens=new_tokens,
    )


def modelfile(serving: Serving, weights: str) -> str:
    """Return Ollama's Modelfile for the GGUF file `weights` beside it.

    Ollama ignores the chat template inside a GGUF unless it knows it, so that the prompt's frame is spelt out; its own
    defaults (temperature 0.8, a repeat penalty of 1.1 over 64 tokens) are overruled.

    Raises:
        InputError: a chat template whose text a Modelfile cannot hold.
    """
    for part in (serving.head, serving.tail, *serving.stops):
        if '"""' in part or "{{" in part or "}}" in part:
            raise InputError(
                f"the chat template writes {printable(part, 60)!r}, which a Modelfile cannot hold; serve the GGUF file "
                "with llama.cpp, which reads the template itself"
            )
    parameters = [
        *(f"PARAMETER stop {jsonl.dumps(stop)}" for stop in serving.stops),
        "PARAMETER temperature 0",
        f"PARAMETER repeat_penalty {serving.penalty:g}",
        "PARAMETER repeat_last_n -1",
        f"PARAMETER num_ctx {serving.context}",
        f"PARAMETER num_predict {serving.new_tokens}",
    ]
    frame = f'TEMPLATE """{serving.head}{{{{ .Prompt }}}}{serving.tail}{{{{ .Response }}}}{serving.stops[0]}"""'
    return "\n".join([f"FROM ./{weights}", frame, *parameters]) + "\n"


def commands(serving: Serving, room: int, base: str) -> Sequence[tuple[str, str]]:
    """Return (server, commands) for the card, run from the exported folder; `room` is vLLM's for the adapter's rank."""
    penalty = f', "repetition_penalty": {serving.penalty:g}' if serving.penalty != 1 else ""
    repeat = f" --repeat-penalty {serving.penalty:g} --repeat-last-n -1" if serving.penalty != 1 else ""
    name, gguf = serving.name, f"../gguf-f16/{serving.name}-f16.gguf"
    greedy = f"--max-model-len {serving.context} --override-generation-config '{{\"temperature\": 0{penalty}}}'"
    lora = f"--enable-lora --max-lora-rank {room} --lora-modules {name}=../train/adapter"
    llama = f"-c {serving.context} -n {serving.new_tokens} --temp 0{repeat}"
    return [
        ("vLLM, the merged weights", f"vllm serve . --served-model-name {name} {greedy}"),
        (
            "vLLM, the adapter beside a base (many adapters on one base)",
            f"vllm serve {shlex.quote(base)} {lora} {greedy}",
        ),
        ("llama.cpp, after `--gguf f16`", f"llama-server -m {gguf} --jinja {llama}"),
        ("Ollama, after `--gguf f16`", f"ollama create {name} -f ../gguf-f16/Modelfile && ollama run {name}"),
    ]
