"""Files: strict reading that names file and line, writing that never leaves half a file, rows and recipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from finsight_eval import jsonl, recipe
from finsight_eval.errors import InputError, command, nearest, printable
from finsight_eval.records import read_items, read_news

ROW = {
    "id": "news-en-001", "lang": "en", "text": "NVIDIA won an order.", "entity": "NVIDIA", "aliases": ["NVDA"],
    "sentiment": "Positive", "risk_level": "Low", "sector": "semiconductors", "event": "contract_win", "order": 1,
    "features": [],
}  # fmt: skip


def test_rows_are_written_and_read_back(tmp_path: Path) -> None:
    """What was written is read back, and equal rows give equal bytes."""
    rows: list[jsonl.Row] = [{"id": "a", "text": "汉字 \u2028 and \x07"}, {"id": "b", "n": 1.5}]
    jsonl.write_lines(tmp_path / "a.jsonl", rows)
    jsonl.write_lines(tmp_path / "b.jsonl", rows)
    assert [row for _, row in jsonl.read_lines(tmp_path / "a.jsonl")] == rows
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1}\n{"a": \n', r"rows\.jsonl:2: not valid JSON"),
        (b'{"a": 1, "a": 2}\n', r"rows\.jsonl:1: .*key 'a' stands twice"),
        (b'{"a": NaN}\n', r"rows\.jsonl:1: .*NaN is not JSON"),
        (b"[1]\n", r"rows\.jsonl:1: a JSON object is expected"),
        (b'{"a": "\xff"}\n', r"rows\.jsonl: not UTF-8 at byte 7"),
        (b'{"a": 1e999}\n', r"rows\.jsonl:1: .*1e999 is more than a number holds"),
        (b'{"a": ' + b"9" * 400 + b"}\n", r"rows\.jsonl:1: .*has 400 digits"),
        (b'{"a": "\\uD800"}\n', r"rows\.jsonl:1: .*half a surrogate pair"),
        (b"[" * 100_000, r"rows\.jsonl:1: not valid JSON \(nested too deeply\)"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    """A corrupt line stops the reading with file, line and what was found."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(jsonl.read_lines(path))


