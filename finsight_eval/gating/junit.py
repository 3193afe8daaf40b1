"""A gate's checks as JUnit XML, which every CI shows.

<testsuites><testsuite name="finsight gate nano" tests="7" failures="0" errors="0" skipped="1"><testcase
 classname="finsight_simulated" name="sentiment_f1: floor 0.75" /></testsuite></testsuites>

XML 1.0 has no way to write a control character, not even as a reference: whatever does not show is spelt out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree import ElementTree as ET

from finsight_eval.escape import visible
from finsight_eval.gating.checks import Check, Ruling

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST: Final = 2_000


class Case(NamedTuple):
    """Something else than a check that did not go well."""

    group: str
    name: str
    message: str
    fails: bool


def junit(name: str, checks: Sequence[Check], inconclusive_blocks: bool, others: Sequence[Case] = ()) -> str:
    """Return the report: a failure for each regression, and for what is inconclusive where that blocks, else a skip.

    Each of `others` is a failure or a skip of its own.
    """
    failing = {Ruling.REGRESSED, Ruling.INCONCLUSIVE} if inconclusive_blocks else {Ruling.REGRESSED}
    cases = []
    for check in checks:
        case = _case(check.task, f"{check.metric}: {check.rule} {check.bound:g}")
        if check.verdict is not Ruling.PASS:
            _outcome(case, "failure" if check.verdict in failing else "skipped", sentence(check))
        cases.append(case)
    for other in others:
        cases.append(_case(other.group, other.name))
        _outcome(cases[-1], "failure" if other.fails else "skipped", other.message)
    return _report(name, cases)


def refusal(name: str, message: str) -> str:
    """Return the report of a gate that could not judge: one case with an error that says why."""
    case = _case("finsight_gate", "input")
    _outcome(case, "error", message)
    return _report(name, [case])


def sentence(check: Check) -> str:
    """Return a check in words."""
    if check.value is None:
        return f"{check.verdict}: no figure ({check.why})"
    interval = f"[{check.low:.3f}, {check.high:.3f}]" if check.low is not None else "no interval"
    return f"{check.verdict}: {check.value:.3f} {interval} over {check.n} items against {check.rule} {check.bound:g}"


def _case(group: str, name: str) -> ET.Element:
    return ET.Element("testcase", {"classname": _text(group), "name": _text(name)})


def _outcome(case: ET.Element, kind: str, message: str) -> None:
    """Say it twice: GitHub's readers show the attribute, GitLab shows the text."""
    ET.SubElement(case, kind, {"message": _text(message)}).text = _text(message)


def _report(name: str, cases: Sequence[ET.Element]) -> str:
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {key: str(sum(case.find(kind) is not None for case in cases)) for key, kind in kinds.items()}
    root = ET.Element("testsuites")
    suite = ET.SubElement(
        root, "testsuite", {"name": _text(f"finsight gate {name}"), "tests": str(len(cases)), **counts}
    )
    suite.extend(cases)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _text(text: str) -> str:
    return visible(text[:_LONGEST]) + (" (cut)" if len(text) > _LONGEST else "")
