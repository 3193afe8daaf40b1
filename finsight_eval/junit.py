"""A gate's checks as JUnit XML, which every CI shows.

<testsuite name="finsight gate nano" tests="7" failures="0" skipped="1"><testcase classname="finsight_simulated"
 name="sentiment_f1: floor 0.75" /></testsuite>
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from finsight_eval.checks import Check, Ruling

if TYPE_CHECKING:
    from collections.abc import Sequence


def junit(name: str, checks: Sequence[Check], inconclusive_blocks: bool) -> str:
    """Return the report: a failure for each regression, and for what is inconclusive where that blocks, else a skip."""
    failing = {Ruling.REGRESSED, Ruling.INCONCLUSIVE} if inconclusive_blocks else {Ruling.REGRESSED}
    failures = sum(check.verdict in failing for check in checks)
    skipped = sum(check.verdict is Ruling.INCONCLUSIVE for check in checks) if not inconclusive_blocks else 0
    counts = {"tests": str(len(checks)), "failures": str(failures), "skipped": str(skipped)}
    suite = ET.Element("testsuite", {"name": f"finsight gate {name}", **counts})
    for check in checks:
        about = {"classname": check.task, "name": f"{check.metric}: {check.rule} {check.bound:g}"}
        case = ET.SubElement(suite, "testcase", about)
        if check.verdict is not Ruling.PASS:
            kind = "failure" if check.verdict in failing else "skipped"
            ET.SubElement(case, kind, {"message": sentence(check)})
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def sentence(check: Check) -> str:
    """Return a check in words."""
    if check.value is None:
        return f"{check.verdict}: no figure ({check.why})"
    interval = f"[{check.low:.3f}, {check.high:.3f}]" if check.low is not None else "no interval"
    return f"{check.verdict}: {check.value:.3f} {interval} over {check.n} items against {check.rule} {check.bound:g}"
