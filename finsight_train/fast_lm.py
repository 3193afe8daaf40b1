"""lm-eval's `hf` model with a faster greedy decoder.

    model: finsight_train.fast_lm:FastLM       # in a suite; model_args as for `hf`

In float32 its replies are those of `hf` (tests compare them); in half precision sums in another order may tip a close
call. benchmarks/speed/GENERATION.md has the figures. What is saved:

* the head that all prompts share is computed once (for nano 161 of some 330 tokens), not once per prompt;
* no row is padded, and a row that has ended makes room for the next prompt (finsight_train.schedule);
* keys and values are written in place, and read once for all query heads of a group (finsight_train.packed);
* on a GPU the step that writes a token for every row is one CUDA graph (finsight_train.decode).

On a GPU as many rows are decoded together as its free memory holds, at most 256 and four times lm-eval's `batch_size`
(halving that changes the order of sums, so that a repeated run shows its noise); elsewhere `batch_size` rows. Anything
but plain greedy decoding, and any model that this decoder does not know, is left to `hf`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.models.utils import normalize_gen_kwargs, postprocess_generated_text
from peft import PeftModel
from tqdm import tqdm  # type: ignore[import-untyped]

from finsight_train.decode import READ
from finsight_train.packed import Unsupported
from finsight_train.schedule import continuations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What a generation config may hold without changing greedy decoding, the repetition penalty apart.
_HARMLESS: Final = {
    *("bos_token_id", "eos_token_id", "pad_token_id", "transformers_version", "_from_model_config"),
    *("do_sample", "temperature", "top_k", "top_p", "max_length", "max_new_tokens", "use_cache", "repetition_penalty"),
}
#: On a GPU, rows decoded together for each one of lm-eval's batch size, which is chosen for what `hf` needs.
_ROWS_PER_BATCH: Final = 4
#: More rows than this at a time bring little: by then the GPU computes as long as it reads weights.
_MOST_ROWS: Final = 256
#: Rows decoded together without a GPU where lm-eval is to find a batch size by itself.
_ROWS_OF_AUTO: Final = 64
#: This share of the free GPU memory is left to what cannot be foreseen: graphs, fragments, other programs.
_SPARED: Final = 0.1


def rows_that_fit(free: int, config: Any, capacity: int, number_size: int) -> int:
    """Return how many rows of `capacity` tokens fit into `free` bytes of GPU memory, from 1 to 256.

    A row takes its keys and values (57 KB a token for Qwen2.5-7B) and some copies of its logits; reading prompts takes
    work space of about four times the widest layer's output.
    """
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    row = 2 * config.num_hidden_layers * heads * width * number_size * capacity + 16 * config.vocab_size
    work = 4 * READ * (getattr(config, "intermediate_size", None) or 4 * config.hidden_size) * number_size
    return min(_MOST_ROWS, max(1, int((free * (1 - _SPARED) - work) // row)))


def _free_memory(device: torch.device) -> int:
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + unused


class FastLM(HFLM):  # type: ignore[misc]
    """lm-eval's `hf` with the greedy decoder above.

    A LoRA adapter in float32 is added to the weights: the same numbers to the last few bits, without seven more
    products a layer. In bfloat16 it would be rounded away in part, and in a quantised base too: there it stays beside.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._rows = self._most_rows = _MOST_ROWS
        single = all(weights.dtype == torch.float32 for weights in self.model.parameters())
        if isinstance(self.model, PeftModel) and single:
            self._model = self.model.merge_and_unload()

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Return a reply to every request; those for plain greedy decoding are handled here, the others by `hf`."""
        end = self.tok_decode(self.eot_token_id, skip_special_tokens=False)
        kinds: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for number, request in enumerate(requests):
            asked = normalize_gen_kwargs(request.args[1], self.max_gen_toks)
            if self._plain(asked):
                kinds.setdefault((asked["max_gen_toks"], (*asked["until"], end)), []).append(number)
        found: dict[int, str] = {}
        total, silent = sum(map(len, kinds.values())), disable_tqdm or self.rank != 0
        with tqdm(total=total, disable=silent or not total, desc="Decoding greedily") as bar:
            for (budget, stops), numbers in kinds.items():
                for place, text in self._replies([requests[number] for number in numbers], budget, stops):
                    found[numbers[place]] = text
                    bar.update()
        left = [number for number in range(len(requests)) if number not in found]
        if left:
            others = super().generate_until([requests[number] for number in left], disable_tqdm=disable_tqdm)
            found |= dict(zip(left, others, strict=True))
        return [found[number] for number in range(len(requests))]

    def _replies(self, requests: Sequence[Any], budget: int, stops: Sequence[str]) -> Iterator[tuple[int, str]]:
        """Yield place and text of each reply as it ends, and lay it into lm-eval's cache."""
        contexts = [request.args[0] for request in requests]
        ids, mask = self.tok_batch_encode(
            contexts, left_truncate_len=self.max_length - budget, truncation=self.truncation
        )
        prompts = {place: row[kept.bool()].tolist() for place, (row, kept) in enumerate(zip(ids, mask, strict=True))}
        for place, tokens in self._continued(prompts, budget):
            text: str = postprocess_generated_text(self.tok_decode(tokens), stop=list(stops), think_end_token=None)
            self.cache_hook.add_partial("generate_until", requests[place].args, text)
            yield place, text

    def _continued(self, prompts: dict[int, list[int]], budget: int) -> Iterator[tuple[int, list[int]]]:
        """Take out of `prompts`, and yield continued, each that can be decoded here; say why if some cannot."""
        while prompts:
            places, rows = list(prompts), list(prompts.values())
            try:
                for at, tokens in continuations(self.model, rows, budget, self._ends(), self._slots):
                    del prompts[places[at]]
                    yield places[at], tokens
            except (Unsupported, RuntimeError, TypeError) as error:  # TypeError: a forward that takes other arguments
                if not isinstance(error, torch.cuda.OutOfMemoryError) or self._rows == 1:
                    print(f"decoding as `hf` does, hence slower: {error}", file=sys.stderr)
                    return
                self._most_rows = self._rows // 2
                print(f"out of GPU memory; going on with {self._most_rows} rows at a time", file=sys.stderr)

    def _slots(self, capacity: int) -> int:
        """Return how many rows are decoded together."""
        batch = int(self.batch_size) if str(self.batch_size).isdigit() else _ROWS_OF_AUTO
        if self.device.type != "cuda":
            return batch
        free, config = _free_memory(self.device), self.model.config.get_text_config()
        fit = rows_that_fit(free, config, capacity, self.model.dtype.itemsize)
        self._rows = min(self._most_rows, _ROWS_PER_BATCH * batch, fit)
        return self._rows

    def _ends(self) -> set[int]:
        found = self.model.generation_config.eos_token_id
        return {self.eot_token_id, *(found if isinstance(found, list) else [found] if found is not None else [])}

    def _plain(self, asked: dict[str, Any]) -> bool:
        """Tell whether greedy decoding to the end token is all that is asked of all that the model could do."""
        ends = {self.tok_decode(end, skip_special_tokens=False) for end in self._ends()}
        config = set(self.model.generation_config.to_diff_dict())
        simple = self.backend == "causal" and self.think_end_token is None and self.mixed_precision_dtype is None
        greedy = not asked["do_sample"] and not asked.get("temperature")
        known = set(asked) <= {"until", "max_gen_toks", "do_sample", "temperature"}
        fits = asked["max_gen_toks"] < self.max_length
        return simple and greedy and known and fits and set(asked["until"]) <= ends and config <= _HARMLESS
