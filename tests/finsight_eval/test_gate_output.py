"""What a gate leaves behind: JUnit that nothing can break, GitHub's job summary, files on bad input, the terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finsight_eval import jsonl, manifest
from finsight_eval.errors import InputError
from finsight_eval.gating import junit
from finsight_eval.gating import output as gate_output
from finsight_eval.gating import screen as gate_screen
from finsight_eval.gating.checks import Check, Ruling

if TYPE_CHECKING:
    from pathlib import Path

CHECK = Check("finsight", "sentiment_f1", "floor", 0.75, 0.853, 0.809, 0.889, 320, Ruling.PASS, 0.06)
HOSTILE = "\x00\x08\x1b[31m]]>&<\"'\ud800\ufffe\uffff\u202e</testcase><script>\n# head|ing @all $(id) `x`"


def suite_of(text: str) -> ET.Element:
    (suite,) = ET.fromstring(text.encode("utf-8"))  # noqa: S314 - the report under test
    return suite


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_no_text_breaks_the_report(text: str) -> None:
    """Control characters, half surrogates and markup are illegal or alive in XML 1.0: the report still parses."""
    missing = replace(CHECK, value=None, low=None, high=None, verdict=Ruling.REGRESSED, why=text)
    for report in (junit.junit(text, [missing], inconclusive_blocks=True), junit.refusal(text, text)):
        suite = suite_of(report)
        assert [child.tag for child in suite] == ["testcase"]
        assert suite.get("tests") == "1"


@pytest.mark.parametrize(
    ("verdict", "blocks", "kind"),
    [
        (Ruling.PASS, True, None),
        (Ruling.REGRESSED, False, "failure"),
        (Ruling.INCONCLUSIVE, True, "failure"),
        (Ruling.INCONCLUSIVE, False, "skipped"),
    ],
)
def test_each_verdict_has_its_element_and_its_count(verdict: Ruling, blocks: bool, kind: str | None) -> None:
    """The message stands in the attribute, which GitHub's readers show, and in the text, which GitLab shows."""
    suite = suite_of(junit.junit("ci", [CHECK, replace(CHECK, verdict=verdict)], blocks))
    case = suite[1]
    assert [child.tag for child in case] == ([kind] if kind else [])
    counts = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")}
    named = {"failure": "failures", "skipped": "skipped"}
    assert counts == {"tests": "2", "failures": "0", "errors": "0", "skipped": "0"} | (
        {named[kind]: "1"} if kind else {}
    )
    for child in case:
        assert (
            child.get("message") == child.text == f"{verdict}: 0.853 [0.809, 0.889] over 320 items against floor 0.75"
        )


def test_bad_input_leaves_all_three_files_and_no_earlier_verdict(tmp_path: Path) -> None:
    """A CI shows an error with the sentence of the terminal; a manifest that vouched for another verdict is gone."""
    jsonl.write(tmp_path / manifest.NAME, {"stage": "gate", "outputs": {}})
    jsonl.write(tmp_path / "gate.json", {"verdict": "pass"})
    gate_output.write_refusal(tmp_path, "ci", InputError(f"out: {HOSTILE}"))
    assert jsonl.read(tmp_path / "gate.json")["verdict"] == "bad input"
    suite = suite_of((tmp_path / "junit.xml").read_text(encoding="utf-8"))
    assert (suite.get("errors"), suite[0][0].tag) == ("1", "error")
    assert "]]>&<" in str(suite[0][0].text)
    page = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert page.startswith("## Gate ci\n\n**bad input**: there is no verdict.\n\n")
    assert not any(mark in page for mark in ("<script>", "\x1b", "\u202e", "\n# head", "`x`"))
    assert not (tmp_path / manifest.NAME).exists()


@pytest.mark.parametrize("theirs", ['{"precious": 1}', '{"stage": "train"}', "no JSON"])
def test_a_manifest_of_somebody_else_is_kept(tmp_path: Path, theirs: str) -> None:
    """Whatever folder --out names: only the verdict's own files are removed from it."""
    for name in (manifest.NAME, "gate.json", "junit.xml", "summary.md"):
        (tmp_path / name).write_text(theirs, encoding="utf-8")
    gate_output.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [manifest.NAME]
    gate_output.write_refusal(tmp_path, "ci", InputError("x"))
    assert (tmp_path / manifest.NAME).read_text(encoding="utf-8") == theirs


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The summary of a running GitHub step."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    return tmp_path / "step.md"


def page_of(folder: Path, text: str) -> Path:
    (folder / "summary.md").write_text(text, encoding="utf-8")
    return folder / "summary.md"


