"""What a gate leaves behind: gate.json, junit.xml and summary.md in a folder, and its page on GitHub's job summary.

    {"verdict": "regressed", "policy": "ci", "notes": ["leakage was not checked: ..."], "checks": [...],
     "exposures": [{"name": "labels at random", "task": "finsight", "grave": true, ...}], "flips": ...}
    {"verdict": "bad input", "policy": "ci", "error": "out: 2 samples of ..."}

A gate that cannot judge leaves the same three files, so that the page of a CI says why; no earlier verdict stays.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from finsight_eval import CONTRACT, jsonl, manifest, policy
from finsight_eval.errors import InputError, printable
from finsight_eval.exposing.exposures import not_found
from finsight_eval.gating.exposed import grave
from finsight_eval.gating.flips import flips_page
from finsight_eval.gating.junit import Case, junit, refusal
from finsight_eval.gating.page import exposed_page, refusal_page, summary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finsight_eval.gating.checks import Check, Ruling
    from finsight_eval.gating.contest import Contest
    from finsight_eval.policy import Policy

#: Flips of a kind that the summary shows; gate.json holds all.
SHOWN: Final = 20
BAD_INPUT: Final = "bad input"
JOB_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
#: GitHub refuses a step's summary above 1 MiB as a whole.
LONGEST_SUMMARY: Final = 1_048_576
_CUT: Final = "\n\n(cut here: GitHub shows 1 MiB of a summary; summary.md among the files of this gate holds it all)\n"


def write_gate(out: Path, bounds: Policy, contest: Contest, checks: Sequence[Check]) -> Ruling:
    """Write gate.json, junit.xml and summary.md below `out` and return the overall ruling."""
    if not checks:
        raise InputError(f"policy {bounds.name} asks for nothing that can be checked here; set a floor")
    verdict, rows = contest.ruling(bounds, checks), [check.row() for check in checks]
    exposed, blocking = grave(contest.exposures), bounds.exposures == policy.BLOCK
    against, flipped = contest.against(), contest.flips(bounds)
    about: dict[str, Any] = {
        "verdict": verdict,
        "policy": bounds.name,
        "contract": CONTRACT,
        "inconclusive_blocks": bounds.inconclusive_blocks,
        "exposures_block": blocking,
        "baseline": contest.baseline_path.as_posix() if contest.baseline_path else None,
        "notes": list(contest.notes),
    }
    found = {"checks": rows, "exposures": [one.row() for one in contest.exposures]}
    jsonl.write(out / "gate.json", {**about, **found, "flips": {"against": against, "tasks": flipped}})
    accused = [Case(one.task or "finsight_gate", f"exposed: {one.name}", one.sentence, blocking) for one in exposed]
    jsonl.write_text(out / "junit.xml", junit(bounds.name, checks, bounds.inconclusive_blocks, accused))
    flips_part = f"\n{flips_page(flipped, against, SHOWN)}\n" if against else ""
    said = exposed_page([one.text() for one in exposed], not_found(contest.subject), blocking=blocking)
    jsonl.write_text(out / "summary.md", f"{summary(bounds.name, rows, verdict, contest.notes, said)}{flips_part}")
    return verdict


def clear(out: Path) -> None:
    """Remove what an earlier gate left in `out`, and the manifest that vouched for it; nobody else's manifest."""
    for name in ("gate.json", "junit.xml", "summary.md"):
        (out / name).unlink(missing_ok=True)
    if (out / manifest.NAME).is_file():
        with contextlib.suppress(InputError):  # no JSON: not of our making
            if jsonl.read(out / manifest.NAME).get("stage") == "gate":
                (out / manifest.NAME).unlink()


def write_refusal(out: Path, name: str, error: InputError) -> None:
    """Write the same three files where there is no verdict; a manifest of an earlier one goes first."""
    clear(out)
    name, message = printable(name), printable(str(error), 2_000)
    jsonl.write(out / "gate.json", {"verdict": BAD_INPUT, "policy": name, "contract": CONTRACT, "error": message})
    jsonl.write_text(out / "junit.xml", refusal(name, message))
    jsonl.write_text(out / "summary.md", refusal_page(name, message))


def show_on_github(page: Path) -> None:
    """Append `page` to the summary of the running GitHub step, if there is one and the page is not in it yet."""
    if not (named := os.environ.get(JOB_SUMMARY)):
        return
    target = Path(named)
    try:
        there = target.read_text(encoding="utf-8") if target.is_file() else ""
        text = page.read_text(encoding="utf-8")
        if text in there:  # the loop asks the gate twice in one step
            return
        with target.open("a", encoding="utf-8") as stream:
            stream.write(fitting(text, LONGEST_SUMMARY - len(there.encode())))
    except (OSError, UnicodeDecodeError) as error:  # the verdict stands whether or not it can be shown there
        print(f"the job summary {printable(named)} could not be written: {printable(str(error))}", file=sys.stderr)


def fitting(text: str, room: int) -> str:
    """Return as many whole lines of `text` as fit into `room` bytes, with a note where any are left out."""
    data = text.encode()
    if len(data) <= room:
        return text
    kept = data[: max(0, room - len(_CUT.encode()))].rpartition(b"\n")[0]
    return kept.decode() + _CUT if room > len(_CUT.encode()) else ""
