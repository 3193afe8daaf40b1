"""The report's Markdown beyond plain tables: sections with their reading aid, folded parts, reasons said once.

<details><summary>All figures (15 metrics)</summary>

...      blank lines around it, so that Markdown works inside

</details>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from finsight_eval.escape import table

if TYPE_CHECKING:
    from collections.abc import Sequence

_MISSING: Final = re.compile(r"n/a \((.+)\)")
_MARKS: Final = "¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class Section:
    """A section of the page: `lead` says in one sentence how to read what follows."""

    title: str
    lead: str
    body: str

    def text(self) -> str:
        return "\n\n".join(part for part in (f"## {self.title}", self.lead, self.body) if part)


def anchor(title: str) -> str:
    """Return the id that GitHub gives to a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def contents(sections: Sequence[Section]) -> str:
    """Return the table of contents on one line."""
    return " · ".join(f"[{section.title}](#{anchor(section.title)})" for section in sections)


def folded(summary: str, text: str) -> str:
    """Return `text` behind a summary that opens on a click; `summary` is plain text that is already harmless."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def noted_table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """Return a table whose "n/a (reason)" cells become "n/a ¹", each reason being said once below the table."""
    reasons: dict[str, str] = {}

    def cell(text: str) -> str:
        found = _MISSING.fullmatch(text)
        if not found or (found[1] not in reasons and len(reasons) == len(_MARKS)):
            return text
        return f"n/a {reasons.setdefault(found[1], _MARKS[len(reasons) % len(_MARKS)])}"

    shown = table(head, [[cell(text) for text in row] for row in rows], numbers)
    notes = "; ".join(f"{mark} {reason}" for reason, mark in reasons.items())
    return f"{shown}\n\n{notes}." if notes else shown
