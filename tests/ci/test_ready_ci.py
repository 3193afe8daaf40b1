"""GitHub's ready-made CI: the YAML is sound, and the very commands of its steps do what they say on recorded replies.

Steps are run as the runner would: their environment comes from the `env` of the step with the inputs put in, outputs go
to GITHUB_OUTPUT, the page to GITHUB_STEP_SUMMARY. The replies are ours, on our own benchmark.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from finsight_eval import benchmark
from finsight_eval.records import Item
from tests.finsight_eval.synthetic_run import STAMP, noisy_reply, sample_row, write_samples

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "finsight-gate" / "action.yml"
WORKFLOWS = [ROOT / ".github" / "workflows" / "ci.yml", ROOT / ".github" / "examples" / "gate.yml"]
EXPRESSION = re.compile(r"\$\{\{\s*(?P<name>[\w.-]+)\s*\}\}")


def loaded(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def steps_of(path: Path) -> list[dict[str, Any]]:
    """Return the steps of a composite action or of all jobs of a workflow."""
    found = loaded(path)
    jobs = found.get("jobs") or {"action": found["runs"]}
    return [step for job in jobs.values() for step in job["steps"]]


def step_named(name: str) -> dict[str, Any]:
    return next(step for step in steps_of(ACTION) if step.get("name") == name)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A team's repository: samples of two models on our benchmark, a policy, and an accepted baseline."""
    home = tmp_path_factory.mktemp("team")
    items = [item for item in benchmark.test_items("news") if isinstance(item, Item)]
    for name, right in (("good one", 0.9), ("bad", 0.4)):
        rng = random.Random(5)
        replies = [noisy_reply(item, rng, right, 1.0) for item in items]
        rows = [sample_row(number, *pair) for number, pair in enumerate(zip(items, replies, strict=True))]
        write_samples(home / name / f"samples_finsight_{STAMP}.jsonl", rows)
    (home / "strict.yaml").write_text(
        "name: strict\ninconclusive_blocks: true\noverlap: not_recorded\nfloors: {finsight/sentiment_f1: 0.93}\n",
        encoding="utf-8",
    )
    shutil.copytree(home / "good one", home / "again")
    noise = [sys.executable, "-m", "finsight_eval.noise", "good one", "again", "--out", "noise.json"]
    subprocess.run(noise, cwd=home, check=True, env=environment(home), capture_output=True)
    gate = [sys.executable, "-m", "finsight_eval.gate"]
    accept = ["accept", "--policy", "ci", "--candidate", "good one", "--baseline", "baseline.json", "--reason", "first"]
    subprocess.run([*gate, *accept], cwd=home, check=True, env=environment(home), capture_output=True)
    return home


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a step: our code as if installed, and `finsight-gate` on the path."""
    bin_folder = home / ".bin"
    bin_folder.mkdir(exist_ok=True)
    for name, words in (("finsight-gate", "-m finsight_eval.gate"), ("python", "")):
        script = bin_folder / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GITHUB_", "FINSIGHT_", "CI"))}
    return {**kept, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


REPORTS = ("gate.json", "junit.xml", "summary.md")


def leave_reports(home: Path) -> None:
    """Put what an earlier gate would have left where the next one writes."""
    shutil.rmtree(home / "finsight-gate", ignore_errors=True)
    (home / "finsight-gate").mkdir()
    for name in REPORTS:
        (home / "finsight-gate" / name).write_text('{"verdict": "pass"}', encoding="utf-8")


def run_action(home: Path, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Run the gate step after an earlier one, with `inputs`; return its exit code, its outputs and the job's page."""
    step = step_named("Gate")
    given = {key: str(found.get("default", "")) for key, found in loaded(ACTION)["inputs"].items()} | inputs
    variables = {key: EXPRESSION.sub(lambda found: given[found["name"].removeprefix("inputs.")], value)
                 for key, value in step["env"].items()}  # fmt: skip
    for name in ("output", "summary"):
        (home / name).write_text("", encoding="utf-8")
    leave_reports(home)
    (home / "step.sh").write_text(step["run"], encoding="utf-8")
    files = {"GITHUB_OUTPUT": str(home / "output"), "GITHUB_STEP_SUMMARY": str(home / "summary")}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(home / "step.sh")],
        cwd=home, env={**environment(home), **variables, **files}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    lines = (home / "output").read_text(encoding="utf-8").splitlines()
    outputs = dict(line.split("=", 1) for line in lines)
    assert len(outputs) == len(lines), lines
    return done.returncode, outputs, (home / "summary").read_text(encoding="utf-8")


