"""Who is named in a Chinese text: companies as the text writes them.

    "监管部门责令瀚蓝汽车召回电动车，瀚蓝称..."  ->  "瀚蓝汽车", twice

Chinese has no capitals. A name is what ends in a company word (汽车, 银行 ...) behind a stem of naming characters; such
a stem alone, once it stands where a name can stand; a well-known name; what two sentences open with; or what opens a
sentence before a verb of announcing.
"""

from __future__ import annotations

import itertools
import re
from functools import cache
from typing import Final

from distill.teacher.lexicon import chinese_vocabulary, words_of
from distill.teacher.names_en import Name

_HAN: Final = r"[\u4e00-\u9fffA-Za-z0-9·]"
_CODE: Final = re.compile(rf"({_HAN}{{2,8}}?)[(（](?:\d{{6}}|\d{{4,5}}\.HK|[A-Z]{{1,5}})[)）]")
_HEAD: Final = re.compile(rf"(?:(?<=[。！？\n])|^){_HAN}{{2,8}}")
_LONGEST: Final = 8
_PLACE_BEFORE: Final = re.compile(r"(?:在|位于|设于|注册地为|总部|来自|迁至|至|赴|驻|销往|发往|向)$")


@cache
def _choice(*keys: str) -> str:
    words = {w for key in keys for w in words_of("zh", key)}
    return "|".join(map(re.escape, sorted(words, key=lambda w: (-len(w), w))))


@cache
def _set(*keys: str) -> frozenset[str]:
    return frozenset(w for key in keys for w in words_of("zh", key))


@cache
def _full() -> re.Pattern[str]:
    """Match a stem and its company words; a stem is naming characters, or two to four of any kind behind a border."""
    letters = "".join(_set("characters"))
    ends = rf"(?:{_choice('company_words')})+(?:股份有限公司|有限公司|集团|股份|控股)?"
    return re.compile(rf"(?=((?:[{letters}]{{1,4}}|[A-Za-z]{{2,8}}))({ends}))")


@cache
def _run() -> re.Pattern[str]:
    return re.compile(rf"[{''.join(_set('characters'))}]{{2,}}")


@cache
def _after() -> tuple[str, ...]:
    return tuple(_set("stops", "verbs", "after"))


@cache
def _opening() -> re.Pattern[str]:
    return re.compile(rf"(?:(?<=[。！？\n【：])|^)[“《【\s]*({_HAN}{{2,6}}?)(?=(?:{_choice('verbs')}))")


@cache
def _known() -> re.Pattern[str]:
    return re.compile(_choice("known"))


@cache
def _border() -> re.Pattern[str]:
    return re.compile(_choice("stops", "agencies"))


def chinese_names(text: str) -> list[Name]:
    """Return the mentions of companies, in order; a short form bears its full name."""
    full = _full_names(text)
    known = {m.group() for m in _known().finditer(text)}
    coded = {m.group(1) for m in _CODE.finditer(text) if not _border().search(m.group(1))}
    stems = {stem: stem + ending for stem, ending in full.items() if len(stem) > 1}
    names = {**{stem + ending: stem + ending for stem, ending in full.items()}, **{n: n for n in known | coded}}
    names |= {short: stems.get(short, short) for short in _short_names(text, stems)}
    names |= {n: stems.get(n, n) for n in _repeated(text) if not any(n in other or other in n for other in names)}
    if not names:
        names = {m.group(1): m.group(1) for m in _opening().finditer(text) if _may_open(m.group(1))}
    return _mentions(text, names)


def _may_open(word: str) -> bool:
    return not _border().search(word) and not _parts(word) & (chinese_vocabulary() | _set("company_words"))


def _full_names(text: str) -> dict[str, str]:
    """Return the endings of full names by their stems."""
    found: dict[str, str] = {}
    for match in _full().finditer(text):
        before, stem, ending = text[: match.start()], match.group(1), match.group(2)
        if (
            stem in _set("not_names", "company_words")
            or stem in chinese_vocabulary()
            or (stem in _set("cities") and _PLACE_BEFORE.search(before))
        ):
            continue
        at_border = _at_border(before[-_LONGEST:])
        if (
            len(stem) > 1
            and (at_border or len(stem) == 2 or text.count(stem) > 1)
            and not any(stem in f for f in found)
        ):
            found[stem] = ending
    return found


def _ends_in_word(before: str) -> bool:
    return any(before[-n:] in _set("stops", "agencies", "verbs") for n in range(1, _LONGEST + 1))


def _short_names(text: str, stems: dict[str, str]) -> set[str]:
    """Return naming characters between a border and a word that follows names, and the stems that occur again."""
    found = {stem for stem in stems if text.count(stem) > 1}
    for run in _run().finditer(text):
        for start in range(run.start(), run.end() - 1):
            if not _at_border(text[max(0, start - _LONGEST) : start]):
                continue
            ends = (end for end in range(start + 2, min(start + 4, run.end()) + 1) if _goes_on(text, end))
            found.update(text[start:end] for end in list(ends)[:1])
    barred = _set("not_names", "cities", "company_words", "stops", "verbs", "agencies") | chinese_vocabulary()
    words = _set("not_names", "cities", "company_words")
    return {n for n in found if n in stems or (n not in barred and not _parts(n) & words)}


def _at_border(before: str) -> bool:
    return not before or not re.match(_HAN, before[-1]) or _ends_in_word(before)


def _goes_on(text: str, end: int) -> bool:
    """Tell whether a name may end here: at a mark, a digit or the end, or before a word that follows names."""
    return end == len(text) or not re.match(r"[\u4e00-\u9fffA-Za-z]", text[end]) or text.startswith(_after(), end)


def _parts(word: str) -> set[str]:
    return {word[i:j] for i in range(len(word)) for j in range(i + 2, len(word) + 1)}


def _common(first: str, second: str) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )


def _repeated(text: str) -> set[str]:
    """Return what two sentences open with: two to eight characters, no word of the trade."""
    heads = sorted(m.group() for m in _HEAD.finditer(text))
    shared = {first[: _common(first, second)] for first, second in itertools.pairwise(heads)}
    return {
        n
        for n in shared
        if len(n) > 1 and n not in chinese_vocabulary() and not _border().search(n) and not n.startswith(("公司", "该"))
    }


def _mentions(text: str, names: dict[str, str]) -> list[Name]:
    if not names:
        return []
    pattern = "|".join(map(re.escape, sorted(names, key=lambda n: (-len(n), n))))
    return [Name(m.start(), m.end(), names[m.group()], sure=True) for m in re.finditer(pattern, text)]
