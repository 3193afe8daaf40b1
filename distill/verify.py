"""Keep the answers that can be learnt from; give every other one its reason.

    $ python -m distill.verify --recipe nano
    [verify] 1,104 accepted, 96 rejected, 0 failed -> runs/nano/verify (0.9 s)

    accepted.jsonl  {"id": "sim-train-en-000001", "lang": "en", "text": "...", "reply": "<thinking>...",
                     "entity": "NVIDIA", "sentiment": "Positive", "risk_level": "Low"}
    rejected.jsonl  {"id": "sim-train-en-000007", "lang": "en", "text": "...", "reply": "...",
                     "reason": "ungrounded number", "detail": "12"}

A pure function of the stored answers: a better check costs no request. The accounts close: every text is accepted,
rejected with one reason of a closed list, or failed (no answer). An accepted row whose answer was not had as given says
"how"; with several samples it says their "agreement"; the label that was given without reasoning stands as "direct".
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from distill import answers, corpus, findings
from distill import recipe as recipes
from distill.checking import REASONS, judged
from finsight_eval import errors, jsonl, prompt, stage
from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from distill.recipe import Recipe
    from finsight_eval.records import News

_SETTINGS: Final = ("samples", "agreement", "least_grounding")
_LONGEST_ERROR: Final = 80


class Accounts:
    """The counts that close: in = accepted + rejected(reason) + failed(reason)."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self.accepted = 0
        self.reasons: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def closed(self, texts: int) -> dict[str, Any]:
        """Return the accounts of `texts` texts."""
        rejected, failed = self.reasons.total(), self.failures.total()
        assert texts == self.accepted + rejected + failed  # noqa: S101 - the accounts close
        assert set(self.reasons) <= set(REASONS)  # noqa: S101
        return {
            "in": texts,
            "accepted": self.accepted,
            "rejected": rejected,
            "failed": failed,
            "reasons": {reason: self.reasons[reason] for reason in REASONS if self.reasons[reason]},
            "failures": dict(sorted(self.failures.items())),
        }


def verdict_rows(
    pairs: Iterable[tuple[News, jsonl.Row]], recipe: Recipe, accounts: Accounts, found: findings.Findings
) -> Iterator[tuple[bool, jsonl.Row]]:
    """Yield (accepted, row) of every text that has an answer, in order; all are counted in `accounts` and `found`."""
    for news, row in pairs:
        if "error" in row:
            accounts.failures[printable(row["error"], _LONGEST_ERROR)] += 1
            continue
        verdict = judged(news, answers.all_said(row), recipe)
        found.add(verdict)
        seen = {"id": news.id, "lang": news.lang, "text": news.text, "reply": verdict.reply}
        if verdict.answer is None:
            accounts.reasons[verdict.reason] += 1
            yield False, {**seen, "reason": str(verdict.reason), "detail": verdict.detail}
        else:
            accounts.accepted += 1
            a = verdict.answer
            labels = {"entity": a.entity, "sentiment": a.sentiment, "risk_level": a.risk_level}
            yield True, {**seen, **labels, **verdict.told()}


def paired(texts: Iterable[News], rows: Iterable[jsonl.Row]) -> Iterator[tuple[News, jsonl.Row]]:
    """Yield each text with its answer; raises InputError where they are not the same rows in the same order."""
    left, right = iter(texts), iter(rows)
    while True:
        news, row = next(left, None), next(right, None)
        if news is None and row is None:
            return
        if news is None or row is None or row.get("id") != news.id:
            raise InputError("answers.jsonl and corpus.jsonl name different rows; run distill.generate again")
        yield news, row


def refuse_other_prompt(usage: jsonl.Row, path: Path) -> None:
    """Raise InputError where the answers are to another version of the prompt than this one."""
    asked, mine = usage.get("prompt"), prompt.fingerprint()
    if asked != mine:
        raise InputError(
            f"{path}: the answers are to prompt version {asked}, this is version {mine}; run distill.generate again: "
            "the stored answers are kept, and none of them is to this prompt"
        )


@errors.command
def main(argv: Sequence[str] | None = None) -> int:
    """Return 0 where anything was accepted, 1 where nothing was; bad input ends with 2."""
    args = stage.arguments(__doc__ or "", recipes.FOLDER).parse_args(argv)
    runs = stage.run_folder(args.runs, args.recipe)
    recipe = recipes.load(args.recipe)
    inputs = {name: runs / "generate" / f"{name}.jsonl" for name in ("corpus", "answers")}
    inputs["usage"] = runs / "generate" / "usage.json"
    plan = stage.Plan("verify", runs / "verify", "distill.verify", inputs, settings=recipes.part(recipe, _SETTINGS))

    def build(folder: Path) -> tuple[str, dict[str, Any]]:
        refuse_other_prompt(jsonl.read(inputs["usage"]), inputs["usage"])
        rows = (row for _, row in jsonl.read_lines(inputs["answers"]))
        counts, found = Accounts(), findings.Findings()
        judged_rows = verdict_rows(paired(corpus.read(inputs["corpus"]), rows), recipe, counts, found)
        texts = findings.written(folder, judged_rows) + counts.failures.total()
        facts = {**counts.closed(texts), **found.summary()}
        jsonl.write(folder / "accounts.json", facts)
        return f"{facts['accepted']} accepted, {facts['rejected']} rejected, {facts['failed']} failed", facts

    facts = stage.run(plan, build)["facts"]
    if facts["accepted"]:
        return 0
    print(f"no answer was accepted: {facts['reasons'] or 'all requests failed'}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
