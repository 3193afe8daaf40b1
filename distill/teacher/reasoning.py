"""The thinking: the chain of cause and effect, what it means for the owners, and how much risk it leaves.

    repairs and refunds cost money and buyers turn away -> owners lose
    risk high

Every number in it stands in the text; all else is fixed wording of the lexicon.

Why it is so short and so regular: the student imitates it. With the chain first, a student judges wordings that it was
never trained on better than with the verdict alone; with reasons in a wording that its base has never met, or with
further remarks behind each verdict, it judges them worse than with no reasons at all. finsight_train/DIARY.md has the
figures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from distill.teacher.lexicon import effects, says

if TYPE_CHECKING:
    from distill.teacher.document import Document
    from distill.teacher.text import Span
    from distill.teacher.verdict import Verdict

#: The longest quotes: words in English, characters in Chinese.
_PROOF: Final = {"en": 7, "zh": 12}
_UNBROKEN: Final = re.compile(r"[\dA-Za-z.,%]")
_HOSTILE: Final = re.compile(r"[<>{}\[\]`\"\\|]|->")


def chain_of(doc: Document, verdict: Verdict) -> tuple[str, ...]:
    """Return the lines of the thinking."""
    book = says(doc.lang)
    cause, owners = _cause(doc, verdict), book["owners"][verdict.sign]
    said = [] if owners in cause else [owners]
    return " -> ".join([*_compared(doc, verdict), cause, *said]), book["risk"][verdict.risk]


def _cause(doc: Document, verdict: Verdict) -> str:
    """Return what is behind the verdict: the effects of the event that leads it, or what outweighs them."""
    because = says(doc.lang)["because"].get(verdict.case)
    if because is None and verdict.lead:
        return effects(doc.lang)[verdict.lead.event.name]
    return str((because or says(doc.lang)["because"]["nothing"])[verdict.sign])


def _compared(doc: Document, verdict: Verdict) -> list[str]:
    """Return the two numbers that were compared, if any were."""
    if verdict.gap is None:
        return []
    reported, expected = (_short(doc, span) for span in (verdict.gap.reported, verdict.gap.expected))
    return [str(says(doc.lang)["versus"]).format(reported=reported, expected=expected)]


def _short(doc: Document, span: Span) -> str:
    """Return a piece of the text, cut after some words (English) or characters (Chinese), no figure cut in two."""
    limit = _PROOF[doc.lang]
    piece = re.sub(r"\s+", " ", _HOSTILE.sub(" ", doc.original(*span))).strip(" ,，.。;；:：、")
    if doc.lang == "en":
        return " ".join(piece.split()[:limit])
    while limit < len(piece) and (_UNBROKEN.match(piece[limit - 1]) and _UNBROKEN.match(piece[limit])):
        limit += 1
    return piece[:limit]
