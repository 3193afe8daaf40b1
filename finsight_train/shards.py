r"""Text shards for pretraining: read, tokenised on all cores, laid end to end.

    {"text": "<|im_start|>user\nWhat is a hedge?<|im_end|>\n<|im_start|>assistant\nA cover ...<|im_end|>"}

One document per line of `*.jsonl`. Chat markers inside a document are read as the special tokens they name, and every
document is followed by <|endoftext|>.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_train.tokenizer import END_OF_TEXT, SPECIAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

#: Bytes of one piece of work for one core: small enough to keep 16 cores busy to the end.
SPAN_BYTES: Final = 8 << 20


@dataclass(frozen=True)
class Span:
    """The lines of `path` that begin in [start, end)."""

    path: Path
    start: int
    end: int


def text_files(folder: Path) -> list[Path]:
    """Return the shards of `folder` in a fixed order; raises InputError where there are none."""
    files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
    if not files:
        raise InputError(
            f'{folder}: holds no *.jsonl with lines like {{"text": "..."}}; run the stage that writes them'
        )
    return files


def spans_of(files: list[Path], size: int = SPAN_BYTES) -> list[Span]:
    """Return `files` cut into spans of about `size` bytes."""
    return [
        Span(path, start, min(start + size, length))
        for path in files
        for length in [path.stat().st_size]
        for start in range(0, length, size)
    ]


def documents(span: Span) -> Iterator[str]:
    """Yield the texts of the lines that begin inside `span`; raises InputError naming the file and the byte."""
    with span.path.open("rb") as stream:
        if span.start:
            stream.seek(span.start - 1)
            stream.readline()  # the line that a span cuts into belongs to the span before
        while (at := stream.tell()) < span.end and (line := stream.readline()):
            yield _text_of(line, f"{span.path}: byte {at}")


def _text_of(line: bytes, where: str) -> str:
    try:
        row = jsonl.loads(line.decode("utf-8"))
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON ({error}); write the shard again") from None
    text = row.get("text") if isinstance(row, dict) else None
    if not isinstance(text, str) or not text.strip():
        found = printable(line[:60].decode("utf-8", "replace"), 60)
        raise InputError(f'{where}: {{"text": "..."}} is expected, found {found!r}')
    return text


def sample(files: list[Path], characters: int) -> Iterator[str]:
    """Yield about `characters` bytes' worth of documents, spread evenly over `files`, chat markers taken out."""
    stride = max(1, sum(path.stat().st_size for path in files) // characters)
    for number, text in enumerate(text for path in files for text in documents(Span(path, 0, path.stat().st_size))):
        if number % stride == 0:
            for marker in SPECIAL:
                text = text.replace(marker, "\n")  # noqa: PLW2901 - the same text, stepwise
            yield text


_tokenizer: Any = None  # set once in each worker process


def _start_worker(tokenizer_json: str) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes are the parallelism
    from tokenizers import Tokenizer

    global _tokenizer  # noqa: PLW0603 - one tokenizer per process, not one per span
    _tokenizer = Tokenizer.from_str(tokenizer_json)


def _tokens_of_span(span: Span) -> NDArray[np.uint16]:
    import numpy as np

    end = _tokenizer.token_to_id(END_OF_TEXT)
    ids: list[int] = []
    for encoded in _tokenizer.encode_batch_fast(list(documents(span))):
        ids += encoded.ids
        ids.append(end)
    return np.array(ids, dtype=np.uint16)


def tokens_of(files: list[Path], tokenizer: Any, size: int = SPAN_BYTES) -> NDArray[np.uint16]:
    """Return all documents of `files` as one run of token ids, shape [tokens], in the order of the files."""
    import numpy as np

    spans = spans_of(files, size)
    workers = max(1, min(os.cpu_count() or 1, len(spans)))
    with ProcessPoolExecutor(workers, initializer=_start_worker, initargs=(tokenizer.to_str(),)) as pool:
        return np.concatenate(list(pool.map(_tokens_of_span, spans)))
