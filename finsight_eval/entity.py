"""Does an answer name the entity that the gold names? Careful: a near miss is a miss.

    entity_matches("NVIDIA Corp. (NASDAQ: NVDA)", "Nvidia", ["NVDA"]) -> True
    entity_matches("Bank", "Bank of Example", []) -> False

Two names match when they are equal after width, case, accents, punctuation, a ticker in brackets and the legal form are
set aside. Nothing is matched by a part of a name: aliases say what else counts.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Replies are hostile; no name is longer.
_LONGEST: Final = 200

_LEGAL_FORMS: Final = """
inc incorporated corp corporation co company companies plc ltd limited llc llp lp
ag sa se nv bv ab asa oyj oy spa srl gmbh kgaa kk sas pte pty bhd tbk pjsc jsc
"""
_LEGAL_WORDS: Final = frozenset(_LEGAL_FORMS.split())
#: "X Group" and "X" are one to a reader; "X Group" and "X Holdings" may well be two. One side may lack the word.
_QUALIFIER_WORDS: Final = frozenset({"group", "holding", "holdings"})
_LEGAL_ENDINGS: Final = ("股份有限公司", "有限责任公司", "有限公司", "股份公司", "公司", "股份")
_QUALIFIER_ENDINGS: Final = ("集团", "控股")

_TICKER = re.compile(r"[(\[【]\s*(?:[A-Z]{2,10}\s*:\s*)?[A-Z0-9]{1,6}(?:[.\-][A-Z0-9]{1,4})?\s*[)\]】]")
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_JOINED = re.compile(r"[.'’]")
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def entity_matches(said: str, entity: str, aliases: Iterable[str]) -> bool:
    """Tell whether `said` is `entity` or one of its `aliases`, surface differences apart."""
    core, qualifiers = _name(said[:_LONGEST])
    if not core or said == entity:
        return bool(core)
    for form in (entity, *aliases):
        other_core, other_qualifiers = _name(form[:_LONGEST])
        if core == other_core and (qualifiers == other_qualifiers or not qualifiers or not other_qualifiers):
            return True
    return False


@lru_cache(maxsize=1 << 15)  # a file names few entities, each slice asks again
def _name(text: str) -> tuple[str, frozenset[str]]:
    """Return (what is left of a name, the qualifiers taken off)."""
    plain = _TICKER.sub(" ", unicodedata.normalize("NFKC", text))
    plain = unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", plain))).casefold()
    plain = _JOINED.sub("", plain.replace("&", " and "))
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return _without_endings("".join(words)) if _CHINESE.search(plain) else _without_words(words)


def _without_words(words: list[str]) -> tuple[str, frozenset[str]]:
    if len(words) > 1 and words[0] == "the":
        words = words[1:]
    qualifiers = set()
    while len(words) > 1 and (words[-1] in _LEGAL_WORDS or words[-1] in _QUALIFIER_WORDS):
        if words[-1] in _QUALIFIER_WORDS:
            qualifiers.add(words[-1].removesuffix("s"))
        words = words[:-1]
    return " ".join(words), frozenset(qualifiers)


def _without_endings(name: str) -> tuple[str, frozenset[str]]:
    qualifiers = set()
    endings = (*_LEGAL_ENDINGS, *_QUALIFIER_ENDINGS)
    while ending := next((e for e in endings if name.endswith(e) and len(name) >= len(e) + 2), None):
        if ending in _QUALIFIER_ENDINGS:
            qualifiers.add(ending)
        name = name.removesuffix(ending)
    return name, frozenset(qualifiers)