def test_the_summary_of_a_step_is_appended_once(tmp_path: Path, step: Path) -> None:
    """What others wrote stays; the same page is not shown twice in a step, another one is."""
    step.write_text("others\n", encoding="utf-8")
    for text in ("## Gate a\n", "## Gate a\n", "## Gate b\n"):
        gate_output.show_on_github(page_of(tmp_path, text))
    assert step.read_text(encoding="utf-8") == "others\n## Gate a\n## Gate b\n"


def test_a_summary_above_githubs_limit_is_cut_and_says_so(tmp_path: Path, step: Path) -> None:
    """GitHub refuses more than 1 MiB as a whole: whole lines are kept, in bytes and not in characters."""
    step.write_text("x" * 1_000 + "\n", encoding="utf-8")
    gate_output.show_on_github(page_of(tmp_path, "新闻 | pass |\n" * 80_000))
    shown = step.read_bytes()
    assert 1_048_000 < len(shown) <= 1_048_576
    kept, _, note = shown.decode().partition("\n\n(cut here")
    assert kept.endswith("\n新闻 | pass |")
    assert "summary.md" in note
    gate_output.show_on_github(page_of(tmp_path, "## Gate c\n"))
    assert step.stat().st_size <= 1_048_576


@pytest.mark.parametrize("room", [0, 10, 120, 200])
def test_nothing_longer_than_the_room_is_written(room: int) -> None:
    """Where not even the note fits, nothing is written; what fits is left alone."""
    assert len(gate_output.fitting("新闻\n" * 100, room).encode()) <= room
    assert gate_output.fitting("short\n", 200) == "short\n"


def test_a_summary_that_cannot_be_written_does_not_touch_the_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is the runner's: a wrong path is said on stderr and changes no exit code."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "step.md"))
    gate_output.show_on_github(page_of(tmp_path, "## Gate a\n"))
    assert "could not be written" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "colours"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(
    stream: Any, variables: dict[str, str], colours: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No colours in a pipe, with NO_COLOR set to anything, or on a dumb terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert gate_screen.coloured(stream) is colours


def test_the_table_on_the_terminal_lines_up_and_carries_no_control_characters() -> None:
    """Columns start at the same place in every row; only our own colours are escapes."""
    rows = [CHECK, replace(CHECK, metric="risk_accuracy", value=None, why=HOSTILE, verdict=Ruling.INCONCLUSIVE)]
    gate = {"verdict": "inconclusive", "notes": [HOSTILE], "checks": [check.row() for check in rows], "exposures": []}
    plain = gate_screen.verdict_table(gate, colours=False)
    assert plain.isascii()
    assert all(line.isprintable() for line in plain.split("\n"))
    first, second, note, verdict = plain.split("\n")
    assert first.index("finsight/") == second.index("finsight/")
    assert (note[:8], verdict) == ("  note: ", "  verdict: inconclusive")
    assert gate_screen.verdict_table(gate, colours=True).count("\x1b[33m") == 2


def test_what_the_candidate_is_exposed_as_stands_above_the_verdict() -> None:
    """Each grave name once for a task, hostile ones made harmless; a pass is not left to stand alone."""
    found = {"name": "labels at random", "task": "finsight", "sentence": "x", "p": None, "grave": True}
    others = [{**found, "task": ""}, {**found, "grave": False, "name": "invents"}, {**found, "name": HOSTILE}]
    gate = {"verdict": "pass", "notes": [], "checks": [CHECK.row()], "exposures": [found, found, *others]}
    lines = gate_screen.verdict_table(gate, colours=False).split("\n")[1:]
    assert lines[:2] == ["  exposed: labels at random, on finsight", "  exposed: labels at random, in training"]
    assert lines[-1] == "  verdict: pass, but exposed by name"
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert gate_screen.verdict_table({**gate, "verdict": "exposed"}, colours=False).endswith("verdict: exposed")


@pytest.mark.parametrize(("fails", "kind"), [(True, "failure"), (False, "skipped")])
def test_an_exposure_is_a_case_of_its_own(fails: bool, kind: str) -> None:
    """A failure where the policy lets it block, a skip that says why where it is only reported."""
    suite = suite_of(junit.junit("ci", [CHECK], True, [junit.Case("finsight", f"exposed: {HOSTILE}", HOSTILE, fails)]))
    assert (suite.get("tests"), suite.get({"failure": "failures"}.get(kind, kind))) == ("2", "1")
    assert suite.find(f"testcase/{kind}") is not None
