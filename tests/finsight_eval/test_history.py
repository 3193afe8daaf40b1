"""The history: every accepted baseline and the run at hand; nothing joined or subtracted that is not comparable."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import history, jsonl, score
from finsight_eval.comparing.history_data import History, changed, read_history
from finsight_eval.comparing.history_page import change_cell, figure_cell
from finsight_eval.errors import InputError
from finsight_eval.parse import Answer, render
from finsight_eval.verdicts import read_verdicts
from tests.finsight_eval.synthetic_run import copied_run, make_run

if TYPE_CHECKING:
    from collections.abc import Callable

KEYS = ("finsight/sentiment_f1", "finsight_simulated/risk_accuracy")
PATH = Path("benchmarks/baselines/nano.json")


@pytest.fixture(scope="module")
def scored_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a scored run, made once."""
    root = tmp_path_factory.mktemp("history")
    with pytest.MonkeyPatch.context() as patch:
        make_run(root, patch, sizes=(40, 60))
        assert score.main(["--recipe", "nano"]) == 0
    return root


@pytest.fixture
def run(scored_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the scored run, in the working directory."""
    return copied_run(scored_root, tmp_path / "project", monkeypatch)


def write_baseline(run: Path, entries: int = 3, recorded: bool = True, model: str = "adapter") -> dict[str, Any]:
    """Write a baseline with the replies of `model` and `entries` entries, each 0.05 below the next."""
    cards = jsonl.read(run / "score" / model / "metrics.json")["tasks"]
    verdicts = read_verdicts(run / "score" / model / "verdicts.jsonl")
    made = {task: {key: cards[task][key] for key in ("benchmark", "prompt", "generation")} for task in cards}
    value = {key: cards[task]["metrics"][metric] for key in KEYS for task, _, metric in [key.partition("/")]}
    rows = []
    for number in range(entries):
        below = 0.05 * (entries - 1 - number)
        figures: dict[str, Any] = {key: found["value"] - below for key, found in value.items()}
        row: dict[str, Any] = {
            "date": f"2026-11-0{number + 1}",
            "reason": f"release {number}",
            "verdict": "pass",
            "commit": "0a1b" * 10,
        }
        if recorded:
            figures = {key: {**value[key], "value": figures[key]} for key in KEYS}
            row |= {"contract": 1, "tasks": copy.deepcopy(made)}
        rows.append(row | {"figures": figures})
    tasks = {task: about | {"replies": {v.item.id: v.reply for v in verdicts[task]}} for task, about in made.items()}
    found = {"name": "nano", "tasks": tasks, "history": rows}
    jsonl.write(PATH, found)
    return found


def read(run: Path) -> History:
    return read_history(PATH, run)


def test_every_entry_and_the_run_at_hand_are_there(run: Path) -> None:
    """Three accepted baselines and another model at hand make four entries; the last two have their replies."""
    write_baseline(run, model="teacher")
    found = read(run)
    assert [entry.title for entry in found.entries] == ["1", "2", "3", "now"]
    assert [bool(entry.verdicts) for entry in found.entries] == [False, False, True, True]
    assert found.measured() == list(KEYS)


def test_the_accepted_run_itself_is_no_further_entry(run: Path) -> None:
    """The very replies of the last baseline are that baseline; without a run the page ends with it."""
    write_baseline(run)
    assert [entry.title for entry in read(run).entries] == ["1", "2", "3"]
    assert "it is that baseline" in read(run).notes[0]
    assert "No scored run" in read(run.with_name("absent")).notes[0]


def test_no_interval_is_made_up(run: Path) -> None:
    """Old entries hold bare numbers: no interval, no n; the last one's are computed from its replies."""
    write_baseline(run, recorded=False)
    first, *_, last = read(run).entries
    assert figure_cell(first.figures[KEYS[0]]).endswith("(no interval recorded)")
    assert figure_cell(last.figures[KEYS[0]]).endswith("] (n 40)")
    assert figure_cell(None) == "n/a (not recorded)"
    assert figure_cell({"value": None, "low": None, "high": None, "n": 0}) == "n/a (no value)"


@pytest.mark.parametrize(
    ("recorded", "change", "joined", "cell"),
    [
        (True, lambda row: None, {1, 2}, "+0.050 (no interval: replies not kept)"),
        (False, lambda row: None, set(), "+0.050 (no interval; benchmark and prompt not recorded)"),
        (True, lambda row: row["tasks"]["finsight"]["benchmark"].update(sha256="0"), {2}, "n/a (other benchmark)"),
        (True, lambda row: row["tasks"]["finsight"].update(prompt="0"), {2}, "n/a (other prompt)"),
        (True, lambda row: row["tasks"]["finsight"].update(generation={}), {2}, "n/a (other generation)"),
        (True, lambda row: row.update(contract=0), {2}, "n/a (other contract)"),
        (True, lambda row: row["figures"].update({KEYS[0]: None}), {1, 2}, "n/a (a figure is missing)"),
        (True, lambda row: row["figures"].pop(KEYS[0]), {1, 2}, "n/a (a figure is missing)"),
    ],
)
def test_a_line_breaks_where_conditions_changed(
    run: Path, recorded: bool, change: Callable[[Any], Any], joined: set[int], cell: str
) -> None:
    """Entries under other conditions, or unknown ones, are neither joined nor, where they changed, subtracted."""
    held = write_baseline(run, recorded=recorded)
    change(held["history"][0])
    jsonl.write(PATH, held)
    found = read(run)
    assert history.joined(found, KEYS[0]) == joined
    assert change_cell(found.entries[0], found.entries[1], KEYS[0]) == cell


def test_the_run_at_hand_is_compared_item_by_item(run: Path) -> None:
    """The last baseline's replies are kept, so the difference from it has an interval and n."""
    write_baseline(run, model="base")
    found = read(run)
    assert change_cell(found.entries[-2], found.entries[-1], KEYS[0]).endswith("] (n 40)")
    assert changed(found.entries[-2], found.entries[-1], "finsight") == []
    assert history.main(["--recipe", "nano"]) == 0
    text = Path("reports/nano-history.md").read_text(encoding="utf-8")
    assert f"The run at hand is above it on `{KEYS[0]}`, `{KEYS[1]}`." in text


def test_a_figure_that_today_reads_otherwise_is_named(run: Path) -> None:
    """A changed parser or metric shows: the recorded figure stays, without an interval, and the note has both."""
    held = write_baseline(run, entries=1)
    held["history"][0]["figures"][KEYS[0]] = 0.125
    jsonl.write(PATH, held)
    found = read(run)
    assert any(
        note.startswith(f"{KEYS[0]} was recorded as 0.1250; the same replies read today give") for note in found.notes
    )
    assert figure_cell(found.entries[0].figures[KEYS[0]]) == "0.125 (no interval recorded)"


def test_replies_to_an_older_benchmark_cannot_be_read_again(run: Path) -> None:
    """A baseline of another version of a set keeps its recorded figures, and the page says why there is no more."""
    held = write_baseline(run, recorded=False)
    held["tasks"]["finsight"]["benchmark"]["sha256"] = "0" * 64
    jsonl.write(PATH, held)
    found = read(run)
    assert "could not be read again" in found.notes[0]
    assert not found.entries[2].verdicts
    assert changed(found.entries[2], found.entries[-1], "finsight") == ["benchmark"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held.update(history=[]), "'history' is missing or empty"),
        (lambda held: held.pop("history"), "'history' is missing or empty"),
        (lambda held: held["history"].append("x"), "history entry 4: a JSON object is expected"),
        (lambda held: held["history"][1].update(date=7), "history entry 2: date is 7, a string is expected"),
        (lambda held: held["history"][1].pop("figures"), "history entry 2: 'figures' is missing"),
        (lambda held: held["history"][1]["figures"].update(x=1), "figure 'x' is not TASK/METRIC"),
        (lambda held: held["history"][1]["figures"].update({KEYS[0]: "high"}), "value is 'high', a number or null"),
    ],
)
def test_a_damaged_history_is_refused(run: Path, change: Callable[[Any], Any], said: str) -> None:
    """An entry that is none is named with its place; nothing is guessed."""
    held = write_baseline(run)
    change(held)
    jsonl.write(PATH, held)
    with pytest.raises(InputError) as caught:
        read(run)
    assert said in str(caught.value)


