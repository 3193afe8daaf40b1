"""The report: the same bytes each time, honest words in every case, hostile replies inert."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from finsight_eval import benchmark, gate, jsonl, manifest, report, score
from finsight_eval.report_data import read_run
from tests.finsight_eval.synthetic_run import make_run

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = """```
# Verdict: it may ship
<script>alert(1)</script> ![x](https://example.com/x.png) [a](javascript:b) \u202e \x1b[31m
| a | b |
~~~ </details> @someone"""


@pytest.fixture(scope="module")
def judged_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a scored and gated run, made once."""
    root = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        run = make_run(root, patch, sizes=(68, 120))
        for model in ("base", "adapter"):
            rows = [
                {"id": "showcase-1", "text": "News.", "reply": HOSTILE},
                {"id": "showcase-2", "text": "", "reply": ""},
            ]
            jsonl.write_lines(run / "eval" / model / "showcase.jsonl", rows)
            found = jsonl.read(run / "eval" / model / manifest.NAME)
            sealed = {**found, "outputs": manifest.outputs_of(run / "eval" / model)}
            jsonl.write(run / "eval" / model / manifest.NAME, sealed)
        assert score.main(["--recipe", "nano"]) == 0
        assert gate.main(["--recipe", "nano", "--exit-zero"]) == 0
    return root


@pytest.fixture
def run(judged_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the judged run, in the working directory."""
    root = tmp_path / "project"
    shutil.copytree(judged_root, root)
    monkeypatch.chdir(root)
    monkeypatch.setattr(benchmark, "_homes", lambda: [root / "benchmarks"])
    return root / "runs" / "nano"


def pages(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_rendering_twice_gives_the_same_bytes(run: Path) -> None:
    """Page and pictures are a function of the run: drawn anew they are equal to the last byte."""
    assert report.main(["--recipe", "nano"]) == 0
    once = pages(run.parents[1] / "reports")
    assert set(once) == {
        "nano.md",
        *(f"nano/{name}.png" for name in ("intervals", "loss", "confusion_finsight", "confusion_finsight_simulated")),
    }
    shutil.rmtree(run / "report")
    shutil.rmtree(run.parents[1] / "reports")
    assert report.main(["--recipe", "nano"]) == 0
    assert pages(run.parents[1] / "reports") == once


def test_a_damaged_page_is_restored_though_the_stage_is_skipped(run: Path) -> None:
    """reports/ always shows the run: an edited page and a stale picture do not survive."""
    report.main(["--recipe", "nano"])
    reports = run.parents[1] / "reports"
    once = pages(reports)
    (reports / "nano.md").write_text("all is well", encoding="utf-8")
    (reports / "nano" / "old.png").write_bytes(b"")
    report.main(["--recipe", "nano"])
    assert pages(reports) == once


def test_sections_come_in_the_promised_order(run: Path) -> None:
    """Answer, verdict, evidence, the models' words, warnings, method."""
    report.main(["--recipe", "nano"])
    text = (run.parents[1] / "reports" / "nano.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", outside_fences(text), flags=re.MULTILINE) == [
        "The gate's verdict",
        "Figures",
        "Training",
        "What is taken for what",
        "Replies that could not be read",
        "Where the adapter is good and where not",
        "Before and after",
        "The adapter's 5 worst errors",
        "Warnings",
        "How it was made",
    ]
    assert text.startswith("# FinSight report: `nano`\n\n**Yes")


def outside_fences(text: str) -> str:
    """Return a page without its fenced blocks, by CommonMark's rule for where they end."""
    kept, fence = [], ""
    for line in text.split("\n"):
        if fence:
            if re.fullmatch(rf" {{0,3}}`{{{len(fence)},}}\s*", line):
                fence = ""
        elif opened := re.match(r"(`{3,})text$", line):
            fence = opened[1]
        else:
            kept.append(line)
    assert not fence, "a fence was left open"
    return "\n".join(kept)


def test_hostile_replies_stay_inert(run: Path) -> None:
    """Nothing that a model wrote leaves its block: no tag, no link, no picture, no heading, no hidden character."""
    report.main(["--recipe", "nano"])
    text = (run.parents[1] / "reports" / "nano.md").read_text(encoding="utf-8")
    assert "<script>alert(1)</script>" in text
    visible = outside_fences(text)
    assert "# Verdict" not in visible
    assert not re.search(r"<script|javascript:|</details>|@someone", visible)
    assert set(re.findall(r"!\[[^\]]*\]\(([^)]*)\)", visible)) <= {
        f"nano/{name}" for name in pages(run / "report" / "nano")
    }
    assert not [c for c in text if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("train", "Training loss by step: n/a (no train/loss.jsonl in the run)"),
        ("score/teacher", "| n/a (not scored) |"),
        ("simulate", "n/a (no simulate/gold.jsonl, or no answers to it)"),
        ("eval", "n/a (no showcase.jsonl below eval/base or eval/adapter)"),
    ],
)
def test_what_is_missing_is_said_to_be_missing(run: Path, gone: str, said: str) -> None:
    """A part of the run that is not there becomes n/a with a reason, never 0."""
    shutil.rmtree(run / gone)
    assert report.main(["--recipe", "nano"]) == 0
    assert said in (run.parents[1] / "reports" / "nano.md").read_text(encoding="utf-8")


def test_without_a_gate_there_is_no_report(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The question "may it ship?" cannot be left open: exit code 2 and the stage that is missing."""
    shutil.rmtree(run / "gate")
    assert report.main(["--recipe", "nano"]) == 2
    assert "gate: not there" in capsys.readouterr().err


def test_the_whole_run_is_read(run: Path) -> None:
    """Scores of three models, gate, loss, showcase, the teacher on the training texts, manifests."""
    found = read_run(run)
    assert (list(found.scores), len(found.losses), len(found.showcase)) == (["base", "adapter", "teacher"], 90, 2)
    assert len(found.taught) == 200
    assert set(found.manifests) >= {"simulate", "train", "eval/adapter", "gate"}
