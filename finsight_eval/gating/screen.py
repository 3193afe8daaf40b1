"""A gate's verdict on a terminal.

    pass          finsight_simulated/json_parse_rate   floor 0.95   0.997 [0.983, 0.999]   n 320

Colours are for terminals only: not in a pipe, not with NO_COLOR set (no-color.org), not on a dumb one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from finsight_eval.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from finsight_eval.jsonl import Row

#: Characters of a note.
_NOTE: Final = 400
_COLOURS: Final = {"pass": "32", "inconclusive": "33", "regressed": "31", "exposed": "31"}


def coloured(stream: TextIO) -> bool:
    """Return whether `stream` is a terminal whose user has not asked for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def verdict_table(gate: Row, colours: bool) -> str:
    """Return the checks and the verdict of a gate.json as lines for a terminal."""
    rows = [_cells(check) for check in gate["checks"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  " + "   ".join([_painted(padded[0], row[0], colours), *padded[1:]]).rstrip())
    exposed = [f"{printable(one['name'])}, {_where(one)}" for one in gate["exposures"] if one["grave"]]
    lines += [f"  {_painted('exposed', 'exposed', colours)}: {text}" for text in dict.fromkeys(exposed)]
    lines += [f"  note: {printable(note, _NOTE)}" for note in gate["notes"]]
    but = ", but exposed by name" if exposed and gate["verdict"] != "exposed" else ""
    return "\n".join([*lines, f"  verdict: {_painted(gate['verdict'], gate['verdict'], colours)}{but}"])


def _where(exposure: Row) -> str:
    return f"on {printable(exposure['task'])}" if exposure["task"] else "in training"


def _painted(text: str, verdict: str, colours: bool) -> str:
    return f"\x1b[{_COLOURS[verdict]}m{text}\x1b[0m" if colours else text


def _cells(check: Row) -> Sequence[str]:
    if check["value"] is None:
        found = f"n/a ({printable(check['why'])})"
    else:
        ends = f"[{check['low']:.3f}, {check['high']:.3f}]" if check["low"] is not None else "[no interval]"
        found = f"{check['value']:.3f} {ends}"
    asked = f"{check['rule']} {check['bound']:g}"
    return check["verdict"], f"{check['task']}/{check['metric']}", asked, found, f"n {check['n']}"
