"""The lines of a sample file, decoded no further than scoring needs.

    {"doc_id": 0, "doc": {...}, "target": "...", "arguments": {...}, "resps": [["..."]], "filtered_resps": ["..."],
     "filter": "none", "metrics": [...], "doc_hash": "...", ..., "target_hash": "...", "json_parse_rate": 1.0, ...}

Of such a line, in the order in which lm-eval writes the keys, a document is decoded once for all files that hold it,
the recorded values once for each combination, and prompt, second copy of the reply and hashes not at all. A marker such
as `, "resps": ` cannot stand inside a JSON string, where quotes are escaped; where it stands deeper in the line than it
should, the parts are no JSON, and the whole line is decoded, like every line of another shape.

Two lines with the same document and request are equal up to the reply, byte for byte. That opening is kept: a line that
begins with it needs one comparison instead of being cut up and searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from finsight_eval.jsonl import loads_foreign, string_at
from finsight_eval.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_HEAD: Final = b'{"doc_id": '
#: Digits that no number of a document has.
_LONG: Final = 16
#: More than any set has; what is beyond is decoded each time, so that memory stays bounded.
_REMEMBERED: Final = 10_000
#: So many bytes hold number and id of a document, which tell nearly all openings apart; those of one document differ
#: by chat template or settings, and a folder has few of these.
_KEY: Final = 64
_SAME_KEY: Final = 8
_REPLIES: Final = b', "resps": '
_AFTER_REPLIES: Final = b', "filtered_resps": '
_FILTER: Final = b', "filter": '
_ONE_REPLY: Final = '[["'

Asked = TypeVar("Asked")
#: (filter, metric -> recorded value), shared by all lines that record the same.
_Recorded = tuple[Any, dict[str, Any]]
#: What a `Line` holds up to the replies.
_Opening = tuple[Any, Any, Any, bytes, bytes, Any]


class Line(NamedTuple):
    """What a line holds. `asked` is what was remembered for its document; else `doc` is that document.

    `arguments` is JSON text that nobody has decoded yet, or the value itself; `recorded` holds the metrics that lm-eval
    recorded: a number, a (gold, said) pair, None for no value. `text` is the document in JSON, `opening` all that
    stands before the replies: empty where it is known already, or where the line was decoded as a whole.
    """

    doc_id: Any
    doc: Any
    asked: Any
    text: bytes
    opening: bytes
    arguments: Any
    replies: Any
    filter: Any
    recorded: dict[str, Any]


class LineReader(Generic[Asked]):
    """Decodes lines; what a document asks is kept for the next line or file that holds the same document."""

    def __init__(self) -> None:
        self._asked: dict[bytes, Asked] = {}
        self._openings: dict[bytes, list[tuple[bytes, _Opening]]] = {}
        self._kept = 0
        self._recorded: dict[bytes, _Recorded] = {}

    def remember(self, line: Line, asked: Asked) -> None:
        """Keep what the document of `line` asks, and the opening of the line."""
        if line.text and len(self._asked) < _REMEMBERED:
            self._asked.setdefault(line.text, asked)
        if not line.opening or self._kept >= _REMEMBERED:
            return
        alike = self._openings.setdefault(line.opening[:_KEY], [])
        if len(alike) < _SAME_KEY:
            alike.append((line.opening, (line.doc_id, None, asked, line.text, b"", line.arguments)))
            self._kept += 1

    def read(self, line: bytes) -> Line | None:
        """Return what `line` holds, None where it is no object; raises ValueError where it is not JSON or not UTF-8."""
        try:
            found = self._reopened(line) or self._opened(line)
        except (ValueError, TypeError, AttributeError):
            found = None
        return found or line_of(loads_foreign(str(line, "utf-8")))

    def _reopened(self, line: bytes) -> Line | None:
        """Return what a line holds whose opening is known, None for any other."""
        for opening, known in self._openings.get(line[:_KEY], ()):
            if line.startswith(opening):
                return self._ended(line, len(opening), known)
        return None

    def _opened(self, line: bytes) -> Line | None:
        """Return what a line in lm-eval's order of keys holds, None for any other."""
        head, _, rest = line.partition(b', "doc": ')
        document, _, rest = rest.partition(b', "target": ')
        _, _, rest = rest.partition(b', "arguments": ')
        arguments, found, rest = rest.partition(_REPLIES)
        if not found:
            return None
        asked = self._asked.get(document)
        doc = loads_foreign(str(document, "utf-8")) if asked is None else None
        start = len(line) - len(rest)
        return self._ended(line, start, (_number(head), doc, asked, document, line[:start], arguments))

    def _ended(self, line: bytes, start: int, opening: _Opening) -> Line | None:
        """Return the line whose replies begin at `start`, None where what follows them is in another order."""
        end = line.find(_AFTER_REPLIES, start)
        place = line.find(_FILTER, end + len(_AFTER_REPLIES))
        if end < 0 or place < 0:
            return None
        return Line(*opening, _said(line[start:end]), *self._values(line[place + len(_FILTER) :]))

    def _values(self, text: bytes) -> _Recorded:
        """Return filter and recorded values, apart from the hashes, which differ from line to line."""
        before, _, rest = text.partition(b', "doc_hash": ')
        _, _, rest = rest.partition(b', "target_hash": ')
        _, found, after = rest.partition(b", ")
        kept = b"%b, %b" % (before, after) if found else text
        if kept not in self._recorded:
            values = _recorded_in(loads_foreign('{"filter": ' + str(kept, "utf-8")))
            if len(self._recorded) >= _REMEMBERED:
                return values
            self._recorded[kept] = values
        return self._recorded[kept]


