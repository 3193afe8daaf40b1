r"""finsight-nano's tokenizer: byte-level BPE for English and Chinese, with the chat markers of Qwen2.5.

    "Acme rose 8%.\n英伟达上涨" -> ["A", "cme", " rose", " ", "8", "%.\n", "英", "伟", "达", "上", "涨"]

Decisions, each with its reason (and a test that bears its name):

* Digits stand alone, as in Qwen2.5: a number is copied digit by digit, and no figure is an unseen token.
* Chinese characters stand alone: merged runs would cross the borders of names, which must be copied, and on generated
  text BPE would learn whole stock phrases.
* Only a space joins the word that follows it, no bracket, quotation mark or hyphen: a name is the same tokens wherever
  it stands.
* It is read as a Qwen2 tokenizer: transformers puts Qwen2's own splitting pattern into any tokenizer that stands beside
  a Qwen2 model, whatever tokenizer.json says. So merges are learnt with the finer pattern below, which they never
  cross, and the saved tokenizer carries Qwen2's: every loader gives the same tokens.
* No default system prompt in the chat template: the contract has one user message and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

END_OF_TEXT: Final = "<|endoftext|>"
TURN_START: Final = "<|im_start|>"
TURN_END: Final = "<|im_end|>"
SPECIAL: Final = (END_OF_TEXT, TURN_START, TURN_END)

#: Qwen2's own pattern, the one that a reader applies.
QWEN2: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: The same with Han characters on their own and only a space allowed before a word: what merges are learnt with.
FINER: Final = (
    r"\p{Han}| ?(?:(?!\p{Han})\p{L})+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHAT_TEMPLATE: Final = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def _splitting(pattern: str) -> Any:
    from tokenizers import Regex, pre_tokenizers

    words = pre_tokenizers.Split(Regex(pattern), "isolated")
    return pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def trained(texts: Iterable[str], vocabulary: int) -> Any:
    """Return a tokenizers.Tokenizer of at most `vocabulary` tokens learnt from `texts`; chat markers are 0, 1 and 2."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.pre_tokenizer = _splitting(FINER)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = _splitting(QWEN2)
    return tokenizer


def for_transformers(tokenizer: Any) -> Any:
    """Return `tokenizer` as transformers knows it: chat template, stop token <|im_end|>, padding <|endoftext|>."""
    from transformers import PreTrainedTokenizerFast

    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START],
        clean_up_tokenization_spaces=False,
        model_max_length=1_000_000,
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped
