"""The comparison: who may be compared, what "shown" means among many models, and a page that nothing hostile leaves."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import compare, jsonl, manifest, report, score
from finsight_eval.comparing import pairwise
from finsight_eval.comparing.comparison import MAJORITY, comparison_of
from finsight_eval.comparing.cost import Cost, cost_of, seconds_cell, usd_cell
from finsight_eval.comparing.data import contender
from finsight_eval.comparing.rules import common_tasks, with_teacher
from finsight_eval.errors import InputError
from finsight_eval.figures import Difference
from finsight_eval.plotting.picture import drawn, file_name, markup
from finsight_eval.public import PUBLIC, PublicSet
from finsight_eval.records import PublicItem
from finsight_eval.verdicts import read_verdicts, verdict_of
from tests.finsight_eval.synthetic_run import (
    STAMP,
    copied_run,
    gold_reply,
    make_item,
    make_run,
    noisy_reply,
    write_samples,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from finsight_eval.comparing.data import Contender

RUNS = Path("runs")
HOSTILE = "a|b](javascript:x) <script>$\\frac{"


@pytest.fixture(scope="module")
def scored_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a scored run, and a folder of samples that equal the run's adapter, made once."""
    root = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        run = make_run(root, patch, sizes=(40, 60))
        assert score.main(["--recipe", "nano"]) == 0
        for path in (run / "eval" / "adapter").rglob("samples_*.jsonl"):
            (root / "out" / "elsewhere").mkdir(parents=True, exist_ok=True)
            shutil.copy(path, root / "out" / "elsewhere")
    return root


