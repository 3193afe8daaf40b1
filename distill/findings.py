"""What a run's verdicts have in common: how answers were had, whether samples agree, whether reasoning moves the label.

    {"how": {"as given": 1080, "repaired": 20, "continued": 4}, "agreement": {"1": 900, "0.6667": 204},
     "direct": {"asked": 1104, "unusable": 6, "compared": 1098, "sentiment": {"differ": 71, "share": 0.0647, ...}},
     "grounding": {"rows": 340, "mean": 0.94, "least": 0.5}, "stated_conclusions": 1033}

Chain of thought can hurt plain sentiment, so a teacher's bare label is held against its reasoned one, with an interval.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from finsight_eval import jsonl
from finsight_eval.parse import Answer
from finsight_eval.stats import wilson

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from distill.checking import Verdict


class Findings:
    """The accepted verdicts of a run, summed up one by one."""

    def __init__(self) -> None:
        """Begin with none."""
        self._how: Counter[str] = Counter()
        self._shares: Counter[float] = Counter()
        self._direct: Counter[str] = Counter()
        self._grounded: list[float] = []
        self._stated = self._accepted = 0

    def add(self, verdict: Verdict) -> None:
        """Count one verdict; agreement counts whatever came of it, all else where it was accepted."""
        if verdict.agreement:
            self._shares[verdict.agreement.share] += 1
        if verdict.answer is None:
            return
        self._accepted += 1
        self._how[verdict.how] += 1
        self._stated += verdict.stated
        if verdict.grounded is not None:
            self._grounded.append(verdict.grounded)
        if verdict.bare is not None:
            self._compare(verdict.answer, verdict.bare)

    def _compare(self, answer: Answer, bare: object) -> None:
        self._direct["asked"] += 1
        if not isinstance(bare, Answer):
            self._direct["unusable"] += 1
            return
        self._direct["sentiment"] += bare.sentiment != answer.sentiment
        self._direct["risk_level"] += bare.risk_level != answer.risk_level
        self._direct["either"] += (bare.sentiment, bare.risk_level) != (answer.sentiment, answer.risk_level)

    def summary(self) -> dict[str, Any]:
        """Return the figures; what was not asked or not said is left out, not nought."""
        found: dict[str, Any] = {"how": {str(how): n for how, n in sorted(self._how.items())}}
        if self._shares:
            found["agreement"] = {f"{share:g}": n for share, n in sorted(self._shares.items(), reverse=True)}
        if asked := self._direct["asked"]:
            compared = asked - self._direct["unusable"]
            rates = {key: _rate(self._direct[key], compared) for key in ("sentiment", "risk_level", "either")}
            counts = {"asked": asked, "unusable": self._direct["unusable"], "compared": compared}
            found["direct"] = counts | (rates if compared else {})
        if self._grounded:
            mean = round(sum(self._grounded) / len(self._grounded), 4)
            found["grounding"] = {"rows": len(self._grounded), "mean": mean, "least": round(min(self._grounded), 4)}
        return {**found, "stated_conclusions": self._stated}


def _rate(hits: int, n: int) -> dict[str, Any]:
    """Return how many of `n` differ, with Wilson's interval; {} of none."""
    if not n:
        return {}
    low, high = wilson(hits, n)
    return {"differ": hits, "share": round(hits / n, 4), "low": round(low, 4), "high": round(high, 4)}


def written(folder: Path, rows: Iterable[tuple[bool, jsonl.Row]]) -> int:
    """Write accepted.jsonl and rejected.jsonl below `folder`, a row at a time; returns how many rows there were."""
    count = 0
    names = ("rejected.jsonl", "accepted.jsonl")
    with (folder / names[0]).open("wb") as rejected, (folder / names[1]).open("wb") as accepted:
        for good, row in rows:
            (accepted if good else rejected).write((jsonl.dumps(row) + "\n").encode())
            count += 1
    return count
