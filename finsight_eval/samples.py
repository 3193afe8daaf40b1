"""Sample files of lm-eval, ours or a stranger's, read into verdicts.

{"doc_id": 0, "doc": {"id": "news-en-001", "text": "...", ..., "teacher_sentiment": "Positive",
 "teacher_risk_level": "Low"}, "arguments": {"gen_args_0": {"arg_0": "<prompt>", "arg_1": {"max_gen_toks": 512}}},
 "resps": [["<thinking>..."]], "filter": "none", ...}

The raw reply (`resps`) is read again, whatever lm-eval made of it: a parser fix needs no new evaluation. `doc` holds
the benchmark row; its two teacher keys may be absent.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import prompt
from finsight_eval.errors import InputError, printable
from finsight_eval.jsonl import dumps
from finsight_eval.records import item_of, kind_of, row_problem
from finsight_eval.verdicts import TEACHER_KEYS, Verdict, failed_verdict, teacher_of, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from finsight_eval.records import AnyItem

_NAME = re.compile(r"samples_(?P<task>.+)_\d{4}-\d{2}-\d{2}T[\d.\-]+")
NO_REPLY: Final = "no reply text in the sample"


@dataclass(frozen=True)
class Samples:
    """What one model was asked and said on one task; `prompt` is our prompt's fingerprint, or "other"."""

    task: str
    verdicts: list[Verdict]
    prompt: str
    generation: dict[str, Any]


def task_of(path: Path) -> str:
    """Return the task that a sample file belongs to: from lm-eval's file name, else the name itself."""
    found = _NAME.fullmatch(path.stem)
    return found["task"] if found else path.stem


def read_samples(path: Path) -> Samples:
    """Return the samples in `path`, in the order of their documents.

    Raises:
        InputError: no such file, no sample in it, a line that is no sample of a FinSight task, or a document twice.
    """
    verdicts: dict[int, tuple[int, Verdict]] = {}
    ids: dict[str, int] = {}
    first: dict[str, Any] | None = None
    ours = True
    for number, row in _rows(path):
        first = first or row
        if row.get("filter") != first.get(
            "filter"
        ):  # lm-eval logs a document once per filter, with one and the same reply
            continue
        doc_id, verdict = _sample(row, f"{path}:{number}")
        before = ids.setdefault(verdict.item.id, number)
        if doc_id in verdicts or before != number:
            before = verdicts[doc_id][0] if doc_id in verdicts else before
            name = printable(verdict.item.id, 40)
            raise InputError(
                f"{path}:{number}: document {doc_id} ({name!r}) already stands on line {before}; "
                "give the samples of one run"
            )
        verdicts[doc_id] = (number, verdict)
        ours = ours and prompt.prompt_of(verdict.item) in _asked(row)
    if first is None:
        raise InputError(f"{path}: holds no samples; an empty set has no figures")
    ordered = [verdict for _, (_, verdict) in sorted(verdicts.items())]
    generation = _argument(first, "arg_1")
    settings = generation if isinstance(generation, dict) else {}
    return Samples(task_of(path), ordered, prompt.fingerprint() if ours else "other", settings)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row); NaN passes, for lm-eval writes it where a metric has no value."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a samples_*.jsonl that lm-eval wrote (--log_samples)")
    with path.open(encoding="utf-8", newline="\n") as stream:
        try:
            for number, line in enumerate(stream, start=1):
                row = json.loads(line) if line.strip() else None
                if row is None:
                    continue
                if not isinstance(row, dict):
                    raise InputError(f"{path}:{number}: a JSON object is expected, found {printable(line, 60)!r}")
                yield number, row
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
        except (json.JSONDecodeError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not valid JSON ({error}); the file is damaged or cut off") from None


def _sample(row: dict[str, Any], where: str) -> tuple[int, Verdict]:
    doc, doc_id = row.get("doc"), row.get("doc_id")
    if not isinstance(doc, dict) or not isinstance(doc_id, int):
        raise InputError(f"{where}: no lm-eval sample: `doc` and `doc_id` are expected; evaluate with --log_samples")
    item = _item({key: value for key, value in doc.items() if key not in TEACHER_KEYS}, where)
    teacher = teacher_of(doc)
    reply = _reply(row.get("resps"))
    return doc_id, failed_verdict(item, NO_REPLY, teacher) if reply is None else verdict_of(item, reply, teacher)


def _item(row: dict[str, Any], where: str) -> AnyItem:
    if problem := row_problem(row, kind_of(row)):
        raise InputError(f"{where}: doc: {problem}; score samples of the FinSight tasks")
    try:
        dumps(row).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{where}: doc: holds half a surrogate pair, which no UTF-8 file can; repair the row"
        ) from None
    return item_of(row)


def _reply(responses: Any) -> str | None:
    """Return the first reply, or None where there is no text; lone surrogates, which no file holds, are spelt out."""
    while isinstance(responses, list) and responses:
        responses = responses[0]
    return responses.encode("utf-8", "backslashreplace").decode() if isinstance(responses, str) else None


def _argument(row: dict[str, Any], name: str) -> Any:
    """Return one argument of the request, None where the sample does not hold it in lm-eval's shape."""
    arguments = row.get("arguments")
    request = arguments.get("gen_args_0") if isinstance(arguments, dict) else None
    return request.get(name) if isinstance(request, dict) else None


def _asked(row: dict[str, Any]) -> str:
    """Return the text that the model was given; chat endpoints log it as JSON messages."""
    context = _argument(row, "arg_0")
    while isinstance(context, list) and context:
        context = context[0]
    if not isinstance(context, str):
        return ""
    try:
        return str(json.loads(context)[-1]["content"]) if context.startswith("[{") else context
    except (ValueError, LookupError, TypeError):
        return context


def check_gold(verdicts: Sequence[Verdict], items: Sequence[AnyItem], where: str) -> None:
    """Raise InputError for a sample whose document is not, key for key, the benchmark's row of that id."""
    known = {item.id: item for item in items}
    for verdict in verdicts:
        name = printable(verdict.item.id, 40)
        if verdict.item.id not in known:
            raise InputError(f"{where}: item {name!r} is not in the benchmark; score it with the set it was made on")
        gold = known[verdict.item.id].row()
        for key, found in verdict.item.row().items():
            if found != gold[key]:
                shown, expected = printable(repr(found), 60), printable(repr(gold[key]), 60)
                raise InputError(
                    f"{where}: item {name!r}: {key} is {shown}, the benchmark says {expected}; evaluate again"
                )