CASES = [
    ({"candidate": "good one", "baseline": "baseline.json"}, 0, "pass"),
    ({"candidate": "good one"}, 0, "pass"),
    ({"candidate": "bad", "baseline": "baseline.json"}, 1, "regressed"),
    ({"candidate": "nowhere", "baseline": "baseline.json"}, 2, "bad input"),
    ({"candidate": "", "baseline": ""}, 2, ""),
    ({"candidate": "good one", "policy": "strict.yaml"}, 3, "inconclusive"),
    ({"candidate": "good one", "policy": "none.yaml"}, 2, "bad input"),
    ({"candidate": "good one", "reference": "\nbad\n", "overlap": ""}, 0, "pass"),
    ({"candidate": "good one", "noise": "noise.json"}, 0, "pass"),
    ({"candidate": "good one", "noise": "none.json"}, 2, "bad input"),
    ({"candidate": "--exit-zero", "baseline": "baseline.json"}, 2, "bad input"),
    ({"candidate": '$(touch owned)\n`touch owned`\n";touch owned;"'}, 2, "bad input"),
]


@pytest.mark.parametrize(("inputs", "code", "verdict"), CASES)
def test_the_action_ends_as_the_gate_does(recorded: Path, inputs: dict[str, str], code: int, verdict: str) -> None:
    """Exit code, outputs, page and report agree, and what a caller writes is a path and nothing else."""
    ended, outputs, page = run_action(recorded, **inputs)
    assert (ended, outputs["exit-code"], outputs["verdict"]) == (code, str(code), verdict)
    assert (outputs["out"], outputs["summary"]) == ("finsight-gate", "finsight-gate/summary.md")
    assert [(recorded / "finsight-gate" / name).exists() for name in REPORTS] == [bool(verdict)] * 3
    assert not (recorded / "owned").exists()
    if verdict:
        assert f"**{verdict}**" in page
        (suite,) = ET.parse(recorded / "finsight-gate" / "junit.xml").getroot()  # noqa: S314 - our own file
        assert (suite.get("errors") != "0") == (verdict == "bad input")


def test_an_output_folder_with_a_line_break_sets_no_output_of_its_own(recorded: Path) -> None:
    """GITHUB_OUTPUT is read line by line: a line break in an input must not become a second output."""
    _, outputs, _ = run_action(recorded, candidate="good one", out="here\nverdict=pass")
    assert set(outputs) == {"out", "verdict", "exit-code", "summary"}
    assert outputs["summary"] == "hereverdict=pass/summary.md"


@pytest.mark.parametrize("out", ["here", "he\nre", ""])
def test_the_files_that_are_kept_are_those_that_the_gate_wrote(recorded: Path, out: str) -> None:
    """The artifact takes its paths from the gate's step, so that both name one folder whatever was given."""
    _, outputs, _ = run_action(recorded, candidate="good one", out=out)
    kept = EXPRESSION.sub(
        lambda found: outputs[found["name"].removeprefix("steps.gate.outputs.")],
        step_named("Keep the verdict")["with"]["path"],
    ).split()
    assert [Path(path).name for path in kept] == list(REPORTS)
    assert all((recorded / path).is_file() for path in kept)


def test_the_shell_of_macos_can_run_the_action() -> None:
    """Bash 3.2 is what macOS has: no change of case, no associative arrays, no mapfile."""
    newer = re.compile(r"\$\{!?\w+(\^|,)|\b(declare|local) -[An]|\b(mapfile|readarray)\b|&>>|\|&")
    assert newer.search('variable="FINSIGHT_${name^^}"')
    assert not any(newer.search(step.get("run", "")) for step in steps_of(ACTION))