def test_a_whole_surrogate_pair_is_text() -> None:
    """Beside half a pair: an escaped emoji, and a backslash before the letter u."""
    assert jsonl.loads(r'["\ud83d\ude00", "\\ud800"]') == ["\U0001f600", "\\ud800"]


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        ('{"a": {"limit": NaN}}', "a.limit is nan"),
        ('{"a": [1, -Infinity]}', r"a\[1\] is -inf"),
        ('{"model": "x\\ud800"}', "model is 'x.*half a surrogate pair"),
        ('{"a": 1e999}', "a is inf"),
    ],
)
def test_nothing_foreign_is_written_that_cannot_be_read_again(tmp_path: Path, foreign: str, said: str) -> None:
    """lm-eval's NaN passes when it is read; where it would be written, one line names it, and no file is left."""
    row = jsonl.loads_foreign(foreign)
    with pytest.raises(InputError, match=said):
        jsonl.write(tmp_path / "a.json", row)
    with pytest.raises(InputError, match=said):
        jsonl.write_lines(tmp_path / "a.jsonl", [{"whole": 1}, row])
    assert not list(tmp_path.iterdir())


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    """No traceback for a path that is not there."""
    with pytest.raises(InputError, match="no such file; check the path"):
        list(jsonl.read_lines(tmp_path / "none.jsonl"))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the middle of writing leaves what was there before, and no partial file."""
    path = tmp_path / "a.json"
    jsonl.write(path, {"old": True})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        jsonl.write(path, {"new": True})
    assert jsonl.read(path) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"sentiment": "postive"},
            "sentiment 'postive' is not one of Positive, Neutral, Negative .did you mean 'Positive'",
        ),
        ({"risk_level": "None"}, "risk_level 'None' is not one of High, Medium, Low"),
        ({"lang": "de"}, "lang 'de' is not one of en, zh"),
        ({"order": 4}, "order '4' is not one of 1, 2, 3"),
        ({"order": True}, "order is True, an integer is expected"),
        ({"aliases": "NVDA"}, "aliases is 'NVDA', a list of strings is expected"),
        ({"text": "  "}, "text is empty"),
        ({"text": None}, "text is None, a string is expected"),
        ({"riskLevel": "Low"}, "unknown key 'riskLevel' .did you mean 'risk_level'"),
    ],
)
def test_a_wrong_row_names_file_line_value_and_what_is_allowed(tmp_path: Path, change: jsonl.Row, said: str) -> None:
    """One wrong value is enough to refuse the file, in words that say how to mend it."""
    path = tmp_path / "test.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps({**ROW, "id": "x", **change}) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"test\.jsonl:2: {said}"):
        read_items(path)


def test_a_duplicate_id_an_empty_file_and_a_missing_key_are_refused(tmp_path: Path) -> None:
    """Ids are unique; a set without rows cannot be scored."""
    path = tmp_path / "test.jsonl"
    for content, said in (
        (json.dumps(ROW) + "\n" + json.dumps(ROW), "already stands on line 1"),
        ("\n\n", "holds no rows"),
        (json.dumps({k: v for k, v in ROW.items() if k != "entity"}), "key 'entity' is missing"),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_items(path)
    path.write_text(json.dumps(ROW), encoding="utf-8")
    assert read_items(path)[0].row() == ROW
    with pytest.raises(InputError, match="unknown key 'entity'"):
        read_news(path)


@dataclass(frozen=True)
class Small:
    name: str
    seed: int
    rate: float
    teacher: str | None = None
    weights: dict[str, float] | None = None
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"rate is {self.rate}, more than 0 is expected")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nseed: 1\nrate: 1\nteachr: x", "unknown key 'teachr' .did you mean 'teacher'"),
        ("name: a\nseed: 1.5\nrate: yes", "seed is 1.5, int is expected; rate is True, float is expected"),
        ("name: a\nseed: true\nrate: 1", "seed is True, int is expected"),
        ("seed: 1\nrate: 1", "key 'name' is missing"),
        ("name: a\nname: b\nseed: 1\nrate: 1", "key 'name' stands twice"),
        ("name: a\nseed: 1\nrate: -1", "rate is -1.0, more than 0"),
        ("name: a\nseed: 1\nrate: 1\ntexts: a", "texts is 'a', tuple.str, .... is expected"),
        ("- a", "a mapping of keys to values is expected"),
        ("name: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("name: [", "not valid YAML"),
        ("name: " + "[" * 3000, "not valid YAML: nested too deeply"),
        ("name: 2022-13-45", "not valid YAML: month must be in"),
    ],
)
def test_a_wrong_recipe_lists_its_problems(tmp_path: Path, text: str, said: str) -> None:
    """An unknown key suggests the nearest; no YAML tag runs code."""
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        recipe.load(path, Small)


def test_a_recipe_is_loaded(tmp_path: Path) -> None:
    """Whole numbers pass for floats, null for a missing optional value."""
    path = tmp_path / "r.yaml"
    path.write_text("name: a\nseed: 1\nrate: 2\nteacher: null\nweights: {x: 1}\ntexts: [b]", encoding="utf-8")
    assert recipe.load(path, Small) == Small("a", 1, 2.0, None, {"x": 1.0}, ("b",))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(InputError, match=r"folder\.yaml: is a folder"):
        recipe.load(tmp_path / "folder.yaml", Small)
    with pytest.raises(InputError, match="no such recipe; there are: folder, r"):
        recipe.load(tmp_path / "s.yaml", Small)


def test_a_command_ends_in_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Users' mistakes and files are one line on stderr; a defect of ours keeps its traceback and is never a verdict."""

    def fails_with(error: BaseException) -> int:
        def main(argv: object = None) -> int:
            raise error

        return command(main)()

    assert fails_with(InputError("x.jsonl:3: bad \x1b[31m value")) == 2
    assert fails_with(OSError(28, "No space left on device", "runs/a")) == 2
    assert fails_with(KeyboardInterrupt()) == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "error: x.jsonl:3: bad \\x1b[31m value"
    assert "the disk is full" in lines[1]
    for error in (
        IsADirectoryError(21, "Is a directory", "b.json"),
        NotADirectoryError(20, "Not a directory", "a/x"),
        OSError(36, "File name too long", "aaa"),
        ValueError("embedded null byte"),
    ):
        assert fails_with(error) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "check the path" in line
    for defect in (ZeroDivisionError(), ValueError("not of a path")):
        assert fails_with(defect) == 70
        assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_verdict() -> None:
    """As in `command | true`: neither 1, the gate's word for regressed, nor a traceback."""
    code = "from finsight_eval.errors import command\nraise SystemExit(command(lambda argv: print('x' * 10) or 1)())"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_words_for_people() -> None:
    """A near miss is suggested, a far one is not; control and bidirectional marks never reach a terminal."""
    assert nearest("sentimnt", ["sentiment", "entity"]) == " (did you mean 'sentiment'?)"
    assert nearest("xyz", ["sentiment"]) == ""
    assert printable("a\u202eb\n", 10) == "a\\u202eb\\n"
    assert printable("x" * 300).endswith("x...")
