"""Two models item by item: the same items in one order, held against one and the same teacher.

finsight: the teacher's labels of 'news-en-014' are Positive/Low in reference, Neutral/Low in the candidate: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.verdicts import Verdict


def in_order(held: Sequence[Verdict], candidate: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts of `held` in the candidate's order of items."""
    by_id = {v.item.id: v for v in held}
    return [by_id[v.item.id] for v in candidate]


def refuse_other_teacher(task: str, name: str, first: Sequence[Verdict], second: Sequence[Verdict]) -> None:
    """Raise InputError where the two models' answers to an item were held against different labels of a teacher."""
    for one, other in zip(first, second, strict=True):
        if one.teacher != other.teacher:
            labels = ["/".join(v.teacher) if v.teacher else "missing" for v in (one, other)]
            raise InputError(
                f"{task}: the teacher's labels of {printable(one.item.id, 40)!r} are {printable(labels[0], 60)} in "
                f"{name}, {printable(labels[1], 60)} in the candidate: scored against another teacher; evaluate both "
                "with the same one"
            )
