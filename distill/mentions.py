"""Does a text name a company? As whole words; width, case and white space apart.

names("ＮＶＩＤＩＡ's stock jumped", "Nvidia") -> True        names("affordable cars", "Ford") -> False
"""

from __future__ import annotations

import re
import unicodedata


def plain(text: str) -> str:
    """Return `text` with width and case folded and white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def stands_in(entity: str, text: str) -> bool:
    """Tell whether `text` holds `entity` as whole words; both are plain already."""
    # "Ford" is not in "affordable"; Chinese puts no space between words.
    head = r"(?<![a-z0-9])" if entity[:1].isascii() and entity[:1].isalnum() else ""
    tail = r"(?![a-z0-9])" if entity[-1:].isascii() and entity[-1:].isalnum() else ""
    return bool(entity) and re.search(f"{head}{re.escape(entity)}{tail}", text) is not None


def names(text: str, entity: str) -> bool:
    """Tell whether `text` names `entity`."""
    return stands_in(plain(entity), plain(text))
