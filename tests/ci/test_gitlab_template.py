"""The ready-made CI of GitLab: the template's script ends as the gate does, and its examples are whole.

The same repository and the same cases as for the action, run as GitLab does: all lines of the script in one shell.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from tests.ci.test_ready_ci import CASES, REPORTS, ROOT, environment, leave_reports, loaded, recorded, run_action

__all__ = ["recorded"]  # the fixture

GITLAB = ROOT / ".gitlab" / "finsight-gate.yml"


def run_gitlab(home: Path, **variables: str) -> int:
    """Run the template's script with `variables`, as GitLab does: all lines in one shell."""
    job = loaded(GITLAB)[".finsight-gate"]
    leave_reports(home)
    script = "\n".join(["set -eo pipefail", *job["script"]])
    given = {**job["variables"], **variables}
    shell = ["bash", "-c", script]
    return subprocess.run(
        shell, cwd=home, env={**environment(home), **given}, check=False, capture_output=True
    ).returncode


@pytest.mark.parametrize(("inputs", "code", "verdict"), [case for case in CASES if case[2]])
def test_the_gitlab_template_ends_as_the_gate_does(
    recorded: Path, inputs: dict[str, str], code: int, verdict: str
) -> None:
    """The same cases through the other template; the report that GitLab shows lies where the template says."""
    assert run_gitlab(recorded, **{f"FINSIGHT_{key.upper()}": value for key, value in inputs.items()}) == code
    job = loaded(GITLAB)[".finsight-gate"]
    suite = ET.parse(recorded / job["artifacts"]["reports"]["junit"]).getroot()  # noqa: S314 - our own file
    assert suite.find("testsuite") is not None
    assert json.loads((recorded / "finsight-gate/gate.json").read_text(encoding="utf-8"))["verdict"] == verdict
    assert not (recorded / "owned").exists()


@pytest.mark.parametrize(("noise", "noted"), [("", True), ("noise.json", False)])
def test_both_templates_pass_the_noise_record_on(recorded: Path, noise: str, noted: bool) -> None:
    """A gate that was given a noise record has nothing to say about the lack of one."""
    run_action(recorded, candidate="good one", noise=noise)
    here = json.loads((recorded / "finsight-gate/gate.json").read_text(encoding="utf-8"))
    run_gitlab(recorded, FINSIGHT_CANDIDATE="good one", FINSIGHT_NOISE=noise)
    there = json.loads((recorded / "finsight-gate/gate.json").read_text(encoding="utf-8"))
    assert [any("noise" in note for note in found["notes"]) for found in (here, there)] == [noted, noted]


def test_a_verdict_of_an_earlier_stage_is_not_shown_again(recorded: Path) -> None:
    """A gate that cannot even read its arguments leaves no report, whatever an earlier stage left."""
    assert run_gitlab(recorded, FINSIGHT_CANDIDATE="") == 2
    assert not any((recorded / "finsight-gate" / name).exists() for name in REPORTS)


def test_the_examples_of_the_gitlab_template_are_whole() -> None:
    """Each example in the comments, copied as it stands, says what to install, whom to judge and all that it reads."""
    text = GITLAB.read_text(encoding="utf-8")
    head = "".join(line[1:] for line in text.splitlines(keepends=True) if line.startswith("#"))
    examples = re.findall(r"^   gate:\n(?:    .*\n)+", head, re.MULTILINE)
    assert len(examples) == 2
    known = loaded(GITLAB)[".finsight-gate"]["variables"]
    for example in examples:
        given = yaml.safe_load(example.replace("!reference", ""))["gate"]["variables"]
        assert {"FINSIGHT_INSTALL", "FINSIGHT_CANDIDATE"} <= set(given)
        assert set(re.findall(r"\$(\w+)", example)) <= set(given)
        assert {name for name in given if name.startswith("FINSIGHT_")} <= set(known)


def test_the_gitlab_template_says_what_is_missing(tmp_path: Path) -> None:
    """Without a word on what to install the job ends before it starts, with a sentence."""
    (line,) = loaded(GITLAB)[".finsight-gate"]["before_script"]
    done = subprocess.run(
        ["sh", "-c", line], env={"PATH": "/usr/bin:/bin", "FINSIGHT_INSTALL": ""}, check=False, capture_output=True
    )
    assert (done.returncode != 0, b"say in this variable" in done.stderr) == (True, True)
