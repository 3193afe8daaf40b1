"""`distill.generate` from end to end: what is asked, what is written, what ends the run, and that no key gets out."""

from __future__ import annotations

import errno
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from distill import generate, running
from distill import store as stores
from finsight_eval import jsonl, manifest, prompt
from tests.distill.conftest import KEY, House, item, seal
from tests.distill.mock_teacher import REPLY, MockTeacher, Say, completion, ok, problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.distill.mock_teacher import Ask

#: The two items of the house's benchmark set, which the teacher answers after the corpus.
ITEMS = 2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between attempts."""
    monkeypatch.setattr(running, "_FIRST_PAUSE", 0.01)


def run(house: House) -> int:
    return generate.main([*house.arguments(), "--corpus", str(house.corpus)])


def about(part: str, say: Say) -> Callable[[Ask], Say]:
    """Return a script that says `say` to every text with `part` in it."""
    return lambda ask: say if part in ask.news else ok(ask)


def test_answers_stand_in_the_order_of_the_corpus(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows come back in any order and are written in one; counts, tokens and cost are in the manifest."""
    rng = random.Random(3)
    texts = house.news(40)
    with MockTeacher(lambda _: Say(body=completion(), delay=rng.random() / 50)) as mock:
        house.write_recipe(
            mock.base_url, prompt_price=1.0, cached_price=0.1, completion_price=2.0, price_date="2026-11"
        )
        assert run(house) == 0
        assert sorted(mock.news[:40]) == sorted(texts)
    rows = house.rows("generate/answers.jsonl")
    assert [row["id"] for row in rows] == [f"n-{n}" for n in range(40)]
    assert rows[0] == {
        "id": "n-0",
        "reply": REPLY,
        "finish_reason": "stop",
        "model": "mock-served-1",
        "prompt_tokens": 400,
        "completion_tokens": 50,
    }
    facts = house.manifest("generate")["facts"]
    assert (facts["answered"], facts["failed"], facts["prompt_tokens"], facts["cached_tokens"]) == (40, 0, 16000, 12000)
    said = capsys.readouterr().err
    assert "generate 40/40, 0 failed, " in said
    assert "\r" not in said
    assert facts["usd"] == pytest.approx(40 * (100 * 1.0 + 300 * 0.1 + 50 * 2.0) / 1e6)


def test_teacher_sees_the_text_of_benchmark_items_and_nothing_else(house: House) -> None:
    """The teacher's answers to the benchmark stand apart, and no gold label goes out with the text."""
    house.news(1)
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0
        items = [ask for ask in mock.asked if "Borealis" in ask.news]
    assert [row["id"] for row in house.rows("teacher/little.jsonl")] == ["b-1", "b-2"]
    assert {ask.body["messages"][0]["content"] for ask in items} == {prompt.teacher_prompt(ask.news) for ask in items}
    assert all(set(ask.body) == {"model", "messages", "temperature", "max_tokens"} for ask in items)
    assert "b-1" not in (house.run / "generate" / "answers.jsonl").read_text()


def test_unchanged_run_is_skipped_and_one_row_more_is_one_request_more(house: House) -> None:
    """A finished run asks nothing; with one row added it asks for that row."""
    house.news(10)
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0
        before = len(mock.asked)
        assert before == 10 + ITEMS
        assert run(house) == 0
        assert len(mock.asked) == before
        house.news(11)
        assert run(house) == 0
        assert len(mock.asked) == before + 1
    assert len(house.rows("generate/answers.jsonl")) == 11


def test_equal_texts_are_asked_once(house: House) -> None:
    """Two rows with one text cost one request; the second is named with the first."""
    jsonl.write_lines(house.corpus, [{"id": name, "lang": "en", "text": "Acme rises."} for name in ("a", "b")])
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0
        assert Counter(mock.news)["Acme rises."] == 1
    assert [row["id"] for row in house.rows("generate/answers.jsonl")] == ["a"]
    assert [(row["id"], row["partner"]) for row in house.rows("prepare/removed.jsonl")] == [("b", "a")]


