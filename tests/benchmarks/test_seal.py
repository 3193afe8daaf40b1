"""Sealing: the manifest fixes what was checked, and the check refuses a set that no longer fits it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import check, seal, sets
from finsight_eval import jsonl


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    """A copy of the shipped news set in a folder of its own."""
    folder = tmp_path / "news"
    folder.mkdir()
    for path in (sets.ROOT / "news").iterdir():
        if path.is_file() and path.name != sets.TEACHER:
            (folder / path.name).write_bytes(path.read_bytes())
    assert seal.main([str(folder), "--version", "9.0", "--change", "Without the teacher."]) == 0
    return folder


def test_the_shipped_news_set_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    """benchmarks/news passes the check, manifest included, and its counts are shown."""
    assert check.main(["news"]) == 0
    shown = capsys.readouterr().out
    assert "test/en 208, test/zh 112" in shown
    assert "news: nothing wrong" in shown


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("name", "other", "name is 'other' there, 'news' was found"),
        ("contract", 99, "contract is 99 there, 1 was found"),
        ("canary", "gone", "canary is 'gone' there"),
        ("version", "9", "version is '9', which is not that of the last entry"),
        ("changes", [], "which is not that of the last entry"),
        ("counts", {}, "counts rows is None there"),
        ("files", {"test.jsonl": {}}, "files dev.jsonl is None there"),
        ("extra", 1, "its keys are"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(sealed: Path, key: str, value: Any, said: str) -> None:
    """Each value of the manifest is compared with the files, and the differing one is named with both readings."""
    manifest = jsonl.read(sealed / "manifest.json")
    jsonl.write(sealed / "manifest.json", manifest | {key: value})
    (found,) = check.manifest_problems(sealed)
    assert said in found


def test_an_edited_file_is_refused(sealed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A label changed after sealing fails the check with exit code 2, naming the file by its hash."""
    path = sealed / "test.jsonl"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"risk_level": "Low"', '"risk_level": "Medium"', 1), encoding="utf-8")
    assert check.main([str(sealed)]) == 2
    shown = capsys.readouterr().err
    assert "files test.jsonl sha256 is" in shown
    low = jsonl.read(sealed / "manifest.json")["counts"]["risk_level"]["Low"]
    assert f"counts risk_level Low is {low} there, {low - 1} was found" in shown


@pytest.mark.parametrize("lost", ["test.jsonl", "dev.jsonl", "GUIDELINES.md", "manifest.json"])
def test_a_missing_file_is_refused(sealed: Path, lost: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A set without one of its files fails the check, and the file is named."""
    (sealed / lost).unlink()
    assert check.main([str(sealed)]) == 2
    assert str(sealed / lost) in capsys.readouterr().err


def test_sealing_writes_a_manifest_that_the_check_accepts(sealed: Path) -> None:
    """A new version keeps the history, adds its entry, and passes."""
    old = jsonl.read(sealed / "manifest.json")
    assert seal.main([str(sealed), "--version", "9.1", "--change", "Nothing."]) == 0
    new = jsonl.read(sealed / "manifest.json")
    assert (new["version"], new["changes"][:-1], new["files"]) == ("9.1", old["changes"], old["files"])
    assert new["changes"][-1]["change"] == "Nothing."
    assert list(check.manifest_problems(sealed)) == []


@pytest.mark.parametrize(
    ("version", "damage", "said"),
    [
        ("0.1", "", "--version 0.1: sealed already on"),
        ("next", "", "--version 'next': numbers with dots are expected"),
        ("9.1", "{", "not valid JSON"),
    ],
)
def test_sealing_refuses(
    sealed: Path, version: str, damage: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A version used before, a malformed one, and a set with problems are refused; the manifest stays as it was."""
    before = (sealed / "manifest.json").read_bytes()
    with (sealed / "test.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(damage)
    assert seal.main([str(sealed), "--version", version, "--change", "A word."]) == 2
    assert said in capsys.readouterr().err
    assert (sealed / "manifest.json").read_bytes() == before


def teacher_rows(folder: Path) -> list[dict[str, Any]]:
    return [{"id": one.item.id, "reply": "..."} for one in sets.read_set(folder)[0]]


def test_the_teachers_answers_are_sealed(sealed: Path) -> None:
    """Answers to every item pass, are listed in the manifest, and fail the check once they are changed."""
    jsonl.write_lines(sealed / sets.TEACHER, teacher_rows(sealed))
    assert seal.main([str(sealed), "--version", "9.1", "--change", "Teacher."]) == 0
    assert jsonl.read(sealed / "manifest.json")["files"][sets.TEACHER]["rows"] == 400
    assert check.main([str(sealed)]) == 0
    jsonl.write_lines(sealed / sets.TEACHER, [row | {"reply": "!"} for row in teacher_rows(sealed)])
    assert check.main([str(sealed)]) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:], "has no answer to news-en-005"),
        (lambda rows: [*rows, rows[0]], "answers news-en-005 2 times"),
        (lambda rows: [*rows, {"id": "news-en-999"}], "answers 'news-en-999', which is no item"),
    ],
)
def test_answers_to_other_items_are_refused(sealed: Path, change: Callable[[Any], Any], said: str) -> None:
    """A teacher file with an answer too few, too many or to a strange item is named with the id."""
    jsonl.write_lines(sealed / sets.TEACHER, change(teacher_rows(sealed)))
    (found,) = check.content_problems([sealed])
    assert said in found
