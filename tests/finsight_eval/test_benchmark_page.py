"""A page per benchmark: made from manifests and runs, with no text of others and nothing that was not measured."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from finsight_eval import benchmark_page, jsonl, manifest, public, score
from finsight_eval.comparing.benchmark_data import has_gold, known_of, read_baselines, read_runs, sets_at_hand
from finsight_eval.comparing.benchmark_facts import can_show, made
from finsight_eval.comparing.benchmark_standing import disagreements, hardest_items, judges, slice_table
from finsight_eval.errors import InputError
from tests.finsight_eval.synthetic_run import copied_run, make_run

if TYPE_CHECKING:
    from finsight_eval.comparing.benchmark_data import Known

GUIDELINES = """\
# How it is labelled

Every item was written
for this project; see [the rules](../news/GUIDELINES.md).

Benchmark data must not appear in training corpora.
"""
AGREEMENT = "# Agreement\n\nTwo readers.\n\n| items | n |\n| --- | ---: |\n| all | 40 |\n\n## More\n\n| x |\n"
FIGURE = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 40}


@pytest.fixture(scope="module")
def scored_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a scored run, guidelines, agreement and reference figures, made once."""
    root = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        make_run(root, patch, sizes=(40, 60))
        assert score.main(["--recipe", "nano"]) == 0
    (root / "benchmarks" / "news" / "GUIDELINES.md").write_text(GUIDELINES, encoding="utf-8")
    (root / "benchmarks" / "news" / "AGREEMENT.md").write_text(AGREEMENT, encoding="utf-8")
    sealed = manifest.sha256(root / "benchmarks" / "news" / "test.jsonl")
    systems = ("majority", "tfidf", "base", "adapter")
    rows = [{"system": s, "task": "finsight", "n": 40, "metrics": {"sentiment_f1": FIGURE}} for s in systems]
    rows.append({"system": "tfidf", "task": "finsight_fpb", "n": 1212, "metrics": {"sentiment_weighted_f1": FIGURE}})
    about = {"finsight": {"set": "news", "sha256": sealed}}
    jsonl.write(root / "reports" / "baselines.json", {"run": "nano", "benchmarks": about, "rows": rows})
    return root


