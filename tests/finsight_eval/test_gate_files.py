"""The gate on files of models that were trained and evaluated elsewhere: verdicts, refusals, baselines, records."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import benchmark, gate, jsonl
from finsight_eval.labels import RISK_LEVELS, SENTIMENTS
from finsight_eval.parse import Answer, render
from tests.finsight_eval.synthetic_run import (
    STAMP,
    gold_reply,
    make_item,
    noisy_reply,
    sample_row,
    write_samples,
    write_set,
)

if TYPE_CHECKING:
    from finsight_eval.records import Item

FLOOR = "name: mine\ninconclusive_blocks: true\noverlap: not_recorded\nfloors: {finsight/json_parse_rate: 0.5}\n"
MARGIN = f"{FLOOR}margins: {{finsight/sentiment_f1: 0.05}}\n"
GAIN = f"{FLOOR}gains: {{finsight/sentiment_f1: 0.0}}\n"
SIZE = 200
SHARES = {"threshold": 0.6, "highest_share_kept": 0.41}


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """A benchmark of our own making, in a working directory that holds nothing else."""
    items = [make_item(number) for number in range(SIZE)]
    write_set(tmp_path / "sets", "news", items)
    monkeypatch.setattr(benchmark, "_homes", lambda: [tmp_path / "sets"])
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return items


def samples(name: str, items: list[Item], right: float, parsed: float = 0.98, **changes: Any) -> Path:
    """Write the samples of a model that is right with probability `right`, as lm-eval would, and return the folder."""
    rng = random.Random(name)
    rows = [sample_row(number, item, noisy_reply(item, rng, right, parsed)) for number, item in enumerate(items)]
    for row in rows:
        row["arguments"]["gen_args_0"]["arg_1"] |= changes
    write_samples(Path(name) / "model" / f"samples_finsight_{STAMP}.jsonl", rows)
    return Path(name)


def policy(text: str) -> str:
    Path("mine.yaml").write_text(text, encoding="utf-8")
    return "mine.yaml"


def run(*arguments: str) -> int:
    return gate.main([str(argument) for argument in arguments])


def test_samples_alone_are_gated_and_the_verdict_says_what_nobody_looked_at(items: list[Item]) -> None:
    """No run folder, no manifest, no reference: floors are held, and leakage is not passed over in silence."""
    samples("out", items, 0.9)
    assert run("--policy", policy(FLOOR), "--candidate", "out") == 0
    found = jsonl.read(Path("finsight-gate/gate.json"))
    assert (found["verdict"], found["baseline"], found["flips"]["against"]) == ("pass", None, None)
    said = ["leakage was not checked", "no noise record", "candidate"]
    assert [note.partition(":")[0] for note in found["notes"]] == said
    assert "leakage was not checked" in Path("finsight-gate/summary.md").read_text(encoding="utf-8")


def test_a_reference_is_gained_on_item_by_item(items: list[Item]) -> None:
    """The better of two passes, the same samples the other way round regress, and the flips are listed."""
    samples("old", items, 0.3), samples("new", items, 0.95)
    assert run("--policy", policy(GAIN), "--candidate", "new", "--reference", "old") == 0
    assert jsonl.read(Path("finsight-gate/gate.json"))["flips"]["against"] == "reference"
    assert run("--policy", "mine.yaml", "--candidate", "old", "--reference", "new", "--out", "other") == 1
    assert jsonl.read(Path("other/gate.json"))["flips"]["tasks"]["finsight"]["broken"]


def test_a_newcomer_needs_one_command_for_the_baseline_and_one_for_the_gate(items: list[Item]) -> None:
    """The shipped policy by its name: the accepted model passes against itself, a worse one regresses."""
    samples("good", items, 0.95, 1.0), samples("bad", items, 0.5, 1.0)
    accept = ("accept", "--policy", "ci", "--candidate", "good", "--baseline", "deep/b.json", "--reason", "first")
    assert run(*accept) == 0
    assert run("--policy", "ci", "--candidate", "good", "--baseline", "deep/b.json") == 0
    assert run("--policy", "ci", "--candidate", "bad", "--baseline", "deep/b.json") == 1
    assert run(*accept[:-1], "again") == 0
    assert [row["reason"] for row in jsonl.read(Path("deep/b.json"))["history"]] == ["first", "again"]


def test_a_record_of_replies_is_as_good_as_the_samples(items: list[Item]) -> None:
    """Recorded replies give the same checks to the last digit, and hold no text of the benchmark."""
    samples("out", items, 0.8), samples("base", items, 0.3)
    for name in ("out", "base"):
        assert run("record", "--candidate", name, "--out", f"{name}.json") == 0
    gate_it = ("--policy", policy(GAIN))
    assert run(*gate_it, "--candidate", "out", "--reference", "base", "--out", "a") == 0
    assert run(*gate_it, "--candidate", "out.json", "--reference", "base.json", "--out", "b") == 0
    assert Path("a/gate.json").read_bytes() == Path("b/gate.json").read_bytes()
    assert items[7].text not in Path("out.json").read_text(encoding="utf-8")


def test_a_record_of_another_task_is_told_what_to_do(items: list[Item], capsys: pytest.CaptureFixture[str]) -> None:
    """A gate for the whole set, given its English slice: what is asked for, what is there, and both ways out."""
    english = [item for item in items if item.lang == "en"]
    rows = [sample_row(number, item, gold_reply(item)) for number, item in enumerate(english)]
    write_samples(Path("en/model") / f"samples_finsight_en_{STAMP}.jsonl", rows)
    assert run("record", "--candidate", "en", "--out", "en.json") == 0
    assert run("--policy", policy(FLOOR), "--candidate", "en.json") == 2
    error = capsys.readouterr().err
    assert "candidate: no figures for task finsight, which is asked for (by a bound of the policy, or with" in error
    assert "there are: finsight_en; evaluate that task too" in error
    assert "in a policy of your own whose keys are TASK/METRIC of those tasks" in error
    assert run("--policy", policy(FLOOR.replace("finsight/", "finsight_en/")), "--candidate", "en.json") == 0
    assert run("record", "--candidate", "en.json", "--out", "again.json") == 2
    assert "en.json: a record is made from samples" in capsys.readouterr().err


RESULTS = {"versions": {"finsight": 1.1}, "n-shot": {"finsight": 0}, "system_instruction": None, "config": {}}


@pytest.mark.parametrize("as_record", [False, True])
@pytest.mark.parametrize(
    ("results", "lacking"),
    [
        (None, "task version, chat template, examples shown, system instruction, model of finsight not known"),
        ({**RESULTS, "chat_template": ""}, "chat template of finsight not known, not compared: an endpoint"),
        ({**RESULTS, "chat_template": "{{ x }}"}, None),
        ({**RESULTS, "chat_template": None}, None),
        ({**RESULTS, "chat_template": None, "n-shot": {}}, "examples shown of finsight not known"),
    ],
)
def test_what_could_not_be_compared_is_said(
    items: list[Item], results: Any, lacking: str | None, as_record: bool
) -> None:
    """Samples without their results file are judged, and JSON and summary name what nobody knows of both models."""
    for name in ("out", "base"):
        samples(name, items, 0.9)
        if results:
            (Path(name) / "model" / f"results_{STAMP}.json").write_text(json.dumps(results), encoding="utf-8")
        assert run("record", "--candidate", name, "--out", f"{name}.json") == 0
    one, other = ("out.json", "base.json") if as_record else ("out", "base")
    text = policy(GAIN.replace("0.0}", "-0.9}"))
    assert run("--policy", text, "--candidate", one, "--reference", other) == 0
    notes = [note for note in jsonl.read(Path("finsight-gate/gate.json"))["notes"] if "not compared" in note]
    assert [note.partition(":")[0] for note in notes] == (["reference", "candidate"] if lacking else [])
    assert all(f"{lacking}" in note for note in notes)
    summary = Path("finsight-gate/summary.md").read_text(encoding="utf-8")
    assert summary.count("not compared") == len(notes)


def random_labels(name: str, items: list[Item]) -> Path:
    """Write the samples of a model that keeps the form and draws its labels."""
    rng, rows = random.Random(name), []
    for number, item in enumerate(items):
        drawn = Answer("why", item.entity, rng.choice(SENTIMENTS), rng.choice(RISK_LEVELS))
        rows.append(sample_row(number, item, render(drawn)))
    write_samples(Path(name) / "model" / f"samples_finsight_{STAMP}.jsonl", rows)
    return Path(name)


def test_a_candidate_that_is_exposed_does_not_pass_unless_the_policy_says_so(
    items: list[Item], capsys: pytest.CaptureFixture[str]
) -> None:
    """By default the name alone stops it, in exit code, JSON, JUnit, summary and on the screen alike."""
    random_labels("out", items), samples("good", items, 0.9)
    blocked, reported = policy(FLOOR), FLOOR.replace("overlap", "exposures: report\noverlap")
    assert run("--policy", blocked, "--candidate", "good") == 0
    assert run("--policy", blocked, "--candidate", "out") == 1
    found = jsonl.read(Path("finsight-gate/gate.json"))
    assert (found["verdict"], found["exposures_block"], {one["verdict"] for one in found["checks"]}) == (
        "exposed", True, {"pass"},
    )  # fmt: skip
    assert "labels at random" in {one["name"] for one in found["exposures"] if one["grave"]}
    assert 'failures="0"' not in Path("finsight-gate/junit.xml").read_text(encoding="utf-8")
    summary = Path("finsight-gate/summary.md").read_text(encoding="utf-8")
    assert "**exposed**: no check has regressed" in summary
    assert "- **Labels at random.** On Hand-written news" in summary
    assert "verdict: exposed" in capsys.readouterr().out
    assert run("--policy", policy(reported), "--candidate", "out") == 0
    found = jsonl.read(Path("finsight-gate/gate.json"))
    assert (found["verdict"], found["exposures_block"]) == ("pass", False)
    assert "**But it is exposed by name**" in Path("finsight-gate/summary.md").read_text(encoding="utf-8")
    assert 'failures="0"' in Path("finsight-gate/junit.xml").read_text(encoding="utf-8")
    assert "verdict: pass, but exposed by name" in capsys.readouterr().out


def test_an_exposed_baseline_needs_a_decision_and_stays_marked(
    items: list[Item], capsys: pytest.CaptureFixture[str]
) -> None:
    """Blocked: only with the flag. Reported: with a loud line. Either way its history says what it was exposed as."""
    random_labels("out", items)
    accept = ("accept", "--policy", policy(FLOOR), "--candidate", "out", "--baseline", "b.json", "--reason", "demo")
    assert run(*accept) == 2
    assert "stop this candidate: exposed (labels at random); nothing was written" in capsys.readouterr().err
    assert not Path("b.json").exists()
    assert run(*accept, "--despite", "exposed") == 0
    assert "accepted although: exposed, labels at random" in capsys.readouterr().err
    policy(FLOOR.replace("overlap", "exposures: report\noverlap"))
    assert run(*accept) == 0
    assert "accepted although: labels at random" in capsys.readouterr().err
    history = jsonl.read(Path("b.json"))["history"]
    assert [(row["verdict"], row.get("despite"), row["exposed"]) for row in history] == [
        ("exposed", "exposed", ["labels at random"]),
        ("pass", None, ["labels at random"]),
    ]


def test_tasks_that_the_policy_does_not_speak_of_are_left_aside(items: list[Item]) -> None:
    """A folder may hold samples of other tasks, even of ones that are no FinSight tasks."""
    samples("out", items, 0.9)
    Path("out/model", f"samples_hellaswag_{STAMP}.jsonl").write_text("{}\n", encoding="utf-8")
    assert run("--policy", policy(FLOOR), "--candidate", "out") == 0


def rewritten(path: Path, change: Any) -> None:
    """Pass the rows of the sample file below `path` through `change`."""
    (file,) = path.rglob("samples_*.jsonl")
    rows = change([json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()])
    write_samples(file, rows)


def answered_by_nobody(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows[3]["resps"] = [[None]]
    return rows


def of_another_set(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows[3]["doc"]["sentiment"] = "Neutral" if rows[3]["doc"]["sentiment"] != "Neutral" else "Positive"
    return rows


def asked_otherwise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows[3]["arguments"]["gen_args_0"]["arg_0"] = "Is this good news?"
    return rows


def told_the_answer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        asked = row["arguments"]["gen_args_0"]
        asked["arg_0"] = f"It is {row['doc']['sentiment']}.\n{asked['arg_0']}"
    return rows


def set_otherwise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows[2]["arguments"]["gen_args_0"]["arg_1"]["temperature"] = 1.7
    return rows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[:150], "150 of 200 items were evaluated"),
        (lambda rows: [*rows, rows[5]], "already stands on line 6"),
        (lambda _rows: [], "holds no samples"),
        (answered_by_nobody, "1 items failed (no reply text in the sample x 1)"),
        (of_another_set, "the benchmark says"),
        (asked_otherwise, "another prompt than this version's"),
        (told_the_answer, "another prompt than this version's"),
        (set_otherwise, ":3: generation setting temperature is 1.7, on line 1 not set"),
    ],
)
def test_samples_that_are_not_whole_or_not_ours_are_refused(
    items: list[Item], change: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line that says why, in the terminal as in all three files."""
    rewritten(samples("out", items, 0.9), change)
    assert run("--policy", policy(FLOOR), "--candidate", "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert said in jsonl.read(Path("finsight-gate/gate.json"))["error"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--candidate", "nowhere"], "nowhere: not there; give lm-eval's --output_path"),
        (["--candidate", "empty"], "no samples_*.jsonl below it"),
        (["--candidate", "out", "out2"], "both hold samples of 'finsight'"),
        (["--candidate", "out", "--reference", "out"], "given as candidate and as reference"),
        (["--candidate", "out", "--reference", "hot"], "temperature is 0.7 in reference, not set in candidate"),
        (["--candidate", "out", "--baseline", "none.json"], "none.json: no such baseline; `finsight-gate accept`"),
        (["--candidate", "out", "--baseline", "mine.yaml"], "mine.yaml: not valid JSON"),
        (["--candidate", "out", "--overlap", "none.json"], "none.json: no record of the overlap"),
        (
            ["--candidate", "out", "record.json"],
            "record.json: a record of replies holds all tasks of one model and is not mixed",
        ),
        (["--candidate", "foreign.json"], "item 'news-xx-1' is not in the benchmark"),
        (["--candidate", "older.json"], "recorded on benchmark"),
        (["--candidate", "numbers.json"], "is no text; make the record again"),
        (["--candidate", "empty.json"], "no record of replies"),
        (["--candidate", "results.json"], "results.json: no record of replies"),
        (["--candidate", "renamed.jsonl"], "there are: renamed; evaluate that task too, and keep the file names"),
    ],
)
def test_files_that_cannot_be_judged_are_refused(
    items: list[Item], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mistake of a newcomer has its own sentence."""
    samples("out", items, 0.9), samples("out2", items, 0.9), samples("hot", items, 0.9, temperature=0.7)
    Path("empty").mkdir()
    Path("renamed.jsonl").write_bytes(next(Path("out").rglob("*.jsonl")).read_bytes())
    assert run("record", "--candidate", "out", "--out", "record.json") == 0
    entry = jsonl.read(Path("record.json"))["tasks"]["finsight"]
    changed = {
        "foreign.json": {**entry, "replies": {**entry["replies"], "news-xx-1": "hello"}},
        "older.json": {**entry, "benchmark": {"set": "news", "sha256": "a" * 64}},
        "numbers.json": {**entry, "replies": {**entry["replies"], items[0].id: 7}},
    }
    for name, tasks in changed.items():
        jsonl.write(Path(name), {"tasks": {"finsight": tasks}})
    jsonl.write(Path("empty.json"), {})
    jsonl.write(Path("results.json"), {"results": {}, "versions": {}})
    assert run("--policy", policy(MARGIN), *arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GAIN, "asks for gains, and there is nothing to gain on: give the samples"),
        (FLOOR.replace("overlap: not_recorded\n", ""), "requires a record of the overlap"),
        (FLOOR.replace("not_recorded", "required"), "requires a record of the overlap"),
        (FLOOR.replace("0.5", "many"), "floors is"),
    ],
)
def test_a_policy_that_asks_for_more_than_was_given_is_refused(
    items: list[Item], text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gains need a reference, and a record of the overlap is required unless the policy says otherwise."""
    samples("out", items, 0.9)
    assert run("--policy", policy(text), "--candidate", "out") == 2
    assert said in capsys.readouterr().err


def test_a_record_of_the_overlap_is_looked_at_wherever_it_is_given(
    items: list[Item], capsys: pytest.CaptureFixture[str]
) -> None:
    """The right record makes the note go; one of another version of the benchmark is refused in either case."""
    samples("out", items, 0.9)
    sha256 = jsonl.read(Path("../sets/news/manifest.json"))["files"]["test.jsonl"]["sha256"]
    jsonl.write(Path("good.json"), {"sets": {"news": {"sha256": {"test": sha256}}}, "rows": 9, "checked": 9, **SHARES})
    jsonl.write(Path("old.json"), {"sets": {"news": {"sha256": {"test": "0" * 64}}}})
    for text in (FLOOR, FLOOR.replace("not_recorded", "required")):
        gate_it = ("--policy", policy(text), "--candidate", "out", "--overlap")
        assert run(*gate_it, "good.json") == 0
        notes = jsonl.read(Path("finsight-gate/gate.json"))["notes"]
        assert not [note for note in notes if "leakage" in note]
        assert any("shares 0.41 of its text with it; 0.60 removes" in note for note in notes)
        assert run(*gate_it, "old.json") == 2
        assert "compared the training data with benchmark news 0000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--candidate", "out"], "--candidate needs a --policy"),
        (["--policy", "ci"], "--policy belongs to --candidate"),
        (["--recipe", "nano", "--noise", "n.json"], "--noise belongs to --candidate"),
        (["--baseline", "b.json", "--out", "o"], "--baseline, --out belongs to --candidate"),
        (["--recipe", "nano", "--policy", "ci", "--candidate", "out"], "exclude each other"),
        (["accept", "--policy", "ci", "--candidate", "out", "--reason", "x"], "--baseline is missing"),
        (["accept", "--policy", "ci", "--candidate", "out", "--baseline", "b", "--reason", " "], "--reason is blank"),
    ],
)
def test_flags_that_do_not_belong_together_are_refused(
    items: list[Item], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run or files, never a mixture of the two in silence."""
    assert run(*arguments) == 2
    assert said in capsys.readouterr().err


def test_samples_in_another_order_are_the_same_samples(items: list[Item]) -> None:
    """The reference is aligned by id, so that the order of its documents does not matter."""

    def turned(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "doc_id": number} for number, row in enumerate(reversed(rows))]

    samples("old", items, 0.3), samples("new", items, 0.95)
    gate_it = ("--policy", policy(GAIN), "--candidate", "new", "--reference", "old", "--out")
    assert run(*gate_it, "a") == 0
    rewritten(Path("old"), turned)
    assert run(*gate_it, "b") == 0
    assert Path("a/gate.json").read_bytes() == Path("b/gate.json").read_bytes()


def taught(*labels: str) -> Any:
    """Return a change that gives every document these labels of the teacher's; none where there are no labels."""
    sentiment, risk_level = labels or (None, None)

    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            row["doc"] |= {"teacher_sentiment": sentiment, "teacher_risk_level": risk_level}
        return rows

    return change


@pytest.mark.parametrize("as_record", [False, True])
@pytest.mark.parametrize(
    ("candidate", "reference", "said"),
    [
        (("Neutral", "Low"), ("Neutral", "Low"), None),
        (("Neutral", "Low"), ("Neutral", "High"), "are Neutral/High in reference, Neutral/Low in the candidate"),
        (("Neutral", "Low"), (), "are missing in reference"),
        ((), (), "no teacher's labels in the candidate"),
    ],
)
def test_agreement_is_with_one_teacher(
    items: list[Item], candidate: Any, reference: Any, said: str | None, as_record: bool
) -> None:
    """Both models are held against the same labels, whether they come in samples or in records of replies."""
    names = ["out", "base"]
    for name, labels in zip(names, (candidate, reference), strict=True):
        rewritten(samples(name, items, 0.9), taught(*labels))
        assert run("record", "--candidate", name, "--out", f"{name}.json") == 0
    text = policy(f"{FLOOR}gains: {{finsight/teacher_agreement: -0.9}}\n")
    one, other = [f"{name}.json" for name in names] if as_record else names
    assert run("--policy", text, "--candidate", one, "--reference", other) == (2 if said else 0)
    assert said is None or said in jsonl.read(Path("finsight-gate/gate.json"))["error"]


def test_labels_that_are_missing_are_noted(items: list[Item]) -> None:
    """A teacher without an answer is no error, yet nobody can leave labels out unseen."""

    def half(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        taught("Neutral", "Low")(rows[:50])
        return rows

    rewritten(samples("out", items, 0.9), half)
    text = policy(FLOOR.replace("json_parse_rate: 0.5", "teacher_agreement: 0.0"))
    assert run("--policy", text, "--candidate", "out") == 0
    notes = jsonl.read(Path("finsight-gate/gate.json"))["notes"]
    assert any("labels for 50 of 200 items" in note for note in notes)