def _number(head: bytes) -> Any:
    """Return the document's number in `{"doc_id": 17`, which a line begins with."""
    digits = head[len(_HEAD) :]
    if head.startswith(_HEAD) and digits.isdigit() and not digits.startswith(b"0") and len(digits) < _LONG:
        return int(digits)
    return loads_foreign(str(head, "utf-8") + "}").get("doc_id")


def _said(replies: bytes) -> Any:
    """Return the replies of a line: one inside two lists, nearly always."""
    text = str(replies, "utf-8")
    if text.startswith(_ONE_REPLY):
        reply, end = string_at(text, len(_ONE_REPLY))
        if text[end:] == "]]":
            return [[reply]]
    return loads_foreign(text)


def line_of(row: Any) -> Line | None:
    """Return a decoded row as a line, None where it is no object."""
    if not isinstance(row, dict):
        return None
    replies = row["resps"] if "resps" in row else row.get("filtered_resps")
    filtered, recorded = _recorded_in(row)
    return Line(row.get("doc_id"), row.get("doc"), None, b"", b"", row.get("arguments"), replies, filtered, recorded)


def _recorded_in(row: dict[str, Any]) -> _Recorded:
    return row.get("filter"), {name: _value(row[name]) for name in METRICS if name in row}


def by_metric(recorded: Sequence[dict[str, Any]], names: Collection[str]) -> dict[str, list[Any]]:
    """Return name -> what each line recorded of it; lines that record the same share one dictionary."""
    shared = {id(values): values for values in recorded}
    rows = {key: [values.get(name) for name in names] for key, values in shared.items()}
    columns = zip(*[rows[id(values)] for values in recorded], strict=True)
    return {name: [*column] for name, column in zip(names, columns, strict=True)}


def _value(recorded: Any) -> Any:
    """Return one recorded value to compare with: a number, a pair of labels, or None for anything else."""
    if isinstance(recorded, float | int):
        return None if recorded != recorded else float(recorded)  # noqa: PLR0124 - NaN is lm-eval's "no value"
    if isinstance(recorded, list) and len(recorded) == 2 and all(isinstance(v, str | bool | None) for v in recorded):
        return tuple(recorded)
    return None
