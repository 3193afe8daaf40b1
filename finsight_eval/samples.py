"""Sample files of lm-eval, ours or a stranger's, read into verdicts.

{"doc_id": 0, "doc": {"id": "news-en-001", "text": "...", ..., "teacher_sentiment": "Positive",
 "teacher_risk_level": "Low"}, "arguments": {"gen_args_0": {"arg_0": "<prompt>", "arg_1": {"max_gen_toks": 512}}},
 "resps": [["<thinking>..."]], "filter": "none", "json_parse_rate": 1.0, "sentiment_f1": ["Positive", "Neutral"], ...}

The raw reply (`resps`) is read again, whatever lm-eval made of it: a parser fix needs no new evaluation. What it had
made of it is kept as `recorded`, so that `rescore` can say what has changed. `doc` holds the benchmark row; its two
teacher keys may be absent. Other versions of lm-eval write the request as a list, or the whole file as one list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from finsight_eval import prompt
from finsight_eval.errors import InputError, printable
from finsight_eval.gold import TASKS
from finsight_eval.jsonl import loads_foreign
from finsight_eval.lm_results import conditions, read_results, recorded_figures, task_in
from finsight_eval.no_samples import mistaken
from finsight_eval.records import PublicItem, item_of, kind_of, row_problem
from finsight_eval.sample_lines import Line, LineReader, by_metric, line_of
from finsight_eval.sample_requests import Requests, around
from finsight_eval.verdicts import TEACHER_KEYS, Verdict, failed_verdict, teacher_of, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from finsight_eval.records import AnyItem
    from finsight_eval.verdicts import Labels

NO_REPLY: Final = "no reply text in the sample"
#: Lines are long: with the usual buffer of 8 KB each takes several calls.
_BUFFER: Final = 1 << 18
#: One of these stands in every document of a FinSight task.
_DOCUMENT_KEYS: Final = ("id", "lang", "text", "sentiment")


@dataclass(frozen=True)
class Samples:
    """What one model was asked and said on one task; `prompt` is our prompt's fingerprint, or "other".

    `recorded`: metric -> what lm-eval recorded for each verdict: a number, a (gold, said) pair, None for no value.
    `figures` and `conditions` come from the results file beside the samples (finsight_eval.lm_results).
    """

    task: str
    verdicts: list[Verdict]
    prompt: str
    generation: dict[str, Any]
    recorded: dict[str, list[Any]] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=lambda: conditions({}, ""))


def task_of(path: Path) -> str:
    """Return the task that a sample file belongs to: from lm-eval's file name, old or new, else the name itself."""
    named = (task for task in sorted(TASKS, key=len, reverse=True) if path.stem.endswith(f"_{task}"))
    return task_in(path.stem) or next(named, path.stem)


def read_samples(path: Path, documents: Documents | None = None) -> Samples:
    """Return the samples in `path`, in the order of their documents; `documents` serve for several files.

    Raises:
        InputError: no such file, no sample in it, a line that is no sample of a FinSight task, a document twice,
            or other generation settings than those of the first line.
    """
    documents = documents or Documents()
    read: dict[int, tuple[int, Verdict, dict[str, Any]]] = {}
    ids: dict[str, int] = {}
    first: Line | None = None
    requests = Requests(path)
    for number, line in _lines(path, documents.reader):
        first = first or line
        if line.filter != first.filter:  # the same documents with the same replies once more
            continue
        asked = documents.asked(line, path, number) if line.opening or not line.asked else line.asked
        doc_id = len(read) if line.doc_id is None else line.doc_id
        before = ids.setdefault(asked.item.id, number)
        if doc_id in read or before != number:
            raise _twice(path, number, doc_id, asked.item.id, read[doc_id][0] if doc_id in read else before)
        read[doc_id] = number, _verdict(asked, _reply(line.replies)), line.recorded
        requests.take(number, line.arguments, asked.item, asked.around)
    if first is None:
        raise InputError(f"{path}: holds no samples; an empty set has no figures")
    ordered = [read[doc_id] for doc_id in sorted(read)]
    recorded = [values for _, _, values in ordered]
    task, results = task_of(path), read_results(path)
    return Samples(
        task,
        [verdict for _, verdict, _ in ordered],
        prompt.fingerprint() if requests.ours else "other",
        requests.generation,
        by_metric(recorded, first.recorded),
        recorded_figures(results, task),
        conditions(results, task),
    )


def _twice(path: Path, number: int, doc_id: int, identity: str, before: int) -> InputError:
    return InputError(
        f"{path}:{number}: document {doc_id} ({printable(identity, 40)!r}) already stands on line {before}; "
        "give the samples of one run"
    )


