"""The store: what was journalled is found again, whatever happened to the process or the file."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from distill.asking import Asker, Kind
from distill.store import JOURNAL, Store, opened
from finsight_eval.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

TEACHER = {"host": "api.example", "model": "m-1"}
SETTINGS: dict[str, Any] = {"temperature": 0.7, "max_tokens": 512}
MESSAGES = [{"role": "user", "content": "Acme wins an order."}]


def key_of(
    *,
    teacher: dict[str, str] = TEACHER,
    sampling: dict[str, Any] = SETTINGS,
    prompt: str = "1f0c",
    number: int | str = "",
    **ask: Any,
) -> str:
    """Return the address of a question."""
    messages = [{"role": "user", "content": f"{MESSAGES[0]['content']}{number}"}]
    return Asker(teacher, sampling, prompt).ask("n-1", messages, **ask).key


def row(number: int, content: str = "ok") -> dict[str, Any]:
    return {"key": key_of(number=number), "id": f"n-{number}", "response": {"content": content}}


def fill(folder: Path, count: int) -> None:
    with opened(folder) as store:
        for number in range(count):
            store.append(row(number))


def test_key_is_stable_whatever_the_order_of_its_parts() -> None:
    """The same question has the same address in every process and Python, whatever its row is called."""
    again = Asker(dict(reversed(TEACHER.items())), dict(reversed(SETTINGS.items())), "1f0c").ask("n-2", MESSAGES)
    assert key_of() == again.key == "7074170a07536f66ed6d4abcb81e1247"
    assert key_of(temperature=0.7) == key_of()


@pytest.mark.parametrize(
    "change",
    [
        {"teacher": {"host": "api.example", "model": "m-2"}},
        {"teacher": {"host": "other.example", "model": "m-1"}},
        {"teacher": {**TEACHER, "rules": "ab"}},
        {"sampling": {"temperature": 0.6, "max_tokens": 512}},
        {"max_tokens": 64},
        {"prompt": "1f0d"},
        {"number": "!"},
        {"sample": 1},
        {"kind": Kind.DIRECT},
        {"kind": Kind.AGAIN},
    ],
)
def test_key_changes_with_each_of_its_parts(change: dict[str, Any]) -> None:
    """Whatever could change the answer makes it another question."""
    assert key_of(**change) != key_of()


def test_rows_survive_reopening(tmp_path: Path) -> None:
    """A reopened store gives back every row whole, and knows nothing it was not given."""
    fill(tmp_path, 5)
    with opened(tmp_path) as store:
        assert len(store) == 5
        assert store[key_of(number=3)] == row(3)
        assert key_of(number=5) not in store


@pytest.mark.parametrize("content", ["利好", "a\nb\u2028c", "\ud800 lone", "\x00\x1b[31m", "😀" * 2000, ""])
def test_hostile_content_comes_back_unchanged(tmp_path: Path, content: str) -> None:
    """A reply is kept whole, whatever it consists of, and leaves its line a line."""
    with opened(tmp_path) as store:
        store.append(row(1, content))
        store.append(row(2))
    with opened(tmp_path) as store:
        assert store[key_of(number=1)] == row(1, content)
        assert store[key_of(number=2)] == row(2)


@pytest.mark.parametrize("cut", [1, 2, 20, 80])
def test_torn_last_line_is_cut_off_and_no_other(tmp_path: Path, cut: int, capsys: pytest.CaptureFixture[str]) -> None:
    """After a kill in the middle of a write only the last row is gone, and appending goes on cleanly."""
    fill(tmp_path, 3)
    journal = tmp_path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-cut])
    with opened(tmp_path) as store:
        assert [key_of(number=n) in store for n in range(3)] == [True, True, False]
        store.append(row(2))
    assert "half-written" in capsys.readouterr().err
    assert [json.loads(line)["id"] for line in journal.read_text().splitlines()] == ["n-0", "n-1", "n-2"]


def test_whole_journal_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Opening a sound journal neither changes it nor says anything."""
    fill(tmp_path, 3)
    before = (tmp_path / JOURNAL).read_bytes()
    with opened(tmp_path):
        pass
    assert (tmp_path / JOURNAL).read_bytes() == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("line", ["not json", '{"id": "n-1"}', '{"key": "zz"}', "[1]", '{"key": 5}', "\0" * 90])
