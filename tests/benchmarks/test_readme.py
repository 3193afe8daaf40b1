"""The README's tables are what the commands compute, and the simple systems are what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import baselines, sets
from benchmarks.baselines_page import page, readme_table
from benchmarks.counts import counts_of
from benchmarks.readme_table import BASELINES, SPREAD, renewed, spread_table
from benchmarks.simple_systems import Majority, TfIdf
from finsight_eval import benchmark, jsonl
from finsight_eval.clusters import cluster_of
from finsight_eval.errors import InputError
from finsight_eval.figures import figure
from finsight_eval.gold import TASKS, gold_of, is_public
from finsight_eval.records import Item, PublicItem
from tests.finsight_eval.synthetic_run import gold_reply, sample_row, write_samples

ROOT = Path(__file__).parents[2]


def test_the_readmes_spread_is_todays() -> None:
    """`python -m benchmarks.check --readme` would change nothing."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    spread = {folder.name: counts_of(sets.read_set(folder)[0]) for folder in sets.folders([], ROOT / "benchmarks")}
    assert renewed(readme, SPREAD, spread_table(spread)) == readme


def test_the_readmes_task_table_counts_what_the_tasks_ask() -> None:
    """Every task of ours has a row, whose count is that of the items which it hands to a model: those of `test`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(finsight\w*)` \| (\d+) \| (.*) \|$", readme, flags=re.MULTILINE)
    own = {task: len(gold_of(task).items) for task in TASKS if not is_public(task)}
    assert {task: int(items) for task, items, _ in rows} == own
    pairs = {cluster_of(item) for item in gold_of("finsight_counterfactual").items}
    (said,) = [words for task, _, words in rows if task == "finsight_counterfactual"]
    assert said.startswith(f"{len(pairs)} minimal pairs")


def test_the_readmes_figures_are_those_of_the_committed_file() -> None:
    """README and page are made from reports/baselines.json, whose benchmarks are those of today."""
    made = jsonl.read(ROOT / "reports" / "baselines.json")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert renewed(readme, BASELINES, readme_table(made["rows"])) == readme
    assert (ROOT / "reports" / "baselines.md").read_text(encoding="utf-8") == page(made["rows"])
    for task, about in made["benchmarks"].items():
        sealed = jsonl.read(benchmark.folder(about["set"]) / "manifest.json")["files"]["test.jsonl"]["sha256"]
        assert about["sha256"] == sealed, f"{task}: run the loop and `python -m benchmarks.baselines` again"


def test_a_readme_without_the_marks_is_refused() -> None:
    """The place is not guessed, and nothing else of the README is touched."""
    with pytest.raises(InputError, match="no <!-- spread: begin -->"):
        renewed("# README\n", SPREAD, "x")
    marked = "a\n<!-- spread: begin (how) -->\nold\n<!-- spread: end -->\nb\n"
    assert renewed(marked, SPREAD, "new") == "a\n<!-- spread: begin (how) -->\n\nnew\n\n<!-- spread: end -->\nb\n"


def test_the_majority_is_that_of_the_set() -> None:
    """One label for all: its accuracy is that label's share, on sets with and without risk levels."""
    items = benchmark.test_items("news")
    verdicts = Majority().verdicts(items)
    assert len({v.reply for v in verdicts}) == 1
    share = max([item.sentiment for item in items].count(label) for label in ("Positive", "Neutral", "Negative"))
    assert figure("sentiment_accuracy", verdicts).value == pytest.approx(share / len(items))
    public = [
        PublicItem(str(n), "en", "text", None, label) for n, label in enumerate(["Neutral", "Neutral", "Positive"])
    ]
    assert figure("sentiment_accuracy", Majority().verdicts(public)).value == pytest.approx(2 / 3)


def test_the_classifier_learns_from_the_simulator_alone(tmp_path: Path) -> None:
    """It reads corpus and gold of a run, and gives both labels to texts it has not seen."""
    rows = [("Profit rose sharply", "Positive", "Low"), ("The plant burnt down", "Negative", "High")] * 4
    texts = [{"id": str(n), "lang": "en", "text": f"{text} in week {n}."} for n, (text, *_) in enumerate(rows)]
    gold = [{"id": str(n), "sentiment": s, "risk_level": r} for n, (_, s, r) in enumerate(rows)]
    jsonl.write_lines(tmp_path / "corpus.jsonl", texts)
    jsonl.write_lines(tmp_path / "gold.jsonl", gold)
    items = [
        PublicItem("a", "en", "Profit rose again.", None, "Positive"),
        PublicItem("b", "en", "A plant burnt.", None, "Negative"),
    ]
    verdicts = TfIdf.trained(tmp_path).verdicts(items)
    assert figure("sentiment_accuracy", verdicts).value == 1.0


def test_baselines_without_a_run_say_what_makes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No figures are invented and no file is touched."""
    before = (ROOT / "README.md").read_bytes()
    assert baselines.main(["--runs", str(tmp_path)]) == 2
    assert "score/teacher: not there; `tox run -e loop` makes it" in capsys.readouterr().err
    assert (ROOT / "README.md").read_bytes() == before


def test_samples_of_a_part_of_a_set_are_no_baseline(tmp_path: Path) -> None:
    """A limited evaluation is refused by file and both counts; a whole one is taken, beside the run's own."""
    items = [item for item in benchmark.test_items("adversarial") if isinstance(item, Item)]
    rows = [sample_row(number, item, gold_reply(item)) for number, item in enumerate(items)]
    path = tmp_path / "more" / "base" / "samples_finsight_adversarial_2026-11-22T00-00-00.jsonl"
    write_samples(path, rows)
    held = baselines.more_verdicts(tmp_path, "base")
    made = baselines.row("base", "finsight_adversarial", held["finsight_adversarial"], baselines.METRICS["own"])
    assert (made["n"], made["metrics"]["sentiment_f1"]["value"]) == (48, 1.0)
    write_samples(path, rows[:40])
    with pytest.raises(InputError, match="40 of 48 items; evaluate without --limit"):
        baselines.more_verdicts(tmp_path, "base")