def _lines(path: Path, reader: LineReader[Asked]) -> Iterator[tuple[int, Line]]:
    """Yield (line number, line), or (place, row) where the whole file is one list, as lm-eval wrote it before 0.4.3."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a samples_*.jsonl that lm-eval wrote (--log_samples)")
    number = 1
    try:
        with path.open("rb", buffering=_BUFFER) as stream:
            for number, text in enumerate(stream, start=1):
                if number == 1 and text.lstrip()[:1] == b"[":
                    rows = loads_foreign(str(text + stream.read(), "utf-8"))
                    yield from ((place, _whole(path, place, line_of(row))) for place, row in enumerate(rows, start=1))
                    return
                if not text.isspace():
                    yield number, _whole(path, number, reader.read(text))
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason}); save the file as UTF-8") from None
    except ValueError as error:
        raise _refused(path, number, f"not valid JSON ({error}); the file is damaged or cut off") from None


def _refused(path: Path, number: int, problem: str) -> InputError:
    """Return the error for a line that is no sample: a file of another kind shows in its first."""
    return (mistaken(path) if number == 1 else None) or InputError(f"{path}:{number}: {problem}")


def _whole(path: Path, number: int, line: Line | None) -> Line:
    if line is None:
        raise InputError(f"{path}:{number}: a JSON object is expected; score files that lm-eval wrote (--log_samples)")
    numbered = line.doc_id is None or isinstance(line.doc_id, int)
    if not numbered or (line.asked is None and not isinstance(line.doc, dict)):
        raise _refused(path, number, "no lm-eval sample: `doc` and `doc_id` are expected; evaluate with --log_samples")
    return line


def _verdict(asked: Asked, reply: str | None) -> Verdict:
    if reply is None:
        return failed_verdict(asked.item, NO_REPLY, asked.teacher)
    return verdict_of(asked.item, reply, asked.teacher)


class Asked(NamedTuple):
    """What a line asks: its item, the teacher's labels, our prompt as it stands in a file, and the request around it.

    `around` is None where the prompt does not stand in the request as it does in ours.
    """

    item: AnyItem
    teacher: Labels | None
    encoded: bytes
    around: tuple[bytes, bytes] | None


class Documents:
    """The documents met so far, each checked once: thousands of files ask about the same benchmark."""

    def __init__(self) -> None:
        self.reader: Final[LineReader[Asked]] = LineReader()

    def asked(self, line: Line, path: Path, number: int) -> Asked:
        """Return what `line` asks; raises InputError, naming it, for a document of no FinSight task."""
        known = line.asked or self._new(line, f"{path}:{number}")
        asked = known._replace(around=around(line.arguments, known.encoded))
        self.reader.remember(line, asked)
        return asked

    def _new(self, line: Line, where: str) -> Asked:
        row = {key: value for key, value in line.doc.items() if key not in TEACHER_KEYS}
        item = _item(row, where, plain=bool(line.text) and b"\\u" not in line.text)
        return Asked(item, teacher_of(line.doc), encoded_prompt(item), None)


def encoded_prompt(item: AnyItem) -> bytes:
    """Return our prompt for `item` as it stands inside a JSON string of a sample file."""
    before, after = _frame(item.entity if isinstance(item, PublicItem) else None)
    return before + _encoded(prompt.defused(item.text)) + after


@lru_cache(maxsize=64)
def _frame(entity: str | None) -> tuple[bytes, bytes]:
    """Return what stands before and after each news text, encoded once for all of them."""
    before, _, after = prompt.student_prompt("\0", entity).rpartition("\0")
    return _encoded(before), _encoded(after)


def _encoded(text: str) -> bytes:
    return encode_basestring(text)[1:-1].encode()


def _item(row: dict[str, Any], where: str, *, plain: bool) -> AnyItem:
    """Return the item in `row`; `plain`: read from UTF-8 without an escape that half a surrogate pair could hide in."""
    if problem := row_problem(row, kind_of(row)):
        if not any(key in row for key in _DOCUMENT_KEYS):
            keys = ", ".join(printable(key, 20) for key in list(row)[:5])
            problem = f"has the keys {keys}: this is no sample of a FinSight task"
        raise InputError(f"{where}: doc: {problem}; score samples of the FinSight tasks")
    item = item_of(row)
    if plain:
        return item
    try:
        "".join([value for value in row.values() if isinstance(value, str)] + [*item.aliases, *item.features]).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{where}: doc: holds half a surrogate pair, which no UTF-8 file can; repair the row"
        ) from None
    return item


def _reply(responses: Any) -> str | None:
    """Return the first reply, or None where there is no text; lone surrogates, which no file holds, are spelt out."""
    while isinstance(responses, list) and responses:
        responses = responses[0]
    if not isinstance(responses, str) or responses.isascii():
        return responses if isinstance(responses, str) else None
    try:
        responses.encode()
    except UnicodeEncodeError:
        return responses.encode("utf-8", "backslashreplace").decode()
    return responses


def check_gold(verdicts: Sequence[Verdict], items: Sequence[AnyItem], where: str) -> None:
    """Raise InputError for a sample whose document is not, key for key, the benchmark's row of that id."""
    known = {item.id: item for item in items}
    for verdict in verdicts:
        expected_item = known.get(verdict.item.id)
        if verdict.item == expected_item:
            continue
        name = printable(verdict.item.id, 40)
        if expected_item is None:
            raise InputError(f"{where}: item {name!r} is not in the benchmark; score it with the set it was made on")
        gold = expected_item.row()
        for key, found in verdict.item.row().items():
            if found != gold[key]:
                shown, expected = printable(repr(found), 60), printable(repr(gold[key]), 60)
                raise InputError(
                    f"{where}: item {name!r}: {key} is {shown}, the benchmark says {expected}; evaluate again"
                )
