"""Re-scoring: what was recorded, what is true today, and why; any number of files, and strangers' shapes of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import jsonl, lm_task, score
from finsight_eval.errors import InputError
from finsight_eval.rescore import rescored
from finsight_eval.sample_lines import LineReader, line_of
from finsight_eval.samples import Documents, read_samples
from tests.finsight_eval.synthetic_run import STAMP, gold_reply, make_item, sample_row, write_samples

if TYPE_CHECKING:
    from pathlib import Path

ITEMS = [make_item(number) for number in range(12)]
NAME = f"samples_mine_{STAMP}.jsonl"


def evaluated(*broken: int, recorded_as_read: bool = True) -> list[dict[str, Any]]:
    """Return sample rows with lm-eval's values; the replies of `broken` are fenced, recorded as if they had been read
    so, or as if an earlier parser had taken them.
    """
    rows = []
    for number, item in enumerate(ITEMS):
        good = gold_reply(item)
        reply = good.replace("{", "```json\n{") + "\n```" if number in broken else good
        row = sample_row(number, item, reply)
        rows.append({**row, **lm_task.results(row["doc"], [reply if recorded_as_read else good])})
    return rows


def write_results(folder: Path, **changes: Any) -> None:
    """Write what lm-eval lays beside its samples."""
    results = {
        "results": {"mine": {"alias": "mine", "json_parse_rate,none": 1.0, "json_parse_rate_stderr,none": "N/A"}},
        "versions": {"mine": 1.1},
        "n-samples": {"mine": {"original": 12, "effective": 12}},
        "config": {"model": "hf", "limit": None},
        "model_name": "Qwen/Qwen2.5-7B-Instruct",
        "chat_template": "{%- for message in messages %}",
    }
    (folder / f"results_{STAMP}.json").write_text(json.dumps(results | changes), encoding="utf-8")


def test_equal_figures_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is read today as it was recorded is the same, item by item and in the figure."""
    found = rescored(read_samples(write_samples(tmp_path / NAME, evaluated(3))))
    assert set(found) == {*lm_task.LIVE} - {"teacher_agreement"}
    assert all(one.same and not one.changes and one.why == "same as recorded" for one in found.values())
    assert score.main([str(tmp_path / NAME)]) == 0
    assert "same as recorded: json_parse_rate, sentiment_f1" in capsys.readouterr().out


def test_another_reading_names_figures_items_and_reason(tmp_path: Path) -> None:
    """Three fenced replies that an earlier parser took: old figure, new figure, which items, from what to what."""
    path = write_samples(tmp_path / NAME, evaluated(1, 4, 5, recorded_as_read=False))
    assert score.main([str(path), "--out", str(tmp_path / "out")]) == 0
    found = jsonl.read(tmp_path / "out" / "rescored.json")["mine"]
    assert found["json_parse_rate"]["recorded"] == 1.0
    assert found["json_parse_rate"]["value"] == 0.75
    assert found["json_parse_rate"]["source"] == "samples"
    assert found["sentiment_f1"]["items"][0] == {
        "id": "news-en-001", "from": "Neutral", "to": None, "reason": "fenced JSON"
    }  # fmt: skip
    why = "2 Neutral -> no answer (fenced JSON) (news-en-001, news-en-004)"
    assert found["sentiment_f1"]["why"].startswith(f"3 items read differently: {why}, 1 Negative -> no answer")
    assert found["lenient_sentiment_f1"]["why"] == "same as recorded"


def test_missing_and_failed_items_are_causes_of_their_own(tmp_path: Path) -> None:
    """A figure over more items than the samples hold, and a request without a reply, explain a difference."""
    rows = evaluated()
    rows[0] |= {"resps": [], **lm_task.results(rows[0]["doc"], [""])}
    write_results(tmp_path, results={"mine": {"json_parse_rate,none": 0.5, "risk_accuracy,none": float("nan")}})
    found = rescored(read_samples(write_samples(tmp_path / NAME, rows[:10])))
    assert found["json_parse_rate"].why == (
        "2 items of the recorded figure not in the samples; 1 item without a reply, which count no longer"
    )
    assert (found["json_parse_rate"].recorded, found["json_parse_rate"].source) == (0.5, "results")
    assert found["risk_accuracy"].source == "samples"


def test_another_formula_is_told_from_another_reading(tmp_path: Path) -> None:
    """The same contributions item by item and yet another figure: the metric itself was changed."""
    write_results(tmp_path, results={"mine": {"sentiment_f1,none": 0.9}})
    found = rescored(read_samples(write_samples(tmp_path / NAME, evaluated())))["sentiment_f1"]
    assert (found.recorded, found.value) == (0.9, 1.0)
    assert "the metric is computed in another way" in found.why


