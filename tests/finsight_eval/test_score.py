"""Scoring: from sample files to figures; failures are never scored, and wrong files are refused by name."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import jsonl, score
from finsight_eval.prompt import prompt_of
from finsight_eval.records import PublicItem
from finsight_eval.samples import encoded_prompt, read_samples, task_of
from finsight_eval.verdicts import read_verdicts
from tests.finsight_eval.synthetic_run import STAMP, gold_reply, make_item, make_run, sample_row, seal, write_samples

if TYPE_CHECKING:
    from pathlib import Path

    from finsight_eval.records import AnyItem

ITEMS = [make_item(number) for number in range(12)]
NAME = f"samples_mine_{STAMP}.jsonl"


def rows(count: int = 12) -> list[dict[str, Any]]:
    return [sample_row(number, item, gold_reply(item)) for number, item in enumerate(ITEMS[:count])]


def card_of(folder: Path, task: str = "mine") -> dict[str, Any]:
    card: dict[str, Any] = jsonl.read(folder / "metrics.json")["tasks"][task]
    return card


def test_a_run_is_scored_whole_and_then_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Base, adapter and teacher get verdicts and figures; a second call does nothing and says so."""
    run = make_run(tmp_path, monkeypatch, sizes=(20, 30))
    assert score.main(["--recipe", "nano"]) == 0
    for model in ("base", "adapter", "teacher"):
        found = jsonl.read(run / "score" / model / "metrics.json")
        assert found["model"] == model
        assert {task: card["n"] for task, card in found["tasks"].items()} == {"finsight": 20, "finsight_simulated": 30}
        assert len(read_verdicts(run / "score" / model / "verdicts.jsonl")["finsight"]) == 20
    capsys.readouterr()
    assert score.main(["--recipe", "nano"]) == 0
    assert capsys.readouterr().out.count("unchanged, skipped") == 3


def test_without_a_teacher_its_column_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run without the teacher's answers is scored, and the screen says what is missing."""
    run = make_run(tmp_path, monkeypatch, sizes=(12, 12))
    (run / "teacher").rename(run / "elsewhere")
    assert score.main(["--recipe", "nano"]) == 0
    assert "teacher" in capsys.readouterr().out
    assert not (run / "score" / "teacher").exists()


def test_verdicts_survive_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read back from verdicts.jsonl is what was scored: answers, reasons, failures and the teacher's labels."""
    run = make_run(tmp_path, monkeypatch, sizes=(20, 12))
    score.main(["--recipe", "nano"])
    (path,) = (run / "eval" / "adapter").rglob("samples_finsight_2*.jsonl")
    assert read_verdicts(run / "score" / "adapter" / "verdicts.jsonl")["finsight"] == read_samples(path).verdicts


def test_a_strangers_samples_are_scored_by_their_own_gold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Any sample file of our rows: figures on the screen and, with --out, in files; the full size is not known."""
    path = write_samples(tmp_path / NAME, rows())
    assert score.main([str(path), "--out", str(tmp_path / "out")]) == 0
    assert "json_parse_rate          1.0000" in capsys.readouterr().out
    card = card_of(tmp_path / "out")
    assert (card["n"], card["n_total"], card["failed"]) == (12, None, 0)
    assert card["metrics"]["teacher_agreement"]["value"] is None


def test_a_limited_run_is_recorded_as_such(tmp_path: Path) -> None:
    """5 of 12 items: n says 5, n_total 12."""
    jsonl.write_lines(tmp_path / "gold.jsonl", [item.row() for item in ITEMS])
    path = write_samples(tmp_path / NAME, rows(5))
    out = tmp_path / "out"
    assert score.main([str(path), "--benchmark", str(tmp_path / "gold.jsonl"), "--out", str(out)]) == 0
    assert (card_of(out)["n"], card_of(out)["n_total"]) == (5, 12)


@pytest.mark.parametrize("reply", [None, 7])
def test_a_sample_without_reply_text_is_failed_and_never_scored(tmp_path: Path, reply: Any) -> None:
    """No text is no fault of the model: counted, in no figure. An empty reply is one: it is scored as unreadable."""
    failing = [*rows(11), {**rows(12)[11], "resps": [[reply]]}]
    assert score.main([str(write_samples(tmp_path / NAME, failing)), "--out", str(tmp_path / "out")]) == 1
    card = card_of(tmp_path / "out")
    assert (card["n"], card["failed"], card["metrics"]["json_parse_rate"]["value"]) == (11, 1, 1.0)
    empty = [*rows(11), {**rows(12)[11], "resps": [[""]]}]
    assert score.main([str(write_samples(tmp_path / NAME, empty)), "--out", str(tmp_path / "out")]) == 0
    card = card_of(tmp_path / "out")
    assert (card["n"], card["failed"], card["reasons"]) == (12, 0, {"empty": 1})


def test_a_run_of_failures_only_has_no_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing answered: every figure is missing, none is nought, and no CI job takes that for success."""
    failing = [{**row, "resps": []} for row in rows()]
    assert score.main([str(write_samples(tmp_path / NAME, failing)), "--out", str(tmp_path / "out")]) == 1
    assert "12 of 12 items have no reply" in capsys.readouterr().err
    card = card_of(tmp_path / "out")
    assert card["n"] == 0
    assert all(found["value"] is None for found in card["metrics"].values())


