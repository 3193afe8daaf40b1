"""distill.simulate: a corpus without labels, its gold beside it, and benchmark rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from distill import simulate
from finsight_eval import jsonl, manifest
from finsight_eval.records import read_items, read_news

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
RECIPE = ROOT / "distill" / "recipes" / "nano.yaml"


def _recipe(folder: Path, **changes: object) -> str:
    """Return the path of the nano recipe with some lines changed."""
    lines = []
    for line in RECIPE.read_text(encoding="utf-8").splitlines():
        key = line.partition(":")[0]
        lines.append(f"{key}: {changes[key]}" if key in changes else line)
    path = folder / "small.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def _run(folder: Path, arguments: Sequence[str] = (), **changes: object) -> int:
    return simulate.main(["--recipe", _recipe(folder, **changes), "--runs", str(folder / "runs"), *arguments])


def test_the_corpus_holds_no_label_and_the_gold_no_text(tmp_path: Path) -> None:
    """A teacher reads id, language and text; the labels stand in another file, row by row under the same ids."""
    assert _run(tmp_path, corpus_rows=60) == 0
    made = tmp_path / "runs" / "small" / "simulate"
    news = read_news(made / "corpus.jsonl")
    gold = [row for _, row in jsonl.read_lines(made / "gold.jsonl")]
    assert len(news) == 60
    assert [item.id for item in news] == [row["id"] for row in gold]
    assert all(row["entity"] in item.text for item, row in zip(news, gold, strict=True))
    assert not any("text" in row for row in gold)
    assert {item.id[:13] for item in news} == {"sim-train-en-", "sim-train-zh-"}


def test_the_manifest_tells_the_mix(tmp_path: Path) -> None:
    """The shares of languages, labels and tiers are facts of the stage, each adding up to one."""
    assert _run(tmp_path, corpus_rows=60) == 0
    facts = jsonl.read(tmp_path / "runs" / "small" / "simulate" / manifest.NAME)["facts"]
    assert facts["texts"] == 60
    for key in ("lang", "sentiment", "risk_level", "tier"):
        assert sum(facts[key].values()) == pytest.approx(1, abs=0.02)


def test_an_unchanged_corpus_is_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second run says that it was skipped; another seed makes it again."""
    assert _run(tmp_path, corpus_rows=20) == 0
    assert _run(tmp_path, corpus_rows=20) == 0
    assert "unchanged, skipped" in capsys.readouterr().out
    assert _run(tmp_path, corpus_rows=20, seed=8) == 0
    assert "20 news texts" in capsys.readouterr().out


@pytest.mark.parametrize(("split", "rows"), [("dev", 40), ("test", 60)])
def test_benchmark_rows_are_benchmark_rows(tmp_path: Path, split: str, rows: int) -> None:
    """--split writes rows in the benchmark's own format, same bytes each time, with ids counted per language."""
    out = tmp_path / f"{split}.jsonl"
    arguments = ["--split", split, "--rows", str(rows), "--out", str(out)]
    assert _run(tmp_path, arguments) == 0
    first = out.read_bytes()
    items = read_items(out)
    assert len(items) == rows
    assert items[0].id == f"sim-{split}-en-0001"
    assert [item.row() for item in items] == [json.loads(line) for line in first.splitlines()]
    assert list(json.loads(first.splitlines()[0])) == list(items[0].row())
    assert _run(tmp_path, arguments) == 0
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "changes", "says"),
    [
        (["--rows", "10"], {}, "--split, --rows"),
        (["--split", "dev", "--rows", "0", "--out", "x.jsonl"], {}, "at least 1"),
        (["--split", "dev", "--rows", "5"], {}, "--out"),
        ([], {"corpus_rows": 0}, "corpus_rows is 0"),
        ([], {"zh_share": 1.5}, "zh_share is 1.5"),
        ([], {"corpus_rows": "many"}, "corpus_rows is 'many'"),
    ],
)
def test_wrong_input_ends_with_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    changes: dict[str, object],
    says: str,
) -> None:
    """A wrong flag or recipe value is exit code 2, one line, and nothing is written."""
    assert _run(tmp_path, arguments, **changes) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
