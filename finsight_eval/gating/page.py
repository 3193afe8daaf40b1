"""A gate's verdict as Markdown: the job summary, and the table that the report opens with.

| task | metric | asked | found (95 % interval) | n | smallest difference it can show | ... | verdict |
| `finsight_simulated` | `sentiment_f1` | floor >= 0.75 | 0.900 [0.863, 0.931] | 320 | 0.062 | ... | pass |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from finsight_eval.escape import inline, table
from finsight_eval.reporting.numbers import p_words

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Characters of a sentence on the page.
_LONGEST: Final = 2_000
_BLOCKED: Final = "Exposed by name (the policy does not let this ship):"
_REPORTED: Final = "Exposed by name (the policy only reports this: the figures decide the verdict):"
_MEANING: Final = {
    "pass": "**pass**: every bound is met with the whole 95 % interval on the right side.",
    "regressed": "**regressed**: at least one figure is below its bound, or below the accepted baseline and not within "
    "the margin, with the whole 95 % interval, also after Holm's correction for the number of checks.",
    "exposed": "**exposed**: no check has regressed, but the answers give the candidate away by name, and the policy "
    "does not let such a model ship.",
    "inconclusive": "**inconclusive**: at least one bound is neither met nor missed beyond chance; this set is too "
    "small to decide.",
}


def summary(name: str, checks: Sequence[dict[str, Any]], verdict: str, notes: Sequence[str], exposed: str) -> str:
    """Return the job summary of a gate: its verdict in words, what it does not cover, and the table of its checks.

    `exposed` is what `exposed_page` says.
    """
    but = " **But it is exposed by name**, which this policy only reports." if exposed.startswith(_REPORTED) else ""
    uncovered = "".join(f"> **Note:** {inline(note, _LONGEST)}.\n\n" for note in notes)
    return f"## Gate {inline(name)}\n\n{_MEANING[verdict]}{but}\n\n{exposed}\n\n{uncovered}{checks_table(checks)}\n"


def exposed_page(texts: Sequence[str], clean: str, *, blocking: bool) -> str:
    """Return what the candidate is exposed as, each a paragraph, and what was looked for and not found."""
    if not texts:
        return clean
    return "\n".join([_BLOCKED if blocking else _REPORTED, "", *(f"- {text}" for text in texts), f"\n{clean}"])


def refusal_page(name: str, message: str) -> str:
    """Return the job summary of a gate that could not judge."""
    return f"## Gate {inline(name)}\n\n**bad input**: there is no verdict.\n\n{inline(message, _LONGEST)}\n"


def checks_table(checks: Sequence[dict[str, Any]]) -> str:
    """Return the table of gate.json's checks."""
    head = (
        "task",
        "metric",
        "asked",
        "found (95 % interval)",
        "n",
        "smallest difference it can show",
        "n that would decide",
        "verdict",
    )
    return table(head, [_cells(check) for check in checks])


def _cells(check: dict[str, Any]) -> tuple[str, ...]:
    above = ">=" if check["rule"] == "floor" else ">"
    asked = f"{inline(check['rule'])} {above} {check['bound']:g}"
    if check["value"] is None:
        found = f"n/a ({inline(check['why'])})"
    else:
        signed = "" if check["rule"] == "floor" else "+"
        ends = (
            f"[{check['low']:{signed}.3f}, {check['high']:{signed}.3f}]" if check["low"] is not None else "no interval"
        )
        found = f"{check['value']:{signed}.3f} {ends}"
        found += f", {p_words(check['p'])}" if check["p"] is not None else ""
    detectable = f"{check['detectable']:.3f}" if check["detectable"] is not None else "n/a"
    needed = f"{check['n_to_decide']:,}" if check["n_to_decide"] is not None else ""
    return (
        f"`{check['task']}`",
        f"`{check['metric']}`",
        asked,
        found,
        str(check["n"]),
        detectable,
        needed,
        check["verdict"],
    )
