r"""Training rows as token ids: the evaluation prompt, the completion, the stop token, and nothing after it.

    {"id": "sim-train-en-000001", "prompt": [{"role": "user", "content": "You are a financial ..."}],
     "completion": [{"role": "assistant", "content": "<thinking>\n...\n</thinking>\n{\"entity\": ...}"}]}

Labels stand on the completion and its stop token only. A reply that is not taught to stop runs on after its JSON, which
the contract counts as unparsed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from pathlib import Path

#: The label that PyTorch's cross entropy leaves out.
IGNORED: Final = -100
_KEYS: Final = {"id", "prompt", "completion"}


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: `labels` is `input_ids` with the prompt's places set to IGNORED."""

    id: str
    input_ids: list[int]
    labels: list[int]


def _messages_problem(value: Any, last_role: str) -> str | None:
    if not isinstance(value, list) or not value:
        return "a list of messages is expected"
    for message in value:
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            return 'messages of the form {"role": ..., "content": ...} are expected'
        if not isinstance(message["content"], str) or not message["content"].strip():
            return "its content is empty"
    return None if value[-1]["role"] == last_role else f"its last message must be by {last_role!r}"


def row_problem(row: jsonl.Row) -> str | None:
    """Return what is wrong with a row of sft.jsonl, or None."""
    if set(row) != _KEYS:
        return f"keys {', '.join(sorted(map(str, row)))} found, id, prompt, completion are expected"
    if not isinstance(row["id"], str) or not row["id"]:
        return "id is not a string"
    for key, role in (("prompt", "user"), ("completion", "assistant")):
        if problem := _messages_problem(row[key], role):
            return f"row {printable(row['id'], 60)}: {key}: {problem}"
    return None


def tokens_of(tokenizer: Any, prompt: list[dict[str, str]], completion: list[dict[str, str]]) -> tuple[list[int], int]:
    """Return (token ids up to and with the stop token, length of the prompt).

    Raises:
        ValueError: the chat template does not render the prompt alone as the beginning of the whole, or the completion
            is not followed by exactly one stop token.
    """
    head = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=False)
    whole = tokenizer.apply_chat_template([*prompt, *completion], tokenize=True, return_dict=False)
    if whole[: len(head)] != head:
        raise ValueError("the chat template renders the prompt alone differently from the prompt with its completion")
    stop, reply = tokenizer.eos_token_id, whole[len(head) :]
    if stop not in reply:
        raise ValueError(f"the chat template does not end a reply with the stop token {tokenizer.eos_token!r}")
    if reply.count(stop) > 1:
        raise ValueError(f"the completion holds the stop token {tokenizer.eos_token!r} as text")
    return whole[: len(head) + reply.index(stop) + 1], len(head)


def check_tokenizer(tokenizer: Any, base: str) -> None:
    """Raise InputError where `tokenizer` cannot render a conversation or has no stop token."""
    if not tokenizer.chat_template:
        raise InputError(
            f"{base}: its tokenizer has no chat template; use an instruction-tuned base or add the template"
        )
    if tokenizer.eos_token_id is None:
        raise InputError(f"{base}: its tokenizer has no stop token (eos_token); set it in tokenizer_config.json")


def read_rows(path: Path, tokenizer: Any, max_length: int) -> list[Row]:
    """Return the rows of sft.jsonl as token ids.

    Raises:
        InputError: names file, line and row: a broken row, an empty completion, a chat template that does not stop, a
            row longer than `max_length`, or no rows at all.
    """
    rows: list[Row] = []
    for number, row in jsonl.read_lines(path):
        if problem := row_problem(row):
            raise InputError(f"{path}:{number}: {problem}; correct or drop the row")
        try:
            ids, start = tokens_of(tokenizer, row["prompt"], row["completion"])
        except ValueError as error:
            raise InputError(f"{path}:{number}: row {printable(row['id'], 60)}: {error}") from None
        if len(ids) > max_length:
            raise InputError(
                f"{path}:{number}: row {printable(row['id'], 60)}: {len(ids):,} tokens, max_length is {max_length:,}; "
                "raise max_length in the recipe or drop the row"
            )
        rows.append(Row(row["id"], ids, [IGNORED] * start + ids[start:]))
    if not rows:
        raise InputError(f"{path}: holds no rows; nothing can be learnt from an empty set")
    return rows


def shared_prefix(rows: list[Row]) -> list[int]:
    """Return the tokens that all rows begin with, ending before the place that predicts any row's first label."""
    first, last = min(row.input_ids for row in rows), max(row.input_ids for row in rows)
    limit = min(next(i for i, label in enumerate(row.labels) if label != IGNORED) for row in rows) - 1
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: max(0, min(same, limit))]