def test_a_card_says_how_its_samples_were_made(tmp_path: Path) -> None:
    """Version, limit, sizes, chat template and model stand in the card; without a results file they are null."""
    path, out = write_samples(tmp_path / NAME, evaluated()), tmp_path / "out"
    keys = ("task_version", "limit", "n_samples", "chat_template", "model")
    for results, expected in (
        (None, [None] * 5),
        ({}, [1.1, None, {"original": 12, "effective": 12}, True, "Qwen/Qwen2.5-7B-Instruct"]),
        ({"chat_template": None, "config": {"limit": 5}}, [1.1, 5, {"original": 12, "effective": 12}, False, ...]),
        ({"chat_template": "", "n-samples": [], "model_source": "CUSTOM"}, [1.1, None, None, None, "hf"]),
    ):
        if results is not None:
            write_results(tmp_path, **results)
        score.main([str(path), "--out", str(out)])
        card = jsonl.read(out / "metrics.json")["tasks"]["mine"]
        assert [card[key] if want is not ... else ... for key, want in zip(keys, expected, strict=True)] == expected


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_results_file_is_named(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not skipped in silence: the gate relies on what it says."""
    (tmp_path / f"results_{STAMP}.json").write_text(content, encoding="utf-8")
    assert score.main([str(write_samples(tmp_path / NAME, evaluated()))]) == 2
    assert re.search(rf"results_{STAMP}\.json: .*take it away", capsys.readouterr().err)


def test_many_files_are_scored_past_the_bad_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a file and a table; the bad file is named with its reason, and the exit code says so."""
    for number in range(4):
        broken = (number,) if number else ()
        write_samples(
            tmp_path / "runs" / f"samples_mine_{STAMP}{number}.jsonl", evaluated(*broken, recorded_as_read=False)
        )
    (tmp_path / "runs" / f"samples_mine_{STAMP}9.jsonl").write_text("{\n", encoding="utf-8")
    assert score.main([str(tmp_path / "runs")]) == 2
    out, err = capsys.readouterr()
    assert out.count("json_parse_rate 0.9167") == 3
    assert "same as recorded\n" in out
    assert "json_parse_rate 1.0000 -> 0.9167: 1 item read differently: 1 1 -> 0 (fenced JSON) (news-en-001)" in out
    assert re.search(r"mine +4 +48 +0 +3 +0\.9\d+ +0\.9\d+ +1\.0000", out)
    assert re.search(r"samples_mine_.*9\.jsonl:1: not valid JSON", err)
    assert "1 of 5 files were not scored" in err
    assert score.main([str(tmp_path / "nowhere")]) == 2
    (tmp_path / "empty").mkdir()
    assert score.main([str(tmp_path / "empty")]) == 2
    assert "no samples_*.jsonl below it" in capsys.readouterr().err


def strangers() -> dict[str, list[dict[str, Any]]]:
    """Return the same samples in the shapes of other versions of lm-eval."""
    rows = evaluated()
    asked = [row["arguments"]["gen_args_0"] for row in rows]
    shapes: dict[str, list[dict[str, Any]]] = {
        "as they are": rows,
        "arguments as a list of lists": [
            {**row, "arguments": [[a["arg_0"], a["arg_1"]]]} for row, a in zip(rows, asked, strict=True)
        ],
        "arguments as a list of objects": [{**row, "arguments": [a]} for row, a in zip(rows, asked, strict=True)],
        "chat messages": [
            {**row, "arguments": [[json.dumps([{"role": "user", "content": a["arg_0"]}]), a["arg_1"]]]}
            for row, a in zip(rows, asked, strict=True)
        ],
        "replies nested deeper": [{**row, "resps": [[[row["resps"][0][0], False]]]} for row in rows],
        "filtered replies only": [{k: v for k, v in row.items() if k != "resps"} for row in rows],
        "no doc_id": [{k: v for k, v in row.items() if k != "doc_id"} for row in rows],
        "no teacher": [
            {**row, "doc": {k: v for k, v in row["doc"].items() if not k.startswith("teacher")}} for row in rows
        ],
        "several filters": [{**row, "filter": name} for row in rows for name in ("none", "strip")],
        "another order of keys": [dict(reversed(row.items())) for row in rows],
        "another order of documents": rows[::-1],
    }
    return shapes


@pytest.mark.parametrize("shape", strangers())
def test_strangers_shapes_are_read_as_ours(tmp_path: Path, shape: str) -> None:
    """Whatever the version of lm-eval, the same replies give the same verdicts, prompt and generation settings."""
    ours = read_samples(write_samples(tmp_path / NAME, evaluated()))
    theirs = read_samples(write_samples(tmp_path / f"other_{NAME}", strangers()[shape]))
    assert theirs.verdicts == ours.verdicts
    assert (theirs.prompt, theirs.generation, theirs.recorded) == (ours.prompt, ours.generation, ours.recorded)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_file_that_is_one_list_is_read(tmp_path: Path, indent: int | None) -> None:
    """lm-eval wrote its samples so before 0.4.3; escaped or not, the prompt is recognised."""
    path = tmp_path / NAME
    path.write_text(json.dumps(evaluated(), indent=indent), encoding="utf-8")
    ours = read_samples(write_samples(tmp_path / f"other_{NAME}", evaluated()))
    assert read_samples(path).verdicts == ours.verdicts
    assert read_samples(path).prompt == ours.prompt != "other"


LINE = json.dumps(
    evaluated()[0] | {"doc_hash": "1", "prompt_hash": "2", "target_hash": "3", "last": 1.0}, ensure_ascii=False
)


@pytest.mark.parametrize(
    "line",
    [
        LINE,
        LINE.replace('"target_hash"', '"other_hash"'),
        LINE.replace('"lang"', '"resps": [["x"]], "lang"'),
        LINE.replace('"lang"', '"target": "x", "lang"'),
        LINE.replace("Company 0", 'a, \\"resps\\": [[\\"no\\"]], \\"filter\\": 1'),
        LINE.replace(', "filter": ', ', "filtered": '),
        LINE.replace("do_sample", "resps"),
        '{"doc_id": 1, "doc": 2, "target": 3, "arguments": 4, "resps": 5, "filtered_resps": 6, "filter": 7}',
        '{"a": 1}',
    ],
)
def test_a_line_decoded_in_part_says_what_the_whole_line_says(line: str) -> None:
    """Markers inside strings, deeper keys and other orders do not mislead, nor does what is remembered."""
    whole, reader = line_of(json.loads(line)), LineReader[dict[str, Any]]()
    assert whole is not None
    for _ in range(2):
        found = reader.read(line.encode())
        assert found is not None
        arguments = json.loads(found.arguments) if isinstance(found.arguments, bytes) else found.arguments
        document = found.asked or found.doc
        assert (found.doc_id, document, arguments) == (whole.doc_id, whole.doc, whole.arguments)
        assert (found.replies, found.filter, found.recorded) == (whole.replies, whole.filter, whole.recorded)
        reader.remember(found, document)
    with pytest.raises(ValueError, match=r"Expecting|Extra|Unterminated|delimiter"):
        LineReader[Any]().read(line[:-1].encode())


OTHERS = {
    "another reply": LINE.replace("owners", "lenders"),
    "another document": LINE.replace('"Company 0', '"Company 9'),
    "another order of the settings": LINE.replace('"do_sample": false', '"do_sample":  false'),
    "another prompt": LINE.replace('"arg_0": "', '"arg_0": "Hello. '),
    "a document cut off": LINE.replace('"doc": {', '"doc": '),
    "replies that are no list": LINE.replace('"resps": [[', '"resps": [').replace("]], ", "], "),
    "a reply that is null": re.sub(r'"resps": \[\[.*?\]\]', '"resps": [[null]]', LINE),
    "no second copy of the reply": LINE.replace('"filtered_resps"', '"filtered"'),
    "damaged after the reply": LINE.replace(', "filter": ', ', "filter" '),
    "cut off inside the reply": LINE[: LINE.index('"resps"') + 30],
    "cut off before the reply": LINE[: LINE.index('"resps"') - 3],
    "half a surrogate pair": LINE.replace('"resps": [["', '"resps": [["\\ud800'),
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_a_known_opening_changes_nothing_of_what_a_line_says(line: str) -> None:
    """After a line is remembered, one that is nearly the same says, or is refused for, what it would be without."""
    assert line != LINE
    fresh, knowing = LineReader[Any](), LineReader[Any]()
    first = knowing.read(LINE.encode())
    assert first is not None
    assert first.opening
    knowing.remember(first, first.doc)
    again = knowing.read(LINE.encode())
    assert again is not None
    assert (again.opening, again.asked, again.replies) == (b"", first.doc, first.replies)
    try:
        alone = fresh.read(line.encode())
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            knowing.read(line.encode())
        return
    found = knowing.read(line.encode())
    assert alone is not None
    assert found is not None
    assert (found.doc_id, found.asked or found.doc) == (alone.doc_id, alone.doc)
    assert (found.arguments, found.replies, found.filter, found.recorded) == (
        alone.arguments, alone.replies, alone.filter, alone.recorded
    )  # fmt: skip


def test_many_files_say_together_what_each_says_alone(tmp_path: Path) -> None:
    """What is remembered of one file moves nothing in the next: other prompts, settings, replies, and a null reply."""
    asked = Documents()
    hello = [json.loads(json.dumps(row).replace('"arg_0": "', '"arg_0": "Hello. ')) for row in evaluated(2)]
    greedy = [json.loads(json.dumps(row).replace('"do_sample": false', '"do_sample": true')) for row in evaluated(4)]
    silent = [{**row, "resps": [[None]]} for row in evaluated()]
    mixed = [*hello[:6], *evaluated(7)[6:]]
    for number, rows in enumerate(
        (evaluated(), hello, greedy, silent, mixed, evaluated(1, 3), hello, strangers()["no doc_id"])
    ):
        path = write_samples(tmp_path / str(number) / NAME, rows)
        assert read_samples(path, asked) == read_samples(path)
    assert read_samples(tmp_path / "0" / NAME, asked).prompt != "other"
    assert read_samples(tmp_path / "4" / NAME, asked).prompt == "other"
    settings = [*greedy[:6], *evaluated()[6:]]
    for documents in (asked, None):
        with pytest.raises(InputError, match=r":7: generation setting do_sample is False, on line 1 True"):
            read_samples(write_samples(tmp_path / "9" / NAME, settings), documents)
