"""The gate: what passes, what does not, what cannot be told, and what is not compared at all."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from finsight_eval import gate, jsonl, manifest, policy, score
from finsight_eval.errors import InputError
from finsight_eval.gating import checks, contest, flips
from finsight_eval.gating.checks import Ruling
from finsight_eval.verdicts import read_verdicts
from tests.finsight_eval.synthetic_run import copied_run, gold_reply, make_run

if TYPE_CHECKING:
    from collections.abc import Callable

SHIPPED = Path(__file__).parents[2] / "benchmarks" / "policies"
POLICY = """\
name: nano
inconclusive_blocks: {blocks}
floors: {{finsight_simulated/sentiment_f1: {floor}}}
gains: {{finsight_simulated/sentiment_f1: 0.0}}
margins: {{finsight_simulated/risk_accuracy: 0.05}}
"""


@pytest.fixture(scope="module")
def scored_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a scored run, made once."""
    root = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        make_run(root, patch, sizes=(30, 120))
        assert score.main(["--recipe", "nano"]) == 0
    return root


@pytest.fixture
def run(scored_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the scored run, in the working directory."""
    return copied_run(scored_root, tmp_path / "project", monkeypatch)


def set_policy(floor: float, blocks: str = "true") -> None:
    Path("benchmarks/policies/nano.yaml").write_text(POLICY.format(floor=floor, blocks=blocks), encoding="utf-8")


def reseal(folder: Path) -> None:
    """Give `folder`, changed on purpose, a manifest that agrees with it."""
    found = jsonl.read(folder / manifest.NAME)
    jsonl.write(folder / manifest.NAME, {**found, "outputs": manifest.outputs_of(folder)})


@pytest.mark.parametrize(
    ("low", "high", "bound", "null", "above", "expected"),
    [
        (0.80, 0.90, 0.75, 0.75, False, Ruling.PASS),
        (0.75, 0.90, 0.75, 0.75, False, Ruling.PASS),
        (0.74, 0.90, 0.75, 0.75, False, Ruling.INCONCLUSIVE),
        (0.60, 0.75, 0.75, 0.75, False, Ruling.INCONCLUSIVE),
        (0.60, 0.74, 0.75, 0.75, False, Ruling.REGRESSED),
        (0.01, 0.05, 0.0, 0.0, True, Ruling.PASS),
        (0.00, 0.05, 0.0, 0.0, True, Ruling.INCONCLUSIVE),
        (-0.05, 0.05, 0.0, 0.0, True, Ruling.INCONCLUSIVE),
        (-0.05, 0.00, 0.0, 0.0, True, Ruling.REGRESSED),
        (-0.02, 0.01, -0.03, 0.0, False, Ruling.PASS),
        (-0.02, -0.01, -0.03, 0.0, False, Ruling.PASS),
        (-0.04, 0.01, -0.03, 0.0, False, Ruling.INCONCLUSIVE),
        (-0.04, -0.01, -0.03, 0.0, False, Ruling.REGRESSED),
    ],
)
def test_the_interval_decides(  # noqa: PLR0917 - the columns of the table
    low: float, high: float, bound: float, null: float, above: bool, expected: Ruling
) -> None:
    """Pass and regressed need the whole interval on one side; within a margin passes, worse and not within does not."""
    assert checks.ruling(low, high, bound, null, above) is expected


@pytest.mark.parametrize(
    ("floor", "blocks", "verdict", "code"),
    [
        (0.5, "true", "pass", 0),
        (None, "true", "inconclusive", 3),
        (None, "false", "inconclusive", 0),
        (0.999, "true", "regressed", 1),
        (0.999, "false", "regressed", 1),
    ],
)
def test_exit_codes(run: Path, floor: float | None, blocks: str, verdict: str, code: int) -> None:
    """0 pass, 1 regressed, 3 inconclusive where the policy lets that block; the same when the stage is skipped."""
    card = jsonl.read(run / "score" / "adapter" / "metrics.json")["tasks"]["finsight_simulated"]
    set_policy(card["metrics"]["sentiment_f1"]["value"] if floor is None else floor, blocks)
    assert gate.main(["--recipe", "nano"]) == code
    assert jsonl.read(run / "gate" / "gate.json")["verdict"] == verdict
    assert gate.main(["--recipe", "nano"]) == code
    assert gate.main(["--recipe", "nano", "--exit-zero"]) == 0


def test_junit_counts_what_failed(run: Path) -> None:
    """CI sees one case per check, a failure for each regression and the figure in its message."""
    set_policy(0.999)
    gate.main(["--recipe", "nano"])
    (suite,) = ET.parse(run / "gate" / "junit.xml").getroot()  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("2", "1", "0")
    (failure,) = suite.iter("failure")
    assert "against floor 0.999" in str(failure.get("message"))
    assert "**regressed**" in (run / "gate" / "summary.md").read_text(encoding="utf-8")


def test_bad_input_shows_on_the_page_of_the_ci_and_leaves_no_verdict(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once on the job summary, also when the stage is skipped; then an error in place of the verdict that was there."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(run / "step.md"))
    set_policy(0.5)
    for _ in range(2):
        assert gate.main(["--recipe", "nano"]) == 0
    assert (run / "step.md").read_text(encoding="utf-8").count("## Gate nano") == 1
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(run / "next.md"))
    assert gate.main(["--recipe", "nano"]) == 0  # skipped as unchanged
    assert "**pass**" in (run / "next.md").read_text(encoding="utf-8")
    overlap = (run / "export" / "overlap.json").read_bytes()
    (run / "export" / "overlap.json").unlink()
    assert gate.main(["--recipe", "nano"]) == 2
    assert "no record of the overlap" in (run / "next.md").read_text(encoding="utf-8")
    assert jsonl.read(run / "gate" / "gate.json")["verdict"] == "bad input"
    (run / "export" / "overlap.json").write_bytes(overlap)
    assert gate.main(["--recipe", "nano"]) == 0
    assert jsonl.read(run / "gate" / "gate.json")["verdict"] == "pass"
    assert gate.main(["--recipe", "nanoo"]) == 2
    assert not Path("runs/nanoo").exists()


def test_a_policy_may_do_without_a_record_of_the_overlap_and_its_verdict_says_so(run: Path) -> None:
    """`overlap: not_recorded` is the only way past a missing record, and it shows on the page."""
    set_policy(0.5)
    path = Path("benchmarks/policies/nano.yaml")
    path.write_text(f"overlap: not_recorded\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    (run / "export" / "overlap.json").unlink()
    assert gate.main(["--recipe", "nano"]) == 0
    assert "leakage was not checked" in (run / "gate" / "summary.md").read_text(encoding="utf-8")


def write_baseline(run: Path, reply_of: Callable[[Any], str]) -> None:
    card = jsonl.read(run / "score" / "adapter" / "metrics.json")["tasks"]["finsight_simulated"]
    verdicts = read_verdicts(run / "score" / "adapter" / "verdicts.jsonl")["finsight_simulated"]
    about = {key: card[key] for key in ("benchmark", "prompt", "generation")}
    replies = {v.item.id: reply_of(v) for v in verdicts}
    jsonl.write(policy.baseline_path("nano"), {"tasks": {"finsight_simulated": {**about, "replies": replies}}})


def test_a_baseline_is_held_against_item_by_item(run: Path) -> None:
    """Equal to the baseline passes the margin; a baseline that was perfect shows the regression."""
    set_policy(0.5)
    write_baseline(run, lambda v: v.reply)
    assert gate.main(["--recipe", "nano"]) == 0
    assert jsonl.read(run / "gate" / "gate.json")["checks"][-1]["rule"] == "change from baseline"
    write_baseline(run, lambda v: gold_reply(v.item))
    assert gate.main(["--recipe", "nano"]) in {1, 3}
    assert jsonl.read(run / "gate" / "gate.json")["checks"][-1]["value"] < 0


def check(p_below: float | None, verdict: Ruling = Ruling.REGRESSED) -> checks.Check:
    return checks.Check("t", "m", "floor", 0.5, 0.4, 0.3, 0.49, 100, verdict, 0.1, p_below=p_below)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([0.001], ["regressed"]),
        ([0.02], ["regressed"]),
        ([0.02, 0.6], ["inconclusive", "inconclusive"]),
        ([0.001, 0.02, 0.9], ["regressed", "inconclusive", "inconclusive"]),
        ([0.02, None], ["regressed", "regressed"]),
    ],
)
def test_a_regression_bears_the_correction_or_is_inconclusive(given: list[float | None], found: list[str]) -> None:
    """Holm over all checks that have a p; one that falls out says why, one without an interval does not count."""
    made = checks.corrected([check(p) for p in given])
    assert [str(one.verdict) for one in made] == found
    for one in made:
        assert (one.verdict is Ruling.INCONCLUSIVE) == ("Holm" in one.why)


def test_what_broke_and_what_was_fixed_is_listed_item_by_item(run: Path) -> None:
    """Against a perfect baseline every wrong item is broken and none fixed; the summary shows labels, not replies."""
    set_policy(0.5)
    write_baseline(run, lambda v: gold_reply(v.item))
    gate.main(["--recipe", "nano"])
    found = jsonl.read(run / "gate" / "gate.json")["flips"]
    kinds = found["tasks"]["finsight_simulated"]
    verdicts = read_verdicts(run / "score" / "adapter" / "verdicts.jsonl")["finsight_simulated"]
    wrong = [v.item.id for v in verdicts if flips.said(v) != f"{v.item.sentiment}/{v.item.risk_level}"]
    assert found["against"] == "accepted baseline"
    assert ([row["id"] for row in kinds["broken"]], kinds["fixed"]) == (wrong, [])
    assert wrong
    summary = (run / "gate" / "summary.md").read_text(encoding="utf-8")
    assert f"`finsight_simulated` against the accepted baseline: {len(wrong)} broken, 0 fixed" in summary
    assert all(row["before"] == row["gold"] != row["after"] for row in kinds["broken"])


def test_accept_makes_a_gated_run_the_baseline_and_keeps_the_history(run: Path) -> None:
    """The accepted run passes against itself; a second one is added to the history with its reason and figures."""
    set_policy(0.5)
    assert gate.main(["--recipe", "nano"]) == 0
    assert gate.main(["accept", "--recipe", "nano", "--reason", "first release"]) == 0
    assert gate.main(["--recipe", "nano"]) == 0
    found = jsonl.read(run / "gate" / "gate.json")
    assert found["baseline"] == "benchmarks/baselines/nano.json"
    assert found["flips"]["tasks"]["finsight_simulated"] == {"broken": [], "fixed": []}
    assert found["checks"][-1]["value"] == 0.0
    assert gate.main(["accept", "--recipe", "nano", "--reason", "again"]) == 0
    history = jsonl.read(policy.baseline_path("nano"))["history"]
    assert [(row["reason"], row["verdict"]) for row in history] == [("first release", "pass"), ("again", "pass")]
    first = history[0]["figures"]["finsight_simulated/sentiment_f1"]
    assert 0 < first["low"] < first["value"] < first["high"] <= 1
    assert history[0]["tasks"]["finsight_simulated"]["benchmark"]["set"] == "simulated"


def test_accept_gates_the_run_itself_and_puts_the_verdict_on_record(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the gate would stop needs an explicit decision that names it; verdict, decision and reason are kept."""
    set_policy(0.999)
    accept = ["accept", "--recipe", "nano", "--reason", "the only one we have"]
    for more, said in (
        ([], "the gate would stop this candidate: regressed; nothing was written"),
        (["--despite", "exposed"], "--despite is exposed, the verdict is regressed"),
    ):
        assert gate.main([*accept, *more]) == 2
        assert said in capsys.readouterr().err
        assert not policy.baseline_path("nano").exists()
    assert gate.main([*accept, "--despite", "regressed"]) == 0
    assert "WARNING: this baseline is accepted although: regressed" in capsys.readouterr().err
    (entry,) = jsonl.read(policy.baseline_path("nano"))["history"]
    assert (entry["verdict"], entry["despite"]) == ("regressed", "regressed")


def test_a_decision_on_nothing_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A candidate that passes has nothing to be overruled; without the flag its entry has no such key."""
    set_policy(0.5)
    accept = ["accept", "--recipe", "nano", "--reason", "x"]
    assert gate.main([*accept, "--despite", "regressed"]) == 2
    assert "the verdict is pass: there is nothing to be overruled" in capsys.readouterr().err
    assert gate.main(accept) == 0
    assert not {"despite", "exposed"} & set(jsonl.read(policy.baseline_path("nano"))["history"][0])
    assert "WARNING" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["acept"],
            "there is no 'acept' (did you mean 'accept'?); there are: `finsight-gate accept`, `finsight-gate rec",
        ),
        (["recrod", "--out", "x"], "(did you mean 'record'?)"),
        (["nano"], "there is no 'nano'; there are"),
        (["\x1b[31m"], "there is no '\\\\x1b[31m'"),
    ],
)
def test_a_word_that_is_no_command_is_told_the_nearest(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line, before anything is read."""
    assert gate.main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_accept_refuses_figures_changed_by_hand(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A score that is not what its manifest says makes no baseline."""
    set_policy(0.5)
    path = run / "score" / "adapter" / "metrics.json"
    jsonl.write(path, {**jsonl.read(path), "name": "another"})
    assert gate.main(["accept", "--recipe", "nano", "--reason", "x"]) == 2
    assert "changed after it was made" in capsys.readouterr().err
    assert not policy.baseline_path("nano").exists()


def test_a_baseline_that_cannot_be_compared_any_more_is_replaced_and_its_history_kept(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a change of settings the gate refuses the old baseline, and accept still gets out of the dead end."""
    set_policy(0.5)
    assert gate.main(["accept", "--recipe", "nano", "--reason", "first"]) == 0
    whole = jsonl.read(policy.baseline_path("nano"))
    whole["tasks"]["finsight_simulated"]["generation"] = {"max_gen_toks": 1}
    jsonl.write(policy.baseline_path("nano"), whole)
    assert gate.main(["--recipe", "nano"]) == 2
    assert gate.main(["accept", "--recipe", "nano", "--reason", "longer replies"]) == 0
    assert "not held against the baseline that is replaced" in capsys.readouterr().out
    assert [row["reason"] for row in jsonl.read(policy.baseline_path("nano"))["history"]] == ["first", "longer replies"]
    assert gate.main(["--recipe", "nano"]) == 0


@pytest.mark.parametrize("reason", ["", "  "])
def test_accept_wants_a_reason(run: Path, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A baseline that nobody can account for is refused."""
    set_policy(0.5)
    gate.main(["--recipe", "nano"])
    assert gate.main(["accept", "--recipe", "nano", "--reason", reason]) == 2
    assert "--reason is blank" in capsys.readouterr().err


def test_a_baseline_of_other_items_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A baseline without a reply to one item, or made under another setting, is no baseline."""
    set_policy(0.5)
    write_baseline(run, lambda v: v.reply)
    path = policy.baseline_path("nano")
    whole = jsonl.read(path)
    broken = copy.deepcopy(whole)
    broken["tasks"]["finsight_simulated"]["replies"].popitem()
    jsonl.write(path, broken)
    assert gate.main(["--recipe", "nano"]) == 2
    whole["tasks"]["finsight_simulated"]["generation"] = {"max_gen_toks": 1}
    jsonl.write(path, whole)
    assert gate.main(["--recipe", "nano"]) == 2
    error = capsys.readouterr().err
    assert "119 of 120 items were evaluated" in error
    assert "generation setting max_gen_toks is 1 in baseline benchmarks/baselines/nano.json, 200 in adapter" in error


def test_a_missing_overlap_record_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has checked that the training data holds no benchmark item: no verdict."""
    (run / "export" / "overlap.json").unlink()
    assert gate.main(["--recipe", "nano"]) == 2
    assert "no record of the overlap" in capsys.readouterr().err


def test_an_overlap_record_of_another_benchmark_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The record must have looked at the very items that were scored."""
    record = jsonl.read(run / "export" / "overlap.json")
    record["sets"]["news"]["sha256"]["test"] = "0" * 64
    jsonl.write(run / "export" / "overlap.json", record)
    reseal(run / "export")
    assert gate.main(["--recipe", "nano"]) == 2
    assert "compared the training data with benchmark news 0000" in capsys.readouterr().err


def test_figures_changed_by_hand_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """metrics.json must be what its manifest says."""
    path = run / "score" / "adapter" / "metrics.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.", "1.", 1), encoding="utf-8")
    assert gate.main(["--recipe", "nano"]) == 2
    assert "changed after it was made" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_policy_loads(path: Path) -> None:
    """What we ship is valid."""
    assert policy.load(path).tasks()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("floors:", "flors:"), r"unknown key 'flors' \(did you mean 'floors'\?\)"),
        (
            ("finsight_simulated/sentiment_f1: 0.5", "finsight_simulatd/sentiment_f1: 0.5"),
            "did you mean 'finsight_simulated'",
        ),
        (
            ("finsight_simulated/sentiment_f1: 0.5", "finsight_simulated/sentiment_f2: 0.5"),
            "did you mean 'sentiment_f1'",
        ),
        (("risk_accuracy: 0.05", "risk_accuracy: -0.05"), "at least 0 is expected"),
        (("risk_accuracy: 0.05", "risk_kappa: 0.05"), "counts answers only"),
        (("risk_accuracy: 0.05", "risk_accuracy: 5"), "0.95, not 95"),
        (("name: nano", "name: other"), "the file is called 'nano'"),
        (("inconclusive_blocks: true", "inconclusive_blocks: 1"), "bool is expected"),
        (("name: nano", "name: nano\noverlap: non_recorded"), r"did you mean 'not_recorded'\?"),
        (("name: nano", "name: nano\nexposures: blocks"), r"exposures is 'blocks', .*did you mean 'block'\?"),
    ],
)
def test_a_wrong_policy_is_refused(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """Unknown keys, tasks and metrics suggest the nearest; a name that is not the file's is refused."""
    path = tmp_path / "nano.yaml"
    path.write_text(POLICY.format(floor=0.5, blocks="true").replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        policy.load(path)


def test_a_policy_without_bounds_is_refused(tmp_path: Path) -> None:
    """A gate that lets everything pass is no gate."""
    path = tmp_path / "nano.yaml"
    path.write_text("name: nano\ninconclusive_blocks: true\nfloors: {}\ngains: {}\nmargins: {}\n", encoding="utf-8")
    with pytest.raises(InputError, match="both empty"):
        policy.load(path)


@pytest.mark.parametrize("bound", [".nan", ".inf", "-.inf", "9" * 400, "-" + "9" * 400])
def test_a_bound_is_a_number_that_a_figure_can_reach(tmp_path: Path, bound: str) -> None:
    """NaN holds for nothing and infinity for everything: the policy is refused with the bound and its value."""
    path = tmp_path / "p.yaml"
    for key in ("floors", "gains", "margins"):
        other = "" if key == "floors" else "floors: {finsight/risk_accuracy: 0.5}\n"
        text = f"name: p\ninconclusive_blocks: true\n{other}{key}: {{finsight/json_parse_rate: {bound}}}\n"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=r"bound of 'finsight/json_parse_rate' is (nan|-?inf)"):
            policy.load(path)


def test_no_crash_is_a_verdict_and_no_verdict_survives_one(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect of ours ends with 70, beside 1 for regressed, and leaves no verdict of an earlier day."""
    set_policy(0.5)
    assert gate.main(["--recipe", "nano"]) == 0
    set_policy(0.6)

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(contest, "of_run", broken)
    monkeypatch.setattr(contest, "of_files", broken)
    assert gate.main(["--recipe", "nano"]) == 70
    assert not (run / "gate" / "gate.json").exists()
    for name in ("gate.json", "junit.xml", "summary.md"):
        (run / name).write_text("{}", encoding="utf-8")
    given = ["--policy", "benchmarks/policies/nano.yaml", "--candidate", "out", "--out", str(run)]
    assert gate.main(given) == 70
    assert not [path for path in run.iterdir() if path.is_file()]


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ('{"name": "my-app"}', "is there and no baseline"),
        ('{"history": null, "tasks": {}}', "history is None, a list is expected"),
        ('{"history": 5, "tasks": {}}', "history is 5, a list is expected"),
        ("# Notes", "not valid JSON"),
    ],
)
def test_accept_overwrites_nothing_but_a_baseline(
    run: Path, there: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file of the user's that is no baseline is kept to the last byte."""
    set_policy(0.5)
    Path("package.json").write_text(there, encoding="utf-8")
    given = ["accept", "--policy", "benchmarks/policies/nano.yaml", "--candidate", str(run), "--reason", "x"]
    assert gate.main([*given, "--baseline", "package.json"]) == 2
    assert said in capsys.readouterr().err
    assert Path("package.json").read_text(encoding="utf-8") == there
