"""The lines of a sample file, decoded no further than scoring needs.

    {"doc_id": 0, "doc": {...}, "target": "...", "arguments": {...}, "resps": [["..."]], "filtered_resps": ["..."],
     "filter": "none", "metrics": [...], "doc_hash": "...", ..., "target_hash": "...", "json_parse_rate": 1.0, ...}

Of such a line, in the order in which lm-eval writes the keys, a document is decoded once for all files that hold it,
the recorded values once for each combination, and prompt, second copy of the reply and hashes not at all. A marker such
as `, "resps": ` cannot stand inside a JSON string, where quotes are escaped; where it stands deeper in the line than it
should, the parts are no JSON, and the whole line is decoded, like every line of another shape.
"""

from __future__ import annotations

from typing import Any, Final, Generic, NamedTuple, TypeVar

from finsight_eval.jsonl import foreign_at, loads_foreign
from finsight_eval.metrics import METRICS

_HEAD: Final = b'{"doc_id": '
#: Digits that no number of a document has.
_LONG: Final = 16
#: More than any set has; what is beyond is decoded each time, so that memory stays bounded.
_REMEMBERED: Final = 10_000

Asked = TypeVar("Asked")
#: (filter, metric -> recorded value), shared by all lines that record the same.
_Recorded = tuple[Any, dict[str, Any]]


class Line(NamedTuple):
    """What a line holds. `asked` is what was remembered for its document; else `doc` is that document.

    `arguments` is JSON text that nobody has decoded yet, or the value itself; `recorded` holds the metrics that lm-eval
    recorded: a number, a (gold, said) pair, None for no value.
    """

    doc_id: Any
    doc: Any
    asked: Any
    text: bytes
    arguments: Any
    replies: Any
    filter: Any
    recorded: dict[str, Any]


class LineReader(Generic[Asked]):
    """Decodes lines; what a document asks is kept for the next line or file that holds the same document."""

    def __init__(self) -> None:
        self._asked: dict[bytes, Asked] = {}
        self._recorded: dict[bytes, _Recorded] = {}

    def remember(self, line: Line, asked: Asked) -> None:
        """Keep what the document of `line` asks."""
        if line.text and len(self._asked) < _REMEMBERED:
            self._asked[line.text] = asked

    def read(self, line: bytes) -> Line | None:
        """Return what `line` holds, None where it is no object; raises ValueError where it is not JSON or not UTF-8."""
        head, _, rest = line.partition(b', "doc": ')
        document, _, rest = rest.partition(b', "target": ')
        _, _, rest = rest.partition(b', "arguments": ')
        arguments, _, rest = rest.partition(b', "resps": ')
        replies, _, rest = rest.partition(b', "filtered_resps": ')
        _, found, recorded = rest.partition(b', "filter": ')
        if found:
            try:
                asked = self._asked.get(document)
                doc = loads_foreign(str(document, "utf-8")) if asked is None else None
                return Line(_number(head), doc, asked, document, arguments, _said(replies), *self._values(recorded))
            except (ValueError, TypeError, AttributeError):
                pass
        return line_of(loads_foreign(str(line, "utf-8")))

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
    if text.startswith('[["'):
        reply, end = foreign_at(text, 2)
        if text[end:] == "]]":
            return [[reply]]
    return loads_foreign(text)


def line_of(row: Any) -> Line | None:
    """Return a decoded row as a line, None where it is no object."""
    if not isinstance(row, dict):
        return None
    replies = row["resps"] if "resps" in row else row.get("filtered_resps")
    filtered, recorded = _recorded_in(row)
    return Line(row.get("doc_id"), row.get("doc"), None, b"", row.get("arguments"), replies, filtered, recorded)


def _recorded_in(row: dict[str, Any]) -> _Recorded:
    return row.get("filter"), {name: _value(row[name]) for name in METRICS if name in row}


def _value(recorded: Any) -> Any:
    """Return one recorded value to compare with: a number, a pair of labels, or None for anything else."""
    if isinstance(recorded, float | int):
        return None if recorded != recorded else float(recorded)  # noqa: PLR0124 - NaN is lm-eval's "no value"
    if isinstance(recorded, list) and len(recorded) == 2 and all(isinstance(v, str | bool | None) for v in recorded):
        return tuple(recorded)
    return None