@pytest.mark.parametrize(
    ("change", "again"),
    [({"temperature": 0.5}, 5), ({"extra_body": {"n": 1}}, 5), ({"concurrency": 2}, 0), ({"balance": True}, 0)],
)
def test_store_is_shared_by_settings_that_cannot_change_an_answer(
    house: House, change: dict[str, object], again: int
) -> None:
    """Another temperature is another question; another concurrency is not."""
    house.news(5)
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        run(house)
        before = len(mock.asked)
        house.write_recipe(mock.base_url, **change)
        assert run(house) == 0
        assert len(mock.asked) - before == (again + ITEMS if again else 0)


def test_refused_row_is_named_and_the_rest_goes_on(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """HTTP 400 fails its row: named, counted, exit code 1; the next run asks for that row alone."""
    house.news(10)
    with MockTeacher(about("number 4 ", Say(400, problem("too long")))) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 1
        assert "n-4: HTTP 400: too long" in capsys.readouterr().err
        rows = house.rows("generate/answers.jsonl")
        assert rows[4] == {"id": "n-4", "error": "HTTP 400: too long"}
        assert sum("reply" in row for row in rows) == 9
        before = len(mock.asked)
        assert run(house) == 1
        assert mock.news[before:] == ["Acme wins order number 4 worth 14 million from a shipyard."]
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0


def test_truncated_and_empty_replies_are_answers(house: House) -> None:
    """What the model did badly is its fault: stored and passed on, never asked again nor counted as failed."""
    house.news(2)
    script = {"0": completion("<thinking>cut", "length"), "1": completion(None)}
    with MockTeacher(lambda ask: Say(body=script.get(ask.news.split()[4], completion()))) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0
        assert len(mock.asked) == 2 + ITEMS
    cut, empty = house.rows("generate/answers.jsonl")
    assert (cut["reply"], cut["finish_reason"]) == ("<thinking>cut", "length")
    assert empty["reply"] == ""


def test_missing_usage_stays_missing(house: House) -> None:
    """An answer without usage has unknown tokens, not zero, and is counted as unmetered."""
    house.news(1)
    with MockTeacher(lambda _: Say(body=completion(usage=None))) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0
    assert house.rows("generate/answers.jsonl")[0]["prompt_tokens"] is None
    assert house.manifest("generate")["facts"]["unmetered"] == 1


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (Say(401, problem("Incorrect API key provided")), "the key is not accepted"),
        (Say(402, problem("Insufficient Balance")), "out of money"),
        (Say(404, problem("The model does not exist")), "check model (mock-1)"),
    ],
)
def test_run_stops_at_once_and_keeps_what_came(
    house: House, capsys: pytest.CaptureFixture[str], say: Say, words: str
) -> None:
    """No key, money or model in mid-run: one line, exit code 2; what was in flight is kept, the cure asks the rest."""
    house.news(60)
    with MockTeacher(lambda ask: say if ask.number == 20 else ok(ask)) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 2
        came = len(mock.asked) - 1
        assert came < 20 + 8
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert words in error[0]
    assert not (house.run / "generate").exists()
    assert len(house.rows("store/journal.jsonl")) == came
    port = int(mock.base_url.split(":")[2].split("/")[0])
    with MockTeacher(port=port) as cured:
        assert run(house) == 0
        assert len(cured.asked) == 60 - came + ITEMS


@pytest.mark.parametrize("value", ["", "  ", 'sk-"quoted', "sk-\u00fcmlaut"])
def test_bad_key_is_refused_before_any_request(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str
) -> None:
    """A missing or impossible key names its environment variable and is not shown."""
    house.news(1)
    monkeypatch.setenv("MOCK_KEY", value)
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 2
        assert mock.asked == []
    said = capsys.readouterr().err
    assert "MOCK_KEY" in said
    assert "sk-" not in said


