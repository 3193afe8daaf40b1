"""The training rows of a run, as far as the report asks after them: what was learnt may be recited.

read_trained(Path("runs/nano/export/sft.jsonl"))[0] -> Trained("Thornworth tops ...", "it has no ties ...", ...)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finsight_eval import jsonl
from finsight_eval.errors import InputError
from finsight_eval.parse import CLOSE, OPEN
from finsight_eval.prompt import news_in

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Trained:
    """A news text that was trained on, and the answer that was taught."""

    text: str
    thinking: str
    entity: str
    sentiment: str
    risk_level: str


def read_trained(path: Path) -> tuple[Trained, ...]:
    """Return the training rows in `path`; raises InputError naming the line that is none."""
    rows = []
    for number, row in jsonl.read_lines(path):
        try:
            thinking, _, verdict = row["completion"][-1]["content"].removeprefix(OPEN).partition(CLOSE)
            labels = jsonl.loads(verdict)
            answer = (labels["entity"], labels["sentiment"], labels["risk_level"])
            rows.append(Trained(news_in(row["prompt"]), thinking.strip(), *answer))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise InputError(
                f"{path}:{number}: no training row of ours (prompt and completion, as `python -m distill.export` "
                "writes them); export again, or take the file out of the run"
            ) from None
    return tuple(rows)