def test_damaged_line_in_the_middle_is_named(tmp_path: Path, line: str) -> None:
    """A journal that was edited is refused with file and line, and nothing in it is thrown away."""
    fill(tmp_path, 2)
    journal = tmp_path / JOURNAL
    first, second = journal.read_text().splitlines()
    journal.write_text(f"{first}\n{line}\n{second}\n")
    with pytest.raises(InputError, match=rf"{JOURNAL}:2: "), opened(tmp_path):
        pass
    assert journal.read_text() == f"{first}\n{line}\n{second}\n"


def test_two_processes_on_one_store_are_refused(tmp_path: Path) -> None:
    """The second one gets an error that names the first, and the lock ends with its holder."""
    with opened(tmp_path), pytest.raises(InputError, match=f"in use by process {os.getpid()}"), opened(tmp_path):
        pass
    with opened(tmp_path) as store:
        assert len(store) == 0


def test_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk takes only a part of a row, the part is taken back and the rows before it stay."""
    fill(tmp_path, 2)
    write = os.write

    def full(descriptor: int, data: memoryview) -> int:
        if len(data) < 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[: len(data) // 2])

    with opened(tmp_path) as store:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            store.append(row(2))
        monkeypatch.undo()
        assert key_of(number=2) not in store
        store.append(row(3))
    with opened(tmp_path) as store:
        assert [key_of(number=n) in store for n in range(4)] == [True, True, False, True]


def test_rows_reach_the_disk_in_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fsync serves all rows since the last one, none is spent on nothing, and closing forces the rest."""
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    store = Store(tmp_path)
    for group in range(2):
        for number in range(100):
            store.append(row(100 * group + number))
        store.sync()
        store.sync()
    assert len(syncs) == 2
    store.append(row(-1))
    store.close()
    assert len(syncs) == 3


def test_shards_write_side_by_side_and_find_each_other(tmp_path: Path) -> None:
    """Each shard has a journal of its own; whoever opens the store later finds the answers of all."""
    with opened(tmp_path, "00000") as left, opened(tmp_path, "00001") as right:
        left.append(row(0))
        right.append(row(1))
    with opened(tmp_path, "00001") as right:
        assert key_of(number=0) in right
        assert right[key_of(number=0)] == row(0)
    with opened(tmp_path) as whole:
        whole.append(row(2))
        assert [whole[key_of(number=n)]["id"] for n in range(3)] == ["n-0", "n-1", "n-2"]
        assert sorted(one["id"] for one in whole.rows()) == ["n-0", "n-1", "n-2"]
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "journal-00000.jsonl",
        "journal-00001.jsonl",
        "journal.jsonl",
    ]


@pytest.mark.parametrize(("first", "second"), [(None, "00000"), ("00000", None), ("00000", "00000")])
def test_one_writer_and_shards_exclude_each_other(tmp_path: Path, first: str | None, second: str | None) -> None:
    """A shard waits for no one and shares with other shards alone."""
    with opened(tmp_path, first), pytest.raises(InputError, match="in use by process"), opened(tmp_path, second):
        pass


def test_torn_line_of_another_shard_is_left_alone(tmp_path: Path) -> None:
    """A line that another process may still be writing is neither read nor cut off."""
    with opened(tmp_path, "00000") as left:
        left.append(row(0))
    journal = tmp_path / "journal-00000.jsonl"
    journal.write_bytes(journal.read_bytes() + b'{"key": "')
    before = journal.read_bytes()
    with opened(tmp_path, "00001") as right:
        assert len(right) == 1
    assert journal.read_bytes() == before


def test_store_knows_the_prompt_versions_of_its_answers(tmp_path: Path) -> None:
    """Answers to another version of the prompt are counted, so that a run can say what it does not use."""
    with opened(tmp_path) as store:
        for number, prompt in enumerate(["1f0c", "1f0c", "9a9a"]):
            store.append({"key": key_of(number=number), "prompt": prompt, **row(number)})
    with opened(tmp_path) as store:
        assert store.prompts == {"1f0c": 2, "9a9a": 1}
