"""The report: the same bytes each time, honest words in every case, hostile replies inert."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import pytest

from finsight_eval import gate, jsonl, manifest, report, score
from finsight_eval.plotting.training import draw_training
from finsight_eval.reporting.data import read_run
from finsight_eval.reporting.sections import page
from tests.finsight_eval.synthetic_run import copied_run, make_run, seal

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
    return copied_run(judged_root, tmp_path / "project", monkeypatch)


@pytest.fixture(scope="module")
def reports(judged_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports folder of the judged run, written once for the tests that only read it."""
    folder = tmp_path_factory.mktemp("reports")
    arguments = ["--recipe", "nano", "--runs", str(judged_root / "runs"), "--reports", str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(judged_root)
        assert report.main(arguments) == 0
    shutil.rmtree(judged_root / "runs" / "nano" / "report")
    return folder


@pytest.fixture
def text(reports: Path) -> str:
    """The page of the judged run."""
    return (reports / "nano.md").read_text(encoding="utf-8")


def pages(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


PICTURES = (
    "intervals",
    "loss",
    "reasons",
    "agreement",
    "cost",
    *(f"{kind}_{task}" for kind in ("confusion", "slices") for task in ("finsight", "finsight_simulated")),
)


def add_dev_curve(run: Path, rows: list[dict[str, object]]) -> None:
    """Give the run a dev curve, as the trainer writes it."""
    jsonl.write_lines(run / "train" / "dev.jsonl", rows)
    seal(run / "train", 101.0, steps=180, loss=0.41)


def test_rendering_twice_gives_the_same_bytes(run: Path, reports: Path) -> None:
    """Page and pictures are a function of the run: drawn anew they are equal to the last byte."""
    once = pages(reports)
    drawn = {f"nano/{name}{theme}.png" for name in PICTURES for theme in ("", "-dark")}
    assert set(once) == {"nano.md", "nano.html", *drawn}
    assert report.main(["--recipe", "nano"]) == 0
    assert pages(run.parents[1] / "reports") == once


def test_a_damaged_page_is_restored_though_the_stage_is_skipped(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """reports/ always shows the run: an edited page and a stale picture do not survive."""
    monkeypatch.setattr(report, "draw", lambda read, folder: [])
    report.main(["--recipe", "nano"])
    reports = run.parents[1] / "reports"
    once = pages(reports)
    (reports / "nano.md").write_text("all is well", encoding="utf-8")
    (reports / "nano").mkdir()
    (reports / "nano" / "old.png").write_bytes(b"")
    report.main(["--recipe", "nano"])
    assert "unchanged, skipped" in capsys.readouterr().out
    assert pages(reports) == once


SECTIONS = [
    "The gate's verdict",
    "At a glance",
    "Warnings",
    "Where it is good and where not",
    "What is taken for what",
    "Replies that could not be read",
    "What agreement with the teacher is worth",
    "Cost and quality",
    "Before and after",
    "The adapter's 5 worst errors",
    "What broke and what was fixed",
    "Training",
    "How to read the figures",
    "How it was made",
]


def test_sections_come_in_the_promised_order(text: str) -> None:
    """Answer, contents, verdict, evidence, the models' words, method; each opens with a sentence on how to read it."""
    text = outside_fences(text)
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    assert text.startswith("# FinSight report: `nano`\n\n**Yes")
    for title in SECTIONS:
        lead = text.partition(f"\n## {title}\n\n")[2].partition("\n")[0]
        assert lead.endswith(".") and not lead.startswith(("|", "#", "<", "-")), title  # noqa: PT018


def test_every_link_of_the_contents_leads_to_a_section(text: str) -> None:
    """The anchors are GitHub's: lower case, hyphens for blanks, no punctuation."""
    line = next(line for line in text.split("\n") if line.startswith("[The gate's verdict]"))
    assert re.findall(r"\[([^\]]+)\]", line) == SECTIONS
    assert re.findall(r"\(#([^)]+)\)", line)[:3] == ["the-gates-verdict", "at-a-glance", "warnings"]
    assert not re.search(r"\(#[^)]*[^a-z0-9)-]", line)


def test_folded_blocks_open_and_close_where_markdown_works(text: str) -> None:
    """Each summary and each end stands alone between blank lines, so that tables inside are tables; none is nested."""
    lines = ["", *outside_fences(text).split("\n")]
    marks = [place for place, line in enumerate(lines) if "details>" in line]
    assert marks
    for place, other in zip(marks[::2], marks[1::2], strict=True):
        assert re.fullmatch(r"<details><summary>[^<>`]+</summary>", lines[place])
        assert lines[other] == "</details>"
        assert {lines[place + 1], lines[other - 1], lines[place - 1], lines[other + 1]} == {""}


def test_every_picture_is_there_for_light_and_for_dark_pages(reports: Path, text: str) -> None:
    """One line per picture, in the form that readers of the page rely on; both files exist and differ."""
    lines = [line for line in text.split("\n") if line.startswith("<picture>")]
    form = (
        r'<picture><source media="\(prefers-color-scheme: dark\)" srcset="nano/(\w+)-dark\.png">'
        r'<img alt="[^"<>]+" src="nano/(\w+)\.png"></picture>'
    )
    found = [match.groups() for line in lines if (match := re.fullmatch(form, line))]
    assert len(found) == len(lines)
    assert sorted(light for _, light in found) == sorted(PICTURES)
    for dark, light in found:
        assert dark == light
        folder = reports / "nano"
        assert (folder / f"{light}.png").read_bytes() != (folder / f"{light}-dark.png").read_bytes()


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


def test_hostile_replies_stay_inert(text: str) -> None:
    """Nothing that a model wrote leaves its block: no tag, no link, no picture, no heading, no hidden character."""
    assert "<script>alert(1)</script>" in text
    visible = outside_fences(text)
    assert "# Verdict" not in visible
    assert not re.search(r"<script|javascript:|~~~|@someone|!\[|\]\((?!#)", visible)
    tags = set(re.findall(r"</?\w+", visible))
    assert tags <= {"<details", "</details", "<summary", "</summary", "<picture", "</picture", "<source", "<img"}
    assert not [c for c in text if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("train", "Training loss by step: n/a (no train/loss.jsonl in the run)"),
        ("train", "training, n/a (trained elsewhere)"),
        ("score/teacher", "| base | adapter | adapter - base, paired |"),
        ("simulate", "n/a (no simulate/gold.jsonl, or no answers to it)"),
        ("eval", "n/a (no showcase.jsonl below eval/base or eval/adapter)"),
        ("eval", "| adapter | 188 | n/a ¹ | n/a ² |"),
        ("generate", "answers to the training texts, n/a (no account)"),
    ],
)
def test_what_is_missing_is_said_to_be_missing(run: Path, text: str, gone: str, said: str) -> None:
    """A part of the run that is not there becomes n/a with a reason, never 0; where it is there, nothing is said."""
    shutil.rmtree(run / gone)
    assert said in page(read_run(run), [])
    assert said not in text


def test_a_reason_is_said_once_below_the_table(text: str) -> None:
    """Cells of figures hold a mark; no table repeats the same long excuse."""
    rows = [line for line in outside_fences(text).split("\n") if line.startswith("| ")]
    assert [row for row in rows if "n/a ¹" in row]
    assert not [row for row in rows if row.count("n/a (") > 1]


def test_the_dev_curve_is_drawn_where_there_is_one(run: Path, text: str, reports: Path, tmp_path: Path) -> None:
    """train/dev.jsonl changes the training picture and the words above it; without it neither speaks of a dev set."""
    assert "dev set" not in text.partition("## Training")[2]
    add_dev_curve(run, [{"step": 60 * i, "n": 80, "json_parse_rate": 0.9, "sentiment_f1": 0.5} for i in (1, 2)])
    read = read_run(run)
    assert "the dev set's macro F1 has none" in page(read, ["loss.png"])
    draw_training(tmp_path / "loss.png", read.losses, read.devs)
    assert (tmp_path / "loss.png").read_bytes() != (reports / "nano" / "loss.png").read_bytes()


def test_a_dev_curve_without_its_size_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A figure without n has no interval: exit code 2 naming file, row, value and what to do."""
    add_dev_curve(run, [{"step": 60, "n": 80, "risk_accuracy": 0.5}, {"step": 120, "n": "many"}])
    assert report.main(["--recipe", "nano"]) == 2
    assert (
        "dev.jsonl: row 2: n is 'many', an integer from 1 on is expected; run the training" in capsys.readouterr().err
    )


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