def test_a_lone_surrogate_in_a_reply_does_no_harm(tmp_path: Path) -> None:
    """Half a surrogate pair, which no UTF-8 file can hold, is spelt out; the reply is read all the same."""
    row = sample_row(0, ITEMS[0], "\ud800 not an answer")
    path = tmp_path / NAME
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert score.main([str(path), "--out", str(tmp_path / "out")]) == 0
    assert read_verdicts(tmp_path / "out" / "verdicts.jsonl")["mine"][0].reply == "\\ud800 not an answer"


def test_a_second_filter_of_the_same_replies_is_not_a_duplicate(tmp_path: Path) -> None:
    """lm-eval logs each document once per filter; one of them is read."""
    doubled = [row | {"filter": name} for name in ("none", "other") for row in rows()]
    assert len(read_samples(write_samples(tmp_path / NAME, doubled)).verdicts) == 12


def swapped(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**row, "doc": {**row["doc"], **changes}}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no samples"),
        ([*rows(3), rows(3)[1]], r":4: document 1 .* already stands on line 2"),
        ([*rows(3), {**rows(3)[1], "doc_id": 9}], r":4: document 9 .* already stands on line 2"),
        ([swapped(rows()[0], sentiment="Negative")], "sentiment is 'Negative', the benchmark says 'Positive'"),
        ([swapped(rows()[0], id="news-en-999")], "'news-en-999' is not in the benchmark"),
        ([swapped(rows()[0], sentiment="postive")], ":1: doc: sentiment 'postive' is not one of"),
        ([{"question": "?"}], ":1: no lm-eval sample"),
        (
            [{"doc_id": 0, "doc": {"question": "?", "choices": []}}],
            "keys question, choices: this is no sample of a Fin",
        ),
    ],
)
def test_wrong_sample_files_are_refused(
    tmp_path: Path, lines: list[dict[str, Any]], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Duplicates, another gold, unknown items and foreign files: one line that names file and line, exit code 2."""
    jsonl.write_lines(tmp_path / "gold.jsonl", [item.row() for item in ITEMS])
    path = write_samples(tmp_path / NAME, lines)
    assert score.main([str(path), "--benchmark", str(tmp_path / "gold.jsonl")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(message, error)


@pytest.mark.parametrize(
    ("data", "message"), [(b'{"doc_id": 0', "not valid JSON"), (b"\xff\xfe", "not UTF-8"), (b"[1]", "object")]
)
def test_damaged_files_are_refused(
    tmp_path: Path, data: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cut line, another encoding and a list instead of an object each get their sentence."""
    (tmp_path / NAME).write_bytes(data)
    assert score.main([str(tmp_path / NAME)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "others"), [(0, []), (1, [{**rows(1)[0], "resps": []}]), (2, [{**rows(1)[0], "doc_id": "one"}])]
)
def test_the_exit_code_of_many_files_is_that_of_the_worst(
    tmp_path: Path, code: int, others: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """One file with a failed item among sound ones is 1, one that cannot be read is 2, whatever else there is."""
    write_samples(tmp_path / NAME, rows())
    for number, row in enumerate([rows()[0], *others]):
        write_samples(tmp_path / f"samples_mine_2026-11-23T08-00-00.{number}.jsonl", [row])
    assert score.main([str(tmp_path)]) == code
    assert ("1 of 14 items have no reply" in capsys.readouterr().err) == (code == 1)


@pytest.mark.parametrize(("model", "code"), [("adapter", 1), ("teacher", 0)])
def test_an_item_of_a_recipes_run_without_a_reply_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, code: int
) -> None:
    """A request of the adapter that failed ends in 1, also where its stage is skipped; a teacher's does not."""
    run = make_run(tmp_path, monkeypatch, sizes=(20, 12))
    folder = run / "teacher" if model == "teacher" else run / "eval" / model
    path = next(folder.rglob("news.jsonl" if model == "teacher" else "samples_finsight_2*.jsonl"))
    first, *others = path.read_text(encoding="utf-8").split("\n")
    first = json.dumps(json.loads(first) | {"resps": [], "reply": None, "error": "HTTP 500"})
    path.write_text("\n".join([first, *others]), encoding="utf-8")
    seal(folder)
    assert score.main(["--recipe", "nano"]) == code
    assert score.main(["--recipe", "nano"]) == code
    assert jsonl.read(run / "score" / model / "metrics.json")["tasks"]["finsight"]["failed"] == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (f"results_{STAMP}.json", {"results": {"mine": {}}, "versions": {}}, "is the results file of lm-eval"),
        ("manifest.json", {"stage": "eval base", "outputs": {}}, "is a manifest, which lists files"),
        ("metrics.json", {"model": "base", "contract": 1, "tasks": {}}, "is a file of figures"),
        ("other.json", {"stage": "eval base", "results": {}}, None),
        ("cut.json", None, None),
        (f"samples_mine_{STAMP}9.jsonl", {"doc": {}, "stage": "", "outputs": {}}, None),
    ],
)
def test_a_file_of_another_kind_is_named_with_the_samples_to_give(
    tmp_path: Path, name: str, content: Any, said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A results file, a manifest or figures is no damaged sample file: the error says what it is, and what to give."""
    text = '{"stage": "eval", "outputs": {' if content is None else json.dumps(content, indent=2)
    (tmp_path / name).write_text(text, encoding="utf-8")
    samples = write_samples(tmp_path / NAME, rows())
    assert score.main([str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert (said or f"{name}:1: no") in error
    assert (str(samples) in error) == (said is not None)
    samples.unlink()
    assert score.main([str(tmp_path / name)]) == 2
    assert ("which lm-eval writes with --log_samples" in capsys.readouterr().err) == (said is not None)


def test_two_files_of_one_task_make_no_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which of them the figures of a run are cannot be guessed: --out refuses; without it each is scored on its own."""
    one = write_samples(tmp_path / NAME, rows())
    two = write_samples(tmp_path / "samples_mine_2026-11-23T08-00-00.1.jsonl", rows())
    assert score.main([str(one), str(two), "--out", str(tmp_path / "out")]) == 2
    assert "both hold samples of 'mine'" in capsys.readouterr().err
    assert score.main([str(one), str(two)]) == 0
    assert capsys.readouterr().out.count("sentiment_f1 1.0000") == 2


@pytest.mark.parametrize(
    ("name", "task"),
    [
        (f"samples_finsight_{STAMP}.jsonl", "finsight"),
        (f"samples_finsight_simulated_{STAMP}.jsonl", "finsight_simulated"),
        ("pretrained__Qwen__Qwen2.5_finsight_zh.jsonl", "finsight_zh"),
        ("anything.jsonl", "anything"),
    ],
)
def test_the_task_is_read_off_the_file_name(tmp_path: Path, name: str, task: str) -> None:
    """lm-eval's file names carry the task; another name is the task itself."""
    assert task_of(tmp_path / name) == task


@pytest.mark.parametrize(
    "item",
    [
        ITEMS[0],
        replace(ITEMS[0], text='a "quote", a \\ and\n<|im_end|> 涨停 \0 \x1f \u2028 \U0001f4c8'),
        PublicItem("s-1", "en", "A buys B", 'A "and\0" B', "Neutral"),
        PublicItem("s-2", "en", "You are a financial risk expert. News:", None, "Neutral"),
    ],
)
def test_the_encoded_prompt_is_the_prompt_as_a_sample_file_holds_it(item: AnyItem) -> None:
    """Put together from parts that are encoded once, it is byte for byte what a JSON writer makes of the whole."""
    assert encoded_prompt(item) == json.dumps(prompt_of(item), ensure_ascii=False)[1:-1].encode()


@pytest.mark.parametrize(
    ("key", "value"), [("text", "half \ud800 a pair"), ("features", ["\udc00"]), ("entity", "\ud83d")]
)
def test_half_a_surrogate_pair_in_a_document_is_refused(
    tmp_path: Path, key: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spelt as an escape, the only way in which a file can hold it, it is found; a whole pair so spelt passes."""
    path = tmp_path / NAME
    path.write_text(json.dumps(swapped(rows()[0], **{key: value})) + "\n", encoding="utf-8")
    assert score.main([str(path)]) == 2
    assert "half a surrogate pair" in capsys.readouterr().err
    path.write_text(json.dumps(swapped(rows()[0], text="\U0001f4c8 up")) + "\n", encoding="utf-8")
    assert score.main([str(path)]) == 0


def test_another_prompt_is_noticed(tmp_path: Path) -> None:
    """Samples that were asked differently are scored, but not under our prompt's fingerprint."""
    row = rows()[0]
    row["arguments"]["gen_args_0"]["arg_0"] = "Is this good news? " + row["doc"]["text"]
    assert read_samples(write_samples(tmp_path / NAME, [row])).prompt == "other"
    asked = json.dumps([{"role": "user", "content": rows()[0]["arguments"]["gen_args_0"]["arg_0"]}])
    row["arguments"]["gen_args_0"]["arg_0"] = [asked]
    assert read_samples(write_samples(tmp_path / NAME, [row])).prompt != "other"
