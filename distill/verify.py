"""Keep the answers that can be learnt from; give every other one its reason.

    $ python -m distill.verify --recipe nano
    [verify] 1,104 accepted, 96 rejected, 0 failed -> runs/nano/verify (0.9 s)

    accepted.jsonl  {"id": "sim-train-en-000001", "lang": "en", "text": "...", "reply": "<thinking>...",
                     "entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}
    rejected.jsonl  {"id": "sim-train-en-000007", "lang": "en", "text": "...", "reply": "...",
                     "reason": "ungrounded number", "detail": "12"}

A pure function of the stored answers: a better check costs no request. The accounts close: every text is accepted,
rejected with one reason of a closed list, or failed (no answer).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from distill import recipe as recipes
from distill.mentions import names
from distill.numerals import invented
from finsight_eval import errors, jsonl, records, stage
from finsight_eval.errors import InputError
from finsight_eval.parse import Answer, Reason, parse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finsight_eval.records import News


class Rejection(StrEnum):
    """Why an answer that keeps the contract is still not learnt from; the parser's reasons stand beside these."""

    CUT_OFF = "cut off by the token limit"
    WRONG_LANGUAGE = "thinking in another language"
    ENTITY_NOT_IN_NEWS = "entity not in the news"
    UNGROUNDED_NUMBER = "ungrounded number"


#: The closed list: whatever is rejected is rejected for one of these.
REASONS: Final = tuple(str(reason) for reason in (*Reason, *Rejection))

_CHINESE = re.compile(r"[\u3400-\u9fff]")
_WORD = re.compile(r"[A-Za-z]{2,}")


class Verdict(NamedTuple):
    """An answer to learn from, or the reason against it and what exactly was found."""

    answer: Answer | None
    reason: str = ""
    detail: str = ""


def judged(news: News, reply: str, finish_reason: str | None) -> Verdict:
    """Return the verdict on one reply to `news`; the first objection counts."""
    if finish_reason == "length":
        return Verdict(None, Rejection.CUT_OFF)
    answer = parse(reply)
    if not isinstance(answer, Answer):
        return Verdict(None, answer.reason)
    if language(answer.thinking) != news.lang:
        return Verdict(None, Rejection.WRONG_LANGUAGE, language(answer.thinking))
    if not names(news.text, answer.entity):
        return Verdict(None, Rejection.ENTITY_NOT_IN_NEWS, answer.entity)
    if numbers := invented(answer.thinking, news.text):
        return Verdict(None, Rejection.UNGROUNDED_NUMBER, ", ".join(numbers))
    return Verdict(answer)


def language(text: str) -> str:
    """Return "zh" where there is a Chinese character for every two Latin words (names are often Latin), else "en"."""
    return "zh" if len(_CHINESE.findall(text)) > len(_WORD.findall(text)) / 2 else "en"


def verdict_rows(corpus: Sequence[News], answers: Sequence[jsonl.Row]) -> tuple[list[jsonl.Row], list[jsonl.Row], int]:
    """Return (accepted rows, rejected rows, number of failed ones), in the order of the corpus.

    Raises:
        InputError: answers and corpus do not hold the same ids in the same order.
    """
    accepted: list[jsonl.Row] = []
    rejected: list[jsonl.Row] = []
    failed = 0
    if [row.get("id") for row in answers] != [news.id for news in corpus]:
        raise InputError("answers.jsonl and corpus.jsonl name different rows; run distill.generate again")
    for news, row in zip(corpus, answers, strict=True):
        if "error" in row:
            failed += 1
            continue
        verdict = judged(news, row["reply"], row["finish_reason"])
        seen = {"id": news.id, "lang": news.lang, "text": news.text, "reply": row["reply"]}
        if verdict.answer is None:
            rejected.append({**seen, "reason": str(verdict.reason), "detail": verdict.detail})
        else:
            a = verdict.answer
            accepted.append({**seen, "entity": a.entity, "sentiment": a.sentiment, "risk_level": a.risk_level})
    assert len(corpus) == len(accepted) + len(rejected) + failed  # noqa: S101 - the accounts close
    assert all(row["reason"] in REASONS for row in rejected)  # noqa: S101
    return accepted, rejected, failed


def accounts(accepted: Sequence[jsonl.Row], rejected: Sequence[jsonl.Row], failed: int) -> dict[str, Any]:
    """Return the counts that close: in = accepted + rejected + failed, and how often each reason."""
    reasons = Counter(row["reason"] for row in rejected)
    return {
        "in": len(accepted) + len(rejected) + failed,
        "accepted": len(accepted),
        "rejected": len(rejected),
        "failed": failed,
        "reasons": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
    }


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where anything was accepted, 1 where nothing was; bad input ends with 2."""
    args = stage.arguments(__doc__ or "", recipes.FOLDER).parse_args(argv)
    runs = stage.run_folder(args.runs, args.recipe)
    inputs = {name: runs / "generate" / f"{name}.jsonl" for name in ("corpus", "answers")}

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        rows = [row for _, row in jsonl.read_lines(inputs["answers"])]
        accepted, rejected, failed = verdict_rows(records.read_news(inputs["corpus"]), rows)
        jsonl.write_lines(folder / "accepted.jsonl", accepted)
        jsonl.write_lines(folder / "rejected.jsonl", rejected)
        facts = accounts(accepted, rejected, failed)
        jsonl.write(folder / "accounts.json", facts)
        return f"{len(accepted)} accepted, {len(rejected)} rejected, {failed} failed", facts

    facts = stage.run(stage.Plan("verify", runs / "verify", "distill.verify", inputs), build)["facts"]
    if facts["accepted"]:
        return 0
    print(f"no answer was accepted: {facts['reasons'] or 'all requests failed'}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
