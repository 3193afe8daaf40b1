"""Does a text name a company? As whole words; width, case, white space, a legal form and a ticker apart.

names("ＮＶＩＤＩＡ's stock jumped", "Nvidia Corp. (NVDA)") -> True        names("affordable cars", "Ford") -> False
names("宁德时代公告", "宁德时代股份有限公司") -> True            names("Ford gains", "Ford Motor") -> False
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from finsight_eval.entity import entity_matches

#: Replies are hostile; no name is longer.
_LONGEST: Final = 200


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
    """Tell whether `text` names `entity`, in full or under the name that is left without its legal form."""
    news = plain(text)
    return any(stands_in(plain(form), news) for form in forms(entity))


def forms(entity: str) -> list[str]:
    """Return `entity` and the heads of it that are the same name: "Halden Motors Inc." and "Halden Motors"."""
    cut = entity.strip()[:_LONGEST]
    ends = [place for place in range(2, len(cut)) if not (_is_word(cut[place - 1]) and _is_word(cut[place]))]
    heads = (cut[:end].rstrip(" ,.;-–([（") for end in ends)
    same = dict.fromkeys(head for head in heads if len(head) > 1 and entity_matches(head, cut, ()))
    return [entity, *same, *(form[4:] for form in (entity, *same) if form[:4].casefold() == "the ")]


def _is_word(character: str) -> bool:
    return character.isascii() and character.isalnum()