def test_a_decision_against_the_gate_stays_in_the_history(run: Path) -> None:
    """What was accepted all the same, and what it was exposed as, stands beside its verdict."""
    held = write_baseline(run)
    held["history"][0] |= {"verdict": "regressed", "despite": "regressed"}
    held["history"][1] |= {"exposed": ["labels at random", "ignores the news"]}
    jsonl.write(PATH, held)
    assert [entry.verdict for entry in read(run).entries] == [
        "regressed; accepted all the same",
        "pass; exposed: labels at random; exposed: ignores the news",
        "pass",
    ]


@pytest.mark.parametrize("exposed", ["labels at random", [3], {"a": 1}])
def test_names_that_are_no_list_are_a_damaged_history(run: Path, exposed: Any) -> None:
    """One line with the place, as for every other damage."""
    held = write_baseline(run)
    held["history"][0]["exposed"] = exposed
    jsonl.write(PATH, held)
    with pytest.raises(InputError, match=r"history entry 1: exposed is .* a list of names is expected"):
        read(run)


def test_without_a_baseline_there_is_no_history(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and the command that writes the first."""
    assert history.main(["--recipe", "nano"]) == 2
    assert "no accepted baseline; `finsight-gate accept` writes the first" in capsys.readouterr().err


def test_rendering_twice_gives_the_same_bytes(run: Path) -> None:
    """Page and pictures are a function of the entries; a hostile reason stays inert."""
    held = write_baseline(run, model="teacher")
    held["history"][0] |= {"reason": "<script>alert(1)</script> | [x](javascript:y)", "verdict": "pass\x1b[31m"}
    jsonl.write(PATH, held)
    assert history.main(["--recipe", "nano"]) == 0
    once = {path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()}
    folder = Path("reports/nano-history")
    assert set(once) == {Path("reports/nano-history.md"), folder / "figures.png", folder / "figures-dark.png"}
    shutil.rmtree("reports")
    assert history.main(["--recipe", "nano"]) == 0
    assert {path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()} == once
    text = Path("reports/nano-history.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "](javascript" not in text
    assert "\x1b" not in text


def test_an_unreadable_reply_of_the_baseline_is_scored_wrong(run: Path) -> None:
    """The replies are read by today's parser: broken ones lower the figure, and the note says that it moved."""
    held = write_baseline(run, entries=1)
    replies = held["tasks"]["finsight"]["replies"]
    held["tasks"]["finsight"]["replies"] = dict.fromkeys(replies, render(Answer("x", "x", "Neutral", "Low")) + "!")
    jsonl.write(PATH, held)
    assert any("read today give 0.0000" in note for note in read(run).notes)