@pytest.fixture
def run(scored_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the scored run, in the working directory."""
    return copied_run(scored_root, tmp_path / "project", monkeypatch)


def accepted(run: Path) -> Path:
    """Write the baseline that accepting the run's adapter would write."""
    cards = jsonl.read(run / "score" / "adapter" / "metrics.json")["tasks"]
    verdicts = read_verdicts(run / "score" / "adapter" / "verdicts.jsonl")
    tasks = {
        task: {key: cards[task][key] for key in ("benchmark", "prompt", "generation")}
        | {"replies": {v.item.id: v.reply for v in found}}
        for task, found in verdicts.items()
    }
    path = Path("benchmarks/baselines/nano.json")
    jsonl.write(path, {"name": "nano", "tasks": tasks, "history": []})
    return path


def edited(change: Callable[[list[dict[str, Any]]], None], task: str = "finsight") -> None:
    """Change the rows of the samples below out/elsewhere."""
    path = Path(f"out/elsewhere/samples_{task}_{STAMP}.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(rows)
    write_samples(path, rows)


@pytest.mark.parametrize(
    ("given", "name", "tasks"),
    [
        ("runs/nano", "nano", 2),
        ("nano", "nano", 2),
        ("nano:base", "nano:base", 2),
        ("runs/nano:teacher", "nano:teacher", 2),
        ("runs/nano/score/base", "nano:base", 2),
        ("runs/nano/score/adapter", "nano", 2),
        ("out/elsewhere", "elsewhere", 2),
        (f"out/elsewhere/samples_finsight_{STAMP}.jsonl", "elsewhere", 1),
        ("seed  2=out/elsewhere", "seed 2", 2),
    ],
)
def test_every_kind_of_source_is_read(run: Path, given: str, name: str, tasks: int) -> None:
    """A run, another model of it, its scored folder, samples from elsewhere: each by its name or one of its own."""
    found = contender(given, RUNS)
    assert (found.name, len(found.score["tasks"])) == (name, tasks)


def test_a_baseline_and_a_scored_folder_are_read_too(run: Path) -> None:
    """An accepted baseline and what `finsight-score --out` wrote hold the same answers as the run itself."""
    assert score.main([*map(str, Path("out/elsewhere").iterdir()), "--out", "scored"]) == 0
    replies = [v.reply for v in contender("nano", RUNS).verdicts["finsight"]]
    for source in (str(accepted(run)), "scored"):
        assert [v.reply for v in contender(source, RUNS).verdicts["finsight"]] == replies


def test_a_record_is_read_once(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds every reply of a model: two readings would take twice the time and memory."""
    path, seen = accepted(run), []
    read = jsonl.read

    def noted(asked: Path) -> jsonl.Row:
        seen.append(asked)
        return read(asked)

    monkeypatch.setattr(jsonl, "read", noted)
    for wanted, tasks in (((), 2), (("finsight",), 1)):
        seen.clear()
        assert len(contender(str(path), RUNS, wanted).score["tasks"]) == tasks
        assert seen.count(path) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nothing", "not there, nor below runs/; give a run"),
        ("nano:bese", "no model 'bese' (did you mean 'base'?)"),
        ("=nano", "no name before '='"),
        ("", "not there"),
        ("out", None),
        ("benchmarks/suites/nano.yaml", "not valid JSON"),
        ("benchmarks/news/manifest.json", "no record of replies"),
        ("benchmarks", "no samples_*.jsonl below it"),
    ],
)
def test_what_holds_no_answers_is_refused(run: Path, given: str, said: str | None) -> None:
    """A wrong source is named with what is allowed; a folder with samples somewhere below it is fine."""
    if said is None:
        assert contender(given, RUNS).name == given
        return
    with pytest.raises(InputError, match=re.escape(said)):
        contender(given, RUNS)


def test_a_changed_file_of_a_run_is_refused(run: Path) -> None:
    """Figures of a run are read only while they are what the stage wrote."""
    with (run / "score" / "adapter" / "verdicts.jsonl").open("a", encoding="utf-8") as stream:
        stream.write("\n")
    with pytest.raises(InputError, match="changed after it was made"):
        contender("nano", RUNS)


def _other_prompt(rows: list[dict[str, Any]]) -> None:
    rows[3]["arguments"]["gen_args_0"]["arg_0"] = "Say something."


def _no_reply(rows: list[dict[str, Any]]) -> None:
    rows[3]["resps"] = [[None]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_prompt, "made with another prompt"),
        (_no_reply, "1 items failed"),
        (lambda rows: rows.pop(), "39 of 40 items were evaluated"),
    ],
)
def test_the_incomparable_is_refused(run: Path, change: Callable[[Any], None], said: str) -> None:
    """Another prompt, a failed item, a limited run: no figure is printed; what is untouched is compared."""
    edited(change)
    both = [contender("nano", RUNS), contender("out/elsewhere", RUNS)]
    with pytest.raises(InputError, match=said):
        common_tasks(both, [])
    assert common_tasks(both, ["finsight_simulated"]) == ["finsight_simulated"]


def test_another_version_of_the_benchmark_is_refused(run: Path) -> None:
    """Scores on two versions of a set are not compared, though each is whole."""
    found = jsonl.read(run / "score" / "base" / "metrics.json")
    found["tasks"]["finsight"]["benchmark"]["sha256"] = "0" * 64
    jsonl.write(run / "score" / "base" / "metrics.json", found)
    sealed = jsonl.read(run / "score" / "base" / manifest.NAME)
    outputs = manifest.outputs_of(run / "score" / "base")
    jsonl.write(run / "score" / "base" / manifest.NAME, {**sealed, "outputs": outputs})
    with pytest.raises(InputError, match=r"benchmark is .* in nano, news 0000000000000000 in nano:base"):
        common_tasks([contender("nano", RUNS), contender("nano:base", RUNS)], [])


@pytest.mark.parametrize(
    ("given", "tasks", "said"),
    [
        (["nano"], [], "at least two models"),
        (["nano", "nano"], [], "'nano' stands for 2 models"),
        (["nano", "nano:base"], ["finsight_zh"], "no answers to finsight_zh; there are: finsight, finsight_simulated"),
        (["nano", f"out/elsewhere/samples_finsight_{STAMP}.jsonl"], ["finsight_simulated"], "elsewhere: no answers"),
    ],
)
def test_a_comparison_needs_two_names_and_a_common_task(
    run: Path, given: list[str], tasks: list[str], said: str
) -> None:
    """One model, one name twice, or a task that one of them lacks: said, not compared."""
    with pytest.raises(InputError, match=re.escape(said)):
        common_tasks([contender(one, RUNS) for one in given], tasks)


def test_settings_of_generation_may_differ_and_are_named(run: Path) -> None:
    """Other settings are no reason to refuse, but the page says which, of whom; the same are not listed."""

    def longer(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["arguments"]["gen_args_0"]["arg_1"]["max_gen_toks"] = 512

    edited(longer)
    assert report.main(["compare", "nano", "out/elsewhere", "nano:teacher"]) == 0
    text = Path("reports/compare.md").read_text(encoding="utf-8")
    assert "- max_gen_toks: nano 200; elsewhere 512 (`finsight`)" in text
    assert "- do_sample" not in text
    assert "Not recorded: **nano&#58;teacher**." in text


def test_rendering_twice_gives_the_same_bytes(run: Path) -> None:
    """Page and pictures are a function of the answers, and a picture of an earlier comparison does not stay."""
    given = ["nano", "nano:base", "out/elsewhere", str(accepted(run))]
    assert compare.main(given) == 0
    once = {path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()}
    names = ("ranking_finsight", "ranking_finsight_simulated", "agreement_finsight", "agreement_finsight_simulated")
    pictures = {Path(f"reports/compare/{name}{dark}.png") for name in names for dark in ("", "-dark")}
    assert set(once) == {Path("reports/compare.md"), *pictures}
    Path("reports/compare/ranking_old.png").write_bytes(b"")
    assert compare.main(given) == 0
    assert {path: path.read_bytes() for path in sorted(Path("reports").rglob("*")) if path.is_file()} == once


def test_hostile_names_stay_inert(run: Path) -> None:
    """A model's name is whoever's: no tag, no link and no formula comes to life in page or picture."""
    assert compare.main(["nano", f"{HOSTILE}=out/elsewhere"]) == 0
    text = Path("reports/compare.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "](javascript" not in text
    assert "&#60;script&#62;" in text


def test_the_page_has_its_sections_and_context(run: Path) -> None:
    """Answer, models, one section a task with the floor beside it, cost, agreement, items, reading aid."""
    assert compare.main(["nano", "nano:base", "--reference", "nano:base", "--task", "finsight"]) == 0
    text = Path("reports/compare.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == [
        "What was compared",
        "Hand-written news (`finsight`, n 40)",
        "Cost against quality",
        "How often two models say the same",
        "Items on which they differ",
        "How to read this",
    ]
    assert f"| _{MAJORITY}: " in text
    assert "Difference to **nano&#58;base** (the chosen reference)" in text
    assert "for all 4 comparisons of this page" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nano", "nano:base", "--reference", "nobody"], "--reference 'nobody' is none of the models"),
        (["nano", "nano:base", "--out", "page.html"], "a page NAME.md is expected"),
    ],
)
def test_a_wrong_option_ends_with_exit_code_2(
    run: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user's mistake is one line and exit code 2."""
    assert compare.main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_baseline_is_held_against_the_same_teacher(run: Path) -> None:
    """A baseline keeps no teacher's labels: it takes those of the run beside it, and its agreement equals the run's."""
    both = with_teacher([contender("nano", RUNS), contender(str(accepted(run)), RUNS)])
    found = comparison_of(both, ["finsight"], None).figures["finsight"]["teacher_agreement"]
    assert found["nano"] == found["nano (accepted)"]
    assert found["nano"]["n"] > 0


def test_different_teachers_are_not_compared(run: Path) -> None:
    """Where the answers were held against different teachers, agreement with "the" teacher is left out."""

    def turned(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["doc"] |= {"teacher_sentiment": "Neutral", "teacher_risk_level": "Medium"}

    edited(turned)
    both = [contender("nano", RUNS), contender("out/elsewhere", RUNS)]
    assert "teacher_agreement" not in comparison_of(both, ["finsight"], None).figures["finsight"]
    assert "teacher_agreement" in comparison_of([both[0]], ["finsight"], None).figures["finsight"]


def named(name: str, task: str, replies: list[str], items: list[Any]) -> Contender:
    """Return a contender made of replies."""
    from finsight_eval.comparing.data import Contender

    card = {"benchmark": {"set": "none", "sha256": "0"}, "prompt": "", "generation": {}, "n": len(items)}
    verdicts = [verdict_of(item, reply) for item, reply in zip(items, replies, strict=True)]
    return Contender(name, name, {"tasks": {task: card}}, {task: verdicts})


def test_the_best_of_many_equals_is_not_called_better() -> None:
    """Eight models of one skill: none is shown to differ; one that is right throughout is shown above them all."""
    items = [make_item(number) for number in range(150)]
    rng = random.Random(5)
    equals = [
        named(f"seed {k}", "other", [noisy_reply(item, rng, 0.5, 1.0) for item in items], items) for k in range(8)
    ]
    found = comparison_of(equals, ["other"], None)
    assert found.tested() == 28 * 3  # parse rate, F1, risk: no teacher, no pairs
    assert not any(pair.shown() for pair in found.pairs)
    assert any(pair.p is not None and pair.p < 0.05 for pair in found.pairs), "some would be called so uncorrected"
    best = named("gold", "other", [gold_reply(item) for item in items], items)
    again = comparison_of([*equals, best], ["other"], None)
    assert again.ranked("other", "sentiment_f1")[0] == "gold"
    assert len(again.lower("other", "sentiment_f1")) == 8


@pytest.mark.parametrize(
    ("names", "shown", "expected"),
    [
        ("abc", [], {"a": "a", "b": "a", "c": "a"}),
        ("abc", ["ac"], {"a": "a", "b": "a b", "c": "b"}),
        ("abc", ["ab", "ac", "bc"], {"a": "a", "b": "b", "c": "c"}),
        ("abcd", ["ad", "bd"], {"a": "a", "b": "a", "c": "a b", "d": "b"}),
        ("abcd", ["bc"], {"a": "a b", "b": "a", "c": "b", "d": "a b"}),
        ("a", [], {"a": "a"}),
    ],
)
def test_letters_are_shared_by_those_not_shown_to_differ(
    names: str, shown: list[str], expected: dict[str, str]
) -> None:
    """Two models share a letter exactly where their difference is not shown."""
    found = pairwise.letters(list(names), {frozenset(pair) for pair in shown})
    assert found == expected
    for one in names:
        for other in set(names) - {one}:
            share = set(found[one].split()) & set(found[other].split())
            assert bool(share) == ({one, other} not in [set(pair) for pair in shown])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Difference(0.1, 0.0, 0.2, 50), 0.05),
        (Difference(-0.1, -0.2, 0.0, 50), 0.05),
        (Difference(0.0, -0.1, 0.1, 50), 1.0),
        (Difference(0.1, 0.0, 0.2, 50, p=0.3), 0.3),
        (Difference(0.1, None, None, 50), None),
        (Difference(None, None, None, 0), None),
    ],
)
def test_p_is_that_of_the_test_or_of_the_interval(found: Difference, expected: float | None) -> None:
    """An interval that just touches nought means p = .05; the exact p of a rate goes before; no interval, no p."""
    assert pairwise.p_of(found) == (expected if expected is None else pytest.approx(expected))


def test_a_turned_pair_says_the_same_the_other_way() -> None:
    """`between` turns sign and ends, and never prints a negative nought."""
    pair = pairwise.Pair("t", "m", "a", "b", Difference(0.0, -0.1, 0.3, 9), 0.5, 0.9)
    turned = pairwise.between([pair], "b", "a")
    assert turned is not None
    assert (turned.first, f"{turned.found.value:+.1f}", turned.found.low, turned.found.high) == ("b", "+0.0", -0.3, 0.1)
    assert pairwise.between([pair], "a", "b") is pair
    assert pairwise.between([pair], "a", "c") is None


@pytest.mark.parametrize(
    ("usage", "train", "usd", "seconds"),
    [
        (
            {"usd": 1.5, "unmetered": 0, "price_date": "2026-11-01"},
            {"seconds": 60.0, "hardware": "one GPU"},
            "1.5000",
            "60.0",
        ),
        (
            {"usd": 0.0, "unmetered": 0, "price_date": "embedded"},
            {"seconds": 60.0},
            "0.0000 (embedded",
            "60.0 (hardware",
        ),
        ({"usd": 1.5, "unmetered": 3}, {}, "n/a (3 answers reported no usage)", "n/a (no training time"),
        ({"usd": None}, {"seconds": "long"}, "n/a (no bill in the run)", "n/a (no training time"),
        (None, None, "n/a (no bill in the run)", "n/a (no training time"),
    ],
)
def test_an_unknown_cost_is_not_nothing(tmp_path: Path, usage: Any, train: Any, usd: str, seconds: str) -> None:
    """What no run recorded, or recorded in part, is n/a; a recorded nought is a figure."""
    if usage is not None:
        jsonl.write(tmp_path / "generate" / "usage.json", usage)
        jsonl.write(tmp_path / "train" / manifest.NAME, {"facts": train})
    found = cost_of(tmp_path, "adapter")
    assert usd_cell(found).startswith(usd)
    assert seconds_cell(found).startswith(seconds)
    assert cost_of(tmp_path, "base") == Cost(None, None, "not trained by the run", "not trained by the run")


def test_cost_is_drawn_where_two_models_have_one(run: Path) -> None:
    """One known cost is no comparison; with two there is a picture."""
    shutil.copytree(run, run.with_name("other"))
    facts = jsonl.read(run / "train" / manifest.NAME)
    for name, seconds in (("nano", 101.0), ("other", 55.0)):
        jsonl.write(RUNS / name / "train" / manifest.NAME, {**facts, "facts": {"seconds": seconds}})
    assert compare.main(["nano", "nano:base", "--task", "finsight"]) == 0
    assert not Path("reports/compare/cost.png").exists()
    assert compare.main(["nano", "other", "--task", "finsight"]) == 0
    assert Path("reports/compare/cost-dark.png").is_file()
    assert 'srcset="compare/cost-dark.png"' in Path("reports/compare.md").read_text(encoding="utf-8")


def test_no_text_of_a_public_set_reaches_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ids and labels of others' sets are shown, their texts never; the published figures stand there by kind."""
    from finsight_eval.comparing.page import page

    items = [
        PublicItem(f"fpb-{n}", "en", f"SECRET {n} of others", None, ("Positive", "Neutral")[n % 2]) for n in range(30)
    ]
    monkeypatch.setitem(PUBLIC, "fpb", PublicSet("FPB", "en", (), 30, {}, "none"))
    models = [
        named(name, "finsight_fpb", [gold_reply(make_item(n)) for n in range(shift, 30 + shift)], items)
        for name, shift in (("one", 0), ("two", 1))
    ]
    text = page(comparison_of(models, ["finsight_fpb"], None), "compare", [])
    assert "SECRET" not in text
    assert "fpb-" in text
    assert "| FinBERT | weighted F1 |" in text


def test_pictures_are_named_and_labelled_harmlessly() -> None:
    """File names hold letters and digits only; labels no formula and no character that the font lacks."""
    assert file_name("ranking", "../a b/x") == "ranking_-a-b-x.png"
    assert drawn("a$b$ 中 " + "x" * 50) == r"a\$b\$ ? " + "x" * 22 + "..."
    assert markup('a "b"', "d", "n.png").endswith('<img alt="a &quot;b&quot;" src="d/n.png"></picture>')
