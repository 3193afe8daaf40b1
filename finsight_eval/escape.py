r"""Hostile text made harmless for Markdown: model replies, news texts, error messages.

    fenced("```\n<script>") -> "````text\n```\n<script>\n````"      inline("a|b") -> "a&#124;b"

Control and bidirectional characters are shown as escapes, so that text on the page reads as it stands in the file; long
text is cut and says so.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST: Final = 1_500
_LONGEST_INLINE: Final = 160
#: What can start markup, a link, an emoji, a formula or a template; an underscore inside a word starts nothing.
_SPECIAL: Final = re.compile(r"[#$&*:<>\[\\\]`{|}~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def visible(text: str) -> str:
    r"""Return `text` with every character that does not show (line breaks apart) spelt out, such as \u202e."""
    return "".join(c if _shows(c) else c.encode("unicode_escape").decode() for c in text)


def _shows(character: str) -> bool:
    return character == "\n" or character.isprintable() or unicodedata.category(character) == "Zs"


def fenced(text: str, limit: int = LONGEST) -> str:
    """Return `text` as a fenced block that nothing inside can close; past `limit` characters it is cut with a note."""
    shown = visible(text[:limit])
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    note = f"\n\n(cut: {len(text):,} characters in all)" if len(text) > limit else ""
    return f"{fence}text\n{shown}\n{fence}{note}" if text.strip() else "(an empty reply)"


def inline(text: str, limit: int = _LONGEST_INLINE) -> str:
    """Return `text` on one line for prose and table cells: no markup, link or mention comes to life in it."""
    shown = visible(text[:limit].replace("\n", " "))
    escaped = _SPECIAL.sub(lambda found: f"&#{ord(found.group())};", shown)
    # A word joiner keeps renderers from turning addresses and mentions into links.
    unlinked = re.sub(r"(?i)(www)\.", "\\1\u2060.", escaped.replace("@", "@\u2060"))
    return unlinked + ("…" if len(text) > limit else "")


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: int = 0) -> str:
    """Return a Markdown table of cells that are already harmless; the last `numbers` columns are set right."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))