def test_unreachable_endpoint_is_one_line(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listening: the URL, exit code 2, no traceback."""
    house.news(3)
    with MockTeacher() as mock:
        pass
    house.write_recipe(mock.base_url)
    assert run(house) == 2
    assert f"error: {mock.base_url}: cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"id": "n-1", "lang": "en"', "corpus.jsonl:2: not valid JSON"),
        ('{"id": "n-1", "lang": "en", "text": " "}', "corpus.jsonl:2: text is empty"),
    ],
)
def test_bad_corpus_row_is_named(house: House, capsys: pytest.CaptureFixture[str], line: str, words: str) -> None:
    """A row that cannot be asked is named with file and line, and the rest is asked."""
    house.news(1)
    house.corpus.write_text(house.corpus.read_text() + line + "\n")
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 0
        assert len(mock.asked) == 1 + ITEMS
    assert words in capsys.readouterr().err


def test_own_news_must_be_given(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A recipe for the user's own news says so where no file is given."""
    house.write_recipe("http://127.0.0.1:9/v1")
    assert generate.main(house.arguments()) == 2
    assert "--corpus FILE.jsonl" in capsys.readouterr().err


def test_unsealed_benchmark_is_refused(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A benchmark file that is not its manifest's is not answered."""
    house.news(1)
    folder = house.root / "benchmarks" / "little"
    seal(folder, {"dev": [item(1, "One.")], "test": [item(2, "Two.")]})
    (folder / "test.jsonl").write_text((folder / "test.jsonl").read_text().replace("Two", "Three"))
    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 2
    assert "its manifest says" in capsys.readouterr().err


def test_key_is_in_no_file_and_no_output(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    """A provider that echoes the key in replies and errors brings it neither to the disk nor to the screen."""
    house.news(12)
    echo = completion(f"<thinking>{KEY}</thinking>", system_fingerprint=KEY)
    says = [Say(400, problem(f"no {KEY}")), Say(body=echo), Say(500, KEY), Say(body=echo, headers={"x-key": KEY})]
    with MockTeacher(lambda ask: says[ask.number % 4]) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 1
    with MockTeacher(lambda _: Say(401, problem(f"Incorrect API key provided: {KEY}"))) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 2
    captured = capsys.readouterr()
    assert "[api key]" in captured.err
    assert KEY not in captured.out + captured.err
    files = [path for path in house.root.rglob("*") if path.is_file()]
    assert any(b"[api key]" in path.read_bytes() for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_sliding_window_is_not_held_up_by_a_slow_row(house: House) -> None:
    """One row that takes long occupies one slot: the others go on, never more of them than the recipe says."""
    house.news(40)
    with MockTeacher(lambda ask: Say(body=completion(), delay=1.0 if "number 0 " in ask.news else 0.01)) as mock:
        house.write_recipe(mock.base_url, concurrency=4)
        assert run(house) == 0
    assert mock.most_in_flight == 4
    assert [row["id"] for row in house.rows("store/journal.jsonl")].index("n-0") == 39


def test_full_disk_keeps_what_was_written(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that fills up in mid-run ends it with one line and exit code 2; the rows before are used afterwards."""
    house.news(30)
    write, left = stores._write_all, iter(range(12))

    def filling(descriptor: int, data: bytes) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(descriptor, data)

    with MockTeacher() as mock:
        house.write_recipe(mock.base_url)
        monkeypatch.setattr(stores, "_write_all", filling)
        assert run(house) == 2
        assert "the disk is full" in capsys.readouterr().err
        monkeypatch.setattr(stores, "_write_all", write)
        before = len(mock.asked)
        assert before < 30
        assert run(house) == 0
        assert len(mock.asked) - before == 18 + ITEMS


def test_embedded_teacher_is_asked_through_the_same_client(house: House) -> None:
    """With base_url embedded a local server answers, no key is needed, and the answers keep the contract."""
    house.news(3)
    house.write_recipe("embedded", model="finsight-rules-1", api_key_env=None)
    assert run(house) == 0
    rows = house.rows("generate/answers.jsonl")
    assert [row["model"] for row in rows] == ["finsight-rules-1"] * 3
    assert all(row["reply"].startswith("<thinking>") for row in rows)
    assert house.manifest("generate")["facts"]["usd"] == 0.0


def test_manifest_of_a_stopped_run_does_not_exist(house: House) -> None:
    """What a stopped run leaves is no finished stage, so no later stage takes it for one."""
    house.news(3)
    with MockTeacher(lambda _: Say(401, problem("no"))) as mock:
        house.write_recipe(mock.base_url)
        assert run(house) == 2
    assert not (house.run / "generate" / manifest.NAME).exists()