@pytest.mark.parametrize(("install", "expected"), [("", str(ROOT)), ("finsight-harness==0.1.0; touch owned", None)])
def test_the_action_installs_its_own_version_unless_told_otherwise(
    tmp_path: Path, install: str, expected: str | None
) -> None:
    """By default pip gets the very checkout that the action was taken from; what is asked for stays one argument."""
    (tmp_path / "python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    (tmp_path / "python").chmod(0o755)
    variables = {"FINSIGHT_INSTALL": install, "GITHUB_ACTION_PATH": str(ACTION.parent)}
    variables |= {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step_named("Install the harness")["run"]],
        cwd=tmp_path, env=variables, check=True, capture_output=True, text=True,
    )  # fmt: skip
    *head, last = done.stdout.splitlines()
    assert head == ["-m", "pip", "install", "--quiet"]
    assert (str(Path(last).resolve()) if expected else last) == (expected or install)
    assert (Path(expected or ROOT) / "pyproject.toml").is_file()


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.name)
def test_no_expression_stands_in_a_script(path: Path) -> None:
    """`${{ ... }}` inside `run` would become part of the script: whatever a caller writes goes through `env`."""
    steps = steps_of(path)
    assert all("uses" in step or "run" in step for step in steps)
    for step in steps:
        assert "${{" not in step.get("run", ""), step
    pinned = [step["uses"] for step in steps if "uses" in step and not step["uses"].startswith("./")]
    assert all(re.fullmatch(r"[\w./-]+@(v\d+|REF)", used) for used in pinned), pinned


def test_the_action_is_whole() -> None:
    """Every input is described and used, every output comes from the gate's step, and what was found is always kept."""
    action = loaded(ACTION)
    text = ACTION.read_text(encoding="utf-8")
    for name, about in action["inputs"].items():
        assert about["description"]
        assert f"inputs.{name} }}}}" in text, name
        assert ("default" in about) != about.get("required", False)
    used = set(re.findall(r"inputs\.([\w-]+)", text))
    assert used == set(action["inputs"])
    assert all(found["value"] == f"${{{{ steps.gate.outputs.{name} }}}}" for name, found in action["outputs"].items())
    assert action["runs"]["using"] == "composite"
    assert all(step.get("shell") == "bash" for step in action["runs"]["steps"] if "run" in step)
    assert "always()" in step_named("Keep the verdict")["if"]


def test_every_use_of_the_action_gives_inputs_that_it_has() -> None:
    """Our own workflow and the examples name inputs that exist, and all that is required."""
    inputs = loaded(ACTION)["inputs"]
    uses = [step for path in WORKFLOWS for step in steps_of(path) if "finsight-gate" in step.get("uses", "")]
    assert len(uses) == 4
    for step in uses:
        assert set(step["with"]) <= set(inputs)
        assert {name for name, about in inputs.items() if about.get("required")} <= set(step["with"])


def test_the_recorded_replies_of_the_default_run_pass_again(tmp_path: Path) -> None:
    """Our own recorded tier, from the workflow's own words: no model, and the figures of the day they were recorded."""
    (step,) = [step for step in steps_of(WORKFLOWS[0]) if "finsight-gate" in step.get("uses", "")]
    arguments = [word for key, value in step["with"].items() for word in (f"--{key}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "finsight_eval.gate", *arguments, "--out", str(tmp_path)],
        cwd=ROOT, env=environment(tmp_path), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    values = {f"{check['task']}/{check['metric']}": check["value"] for check in found["checks"][:5]}
    assert values == pytest.approx(RECORDED, abs=1e-12)
    assert not any("leakage" in note for note in found["notes"])


#: The floors' figures in the order of the policy, as the report of that run gave them.
RECORDED = {
    "finsight_simulated/json_parse_rate": 1.0,
    "finsight_simulated/sentiment_f1": 0.8869951259274046,
    "finsight_simulated/risk_accuracy": 0.76875,
    "finsight_simulated/entity_accuracy": 0.928125,
    "finsight/json_parse_rate": 0.978125,
}