@pytest.fixture
def run(scored_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the scored run, in the working directory; no public set at hand."""
    monkeypatch.delenv(public.VARIABLE, raising=False)
    return copied_run(scored_root, tmp_path / "project", monkeypatch)


def known(task: str = "finsight") -> Known:
    contenders, _ = read_runs(Path("runs"), [task])
    return known_of(task, contenders, read_baselines(Path("reports/baselines.json")))


def test_a_page_for_every_set_with_links_to_the_others(run: Path) -> None:
    """Our sets that are there and the public sets with figures: each page leads to all others and has its sections."""
    assert benchmark_page.main([]) == 0
    pages = {path.stem: path.read_text(encoding="utf-8") for path in Path("reports/benchmarks").iterdir()}
    assert set(pages) == {"news", "simulated", "fpb"}
    for name, text in pages.items():
        assert set(re.findall(r"\]\((\w+)\.md\)", text)) == set(pages) - {name}
        assert "## What it can show" in text
    assert "## Published figures" in pages["fpb"]
    assert "## Published figures" not in pages["news"]


def test_rendering_twice_gives_the_same_bytes(run: Path) -> None:
    """A page is a function of sets, runs and reference figures."""
    assert benchmark_page.main([]) == 0
    once = {path.name: path.read_bytes() for path in Path("reports/benchmarks").iterdir()}
    shutil.rmtree("reports/benchmarks")
    assert benchmark_page.main([]) == 0
    assert {path.name: path.read_bytes() for path in Path("reports/benchmarks").iterdir()} == once


def test_how_it_was_made_comes_from_guidelines_and_agreement(run: Path) -> None:
    """The guidelines' first paragraph with its links set right, and the first table of the agreement only."""
    text = made("news")
    assert "Every item was written for this project; see [the rules](../../benchmarks/news/GUIDELINES.md)." in text
    assert "canary" not in text
    assert "| all | 40 |" in text
    assert "| x |" not in text
    assert "AGREEMENT.md" not in made("simulated")


def test_models_are_shown_once_and_systems_only_where_no_run_is(run: Path) -> None:
    """The reference figures of a run that is at hand are not repeated; a copy of a run is named, not listed."""
    assert [one.name for one in known().contenders] == ["nano", "nano:base", "nano:teacher"]
    assert [row["system"] for row in known().rows] == ["tfidf"]
    shutil.copytree(run, run.with_name("zwilling"))
    again = known()
    assert [one.name for one in again.contenders] == ["nano", "nano:base", "nano:teacher"]
    assert "zwilling:base: the very replies of nano:base" in again.left_out
    shutil.rmtree("runs")
    assert [row["system"] for row in known().rows] == ["tfidf", "base", "adapter"]


def test_figures_on_another_version_of_the_set_are_left_out(run: Path) -> None:
    """A set that changed after the run and the reference figures: neither is shown, and the page says so."""
    path = Path("benchmarks/news/test.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    jsonl.write_lines(path, [{**row, "sector": "other"} for row in rows])
    sealed = {"set": "news", "files": {"test.jsonl": {"sha256": manifest.sha256(path)}}}
    jsonl.write(path.with_name(manifest.NAME), sealed)
    found = known()
    assert (found.contenders, found.rows) == ([], [])
    assert "nano: scored on another version of the set" in found.left_out
    assert "reports/baselines.json: computed on another version of the set" in found.left_out
    assert benchmark_page.main([]) == 0


def test_a_damaged_run_is_named_and_left_out(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run that cannot be read does not keep the pages from being written."""
    (run / "score" / "base" / "verdicts.jsonl").write_text("{}\n", encoding="utf-8")
    assert benchmark_page.main([]) == 0
    assert "left out: nano, base: runs/nano/score/base/verdicts.jsonl: sha256 is" in capsys.readouterr().out


def test_only_models_that_keep_the_form_judge_the_items(run: Path) -> None:
    """A base that never answers in the form says nothing about which items are hard."""
    assert list(judges(known())) == ["nano", "nano:teacher"]
    assert len(disagreements(judges(known()))) == 1
    assert "Judged by: nano, nano&#58;teacher." in hardest_items(judges(known()))
    assert hardest_items({}).startswith("n/a (no model at hand")
    assert slice_table({}).startswith("n/a (no model at hand")


def test_the_hardest_items_come_first(run: Path) -> None:
    """The listed items are those that the fewest models get right, with the text's beginning for sets of ours."""
    text = hardest_items(judges(known()))
    counts = [int(found) for found in re.findall(r"\| (\d) of 2 \|", text)]
    assert counts == sorted(counts)
    assert len(counts) == 12
    assert "said orders rose" in text


def test_slices_are_listed_hardest_first_with_n_and_interval(run: Path) -> None:
    """Each slice of ten items or more has its mean share right, and the whole set stands above."""
    lines = slice_table(judges(known())).split("\n\n")[0].split("\n")[2:]
    assert lines[0].startswith("| **all** |  | 40 | ")
    shares = [float(re.findall(r"\| ([\d.]+) \[", line)[0]) for line in lines[1:]]
    assert shares == sorted(shares)
    assert all(int(line.split(" | ")[2]) >= 10 for line in lines)


@pytest.mark.parametrize(
    ("clusters", "measured", "said", "unsaid"),
    [
        (320, [], "| 0.100 | 320 | 0.0", "measured"),
        (320, [0.3], "0.300 (measured: between the two models below) | 320 |", "belong to"),
        (320, [0.3, 0.1, 0.2], "0.200 (measured: the median of 3 pairs below) | 320 |", "belong to"),
        (320, [0.0], "0.000 (measured: between the two models below) | 320 | none |", "belong to"),
        (160, [], "The items belong to 160 pairs or texts", "measured"),
    ],
)
def test_what_a_set_can_show_depends_on_the_disagreement(
    clusters: int, measured: list[float], said: str, unsaid: str
) -> None:
    """The smallest detectable difference stands beside the disagreement it holds for; pairs are named."""
    text = can_show(320, clusters, measured)
    assert said in text
    assert unsaid not in text


def test_a_public_set_without_its_file_shows_recorded_figures_only(run: Path) -> None:
    """No download for a page: without the folder there are no items, and with no figures there is no page."""
    assert not has_gold("fpb")
    assert has_gold("news")
    assert sets_at_hand(read_baselines(Path("nowhere.json"))) == ["news", "simulated"]
    assert benchmark_page.main([]) == 0
    text = Path("reports/benchmarks/fpb.md").read_text(encoding="utf-8")
    assert "0.500 [0.400, 0.600] (n 40)" in text
    assert "sentiment, weighted F1" in text
    assert "n/a (no model at hand" in text


def test_a_page_is_not_thinned_where_the_rows_are_not_at_hand(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The committed page of a public set is kept to the byte and named; our own pages, and new ones, are written."""
    pages = Path("reports/benchmarks")
    pages.mkdir(parents=True)
    for name in ("fpb", "news"):
        (pages / f"{name}.md").write_text("rich\n", encoding="utf-8")
    assert benchmark_page.main([]) == 0
    said = capsys.readouterr().out
    assert "kept as they are: fpb; their rows are not at hand" in said
    assert "set FINSIGHT_PUBLIC_DATA to the folder" in said
    assert (pages / "fpb.md").read_text(encoding="utf-8") == "rich\n"
    assert "## What it can show" in (pages / "news.md").read_text(encoding="utf-8")
    (pages / "fpb.md").unlink()
    assert benchmark_page.main([]) == 0
    assert "kept as they are" not in capsys.readouterr().out
    assert "## Published figures" in (pages / "fpb.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content",
    [
        '{"run": null, "benchmarks": {}, "rows": 3}',
        "{}",
        '{"run": null, "benchmarks": {}, "rows": [{"system": "tfidf"}]}',
        '{"benchmarks": {}, "rows": []}',
        '{"run": null, "rows": []}',
    ],
)
def test_another_file_in_place_of_the_reference_figures_is_refused(run: Path, content: str) -> None:
    """The file is what `benchmarks.baselines` writes, or it is named."""
    Path("other.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="no reference figures"):
        read_baselines(Path("other.json"))
