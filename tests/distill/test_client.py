"""The client against an endpoint on its worst days."""

from __future__ import annotations

import json
import logging
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from distill import recipe as recipes
from distill import refusal, running
from distill.asking import Ask, Asker
from distill.client import Endpoint
from distill.fill import fill
from distill.progress import Progress
from distill.purse import Purse
from distill.store import opened
from finsight_eval.errors import InputError
from tests.distill.conftest import KEY
from tests.distill.mock_teacher import REPLY, MockTeacher, Say, completion, ok, problem
from tests.distill.mock_teacher import Ask as Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


PURSE = Purse(recipes.load("nano"))
#: The question of these tests, and another.
SETTINGS = {"temperature": 0.0, "max_tokens": 64, "thinking": {"type": "disabled"}}
ASKER = Asker({"host": "mock", "model": "mock-1"}, SETTINGS, "1f0c")


def question(text: str = "How are you?") -> Ask:
    return ASKER.ask(text, [{"role": "user", "content": text}])


def endpoint(base_url: str, **changes: Any) -> Endpoint:
    values: dict[str, Any] = {
        "name": "mock/mock-1",
        "base_url": base_url,
        "model": "mock-1",
        "concurrency": 4,
        "timeout_seconds": 5.0,
        "max_attempts": 4,
        "seed": 0,
        "key_env": "MOCK_KEY",
        "key": KEY,
    }
    return Endpoint(**{**values, **changes})


def filled(mock: MockTeacher, questions: Iterable[Ask], **changes: Any) -> dict[str, Any]:
    """Ask all `questions` and return id -> stored row or error."""
    asks = list(questions)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as store:
        failed = fill(store, iter(asks), endpoint(mock.base_url, **changes), Progress("ask", len(asks)), PURSE)
        return {ask.id: failed[ask.key] if ask.key in failed else store[ask.key] for ask in asks}


def asked(mock: MockTeacher, **changes: Any) -> Any:
    """Ask once and return the stored row or the error."""
    return filled(mock, [question()], **changes)["How are you?"]


def first(say: Say, then: Callable[[Seen], Say] = ok) -> Callable[[Seen], Say]:
    """Return a script that says `say` once."""
    return lambda ask: say if ask.number == 1 else then(ask)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses between attempts."""
    monkeypatch.setattr(running, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(running, "_LONGEST_PAUSE", 0.05)


def test_request_carries_the_recipe_and_nothing_of_openai(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, sampling and extra body go out as given; what the environment holds for OpenAI does not."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-secret")
    with MockTeacher() as mock:
        outcome = asked(mock)
    assert outcome["response"]["choices"][0]["message"]["content"] == REPLY
    assert (outcome["attempts"], outcome["teacher"], outcome["kind"], outcome["sample"]) == (
        1,
        "mock/mock-1",
        "reasoned",
        0,
    )
    (ask,) = mock.asked
    assert ask.path == "/v1/chat/completions"
    assert ask.body == {
        "model": "mock-1",
        "messages": [{"role": "user", "content": "How are you?"}],
        "temperature": 0.0,
        "max_tokens": 64,
        "thinking": {"type": "disabled"},
    }
    assert ask.headers["authorization"] == f"Bearer {KEY}"
    assert "secret" not in str(ask.headers)


@pytest.mark.parametrize(
    "say",
    [
        Say(429, problem("slow down")),
        Say(500, "oops"),
        Say(503, problem("overloaded")),
        Say(408, problem("late")),
        Say(drop=True),
        Say(body="<html>gateway</html>"),
        Say(body={"choices": []}),
        Say(body={"choices": [{"message": {"content": 5}}]}),
        Say(body={"error": {"message": "hidden in a 200"}}),
        Say(body=completion("", "insufficient_system_resource")),
        Say(delay=2.0, body=completion()),
        Say(delay=2.0, blanks=True, body=completion()),
    ],
    ids=lambda say: str(say.body)[:40] + ("blanks" if say.blanks else "") + str(say.status),
)
def test_passing_trouble_is_asked_again(say: Say) -> None:
    """Whatever may pass by itself costs one more attempt and nothing else."""
    with MockTeacher(first(say)) as mock:
        outcome = asked(mock, timeout_seconds=0.3)
    assert outcome["attempts"] == 2
    assert len(mock.asked) == 2


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (Say(500, "oops"), "HTTP 500 after 4 attempts"),
        (Say(429, problem("slow down")), "HTTP 429 after 4 attempts"),
        (Say(body=completion("", "insufficient_system_resource")), "insufficient_system_resource after 4 attempts"),
        (Say(body="[]"), "HTTP 200 without a chat completion after 4 attempts"),
        (Say(delay=2.0, body=completion()), "no answer within 0.2 s after 4 attempts"),
        (Say(delay=2.0, blanks=True, body=completion()), "no answer within 0.2 s after 4 attempts"),
    ],
)
def test_lasting_trouble_fails_the_row(say: Say, error: str) -> None:
    """After the last attempt the row has failed, with the trouble and the number of attempts."""
    with MockTeacher(lambda _: say) as mock:
        outcome = asked(mock, timeout_seconds=0.2)
    assert outcome.endswith(error)
    assert len(mock.asked) == 4


def test_blank_lines_do_not_defeat_the_deadline() -> None:
    """A server that only sends keep-alive lines is given up after the deadline, not when it ends."""
    with MockTeacher(lambda _: Say(delay=3.0, blanks=True, body=completion())) as mock:
        started = time.monotonic()
        outcome = asked(mock, timeout_seconds=0.3, max_attempts=1)
        assert time.monotonic() - started < 2.0
    assert outcome == "no answer within 0.3 s after 1 attempts"


def test_blank_lines_before_an_answer_are_harmless() -> None:
    """Keep-alive lines that end in time are followed by the answer."""
    with MockTeacher(lambda _: Say(delay=0.3, blanks=True, body=completion())) as mock:
        outcome = asked(mock)
    assert outcome["attempts"] == 1


def test_retry_after_is_honoured() -> None:
    """The next attempt waits as long as the server asks, although our own pause would be shorter."""
    with MockTeacher(first(Say(429, problem("slow down"), headers={"retry-after": "0.5"}))) as mock:
        started = time.monotonic()
        assert asked(mock)["attempts"] == 2
        assert 0.5 <= time.monotonic() - started < 4.0


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("2", 2, 2),
        ("0.25", 0.25, 0.25),
        ("", 0, 0),
        ("soon", 0, 0),
        ("-3", 0, 0),
        ("nan", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Fri, 31 Dec 2100 23:59:59 GMT", 1e8, 1e11),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: str, least: float, most: float) -> None:
    """Seconds and dates count; nonsense asks for no pause."""
    assert least <= refusal.seconds_to_wait(header) <= most


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (Say(401, problem("Incorrect API key provided", "invalid_api_key")), ["HTTP 401", "MOCK_KEY"]),
        (Say(402, problem("Insufficient Balance")), ["HTTP 402", "top it up", "kept"]),
        (Say(429, problem("You exceeded your quota", "insufficient_quota")), ["HTTP 429", "top it up"]),
        (Say(403, problem("Country not supported")), ["HTTP 403", "Country not supported"]),
        (Say(404, problem("The model does not exist", "model_not_found")), ["HTTP 404", "mock-1"]),
        (Say(400, problem("Model Not Exist")), ["HTTP 400", "mock-1"]),
        (Say(404, "<html>"), ["HTTP 404", "base_url"]),
        (Say(405, ""), ["HTTP 405", "/v1"]),
        (Say(301, "", headers={"location": "https://elsewhere.example/"}), ["HTTP 301", "base_url"]),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Say) else "",
)
def test_trouble_of_every_row_stops_the_run(say: Say, words: list[str]) -> None:
    """No key, no money, no model: one attempt, then one line that says what to do."""
    with MockTeacher(lambda _: say) as mock:
        with pytest.raises(InputError) as caught:
            asked(mock)
        assert len(mock.asked) == 1
        assert mock.base_url in str(caught.value)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_trouble_of_one_row_fails_that_row(status: int) -> None:
    """A refused text is named with the server's words, at once and without another attempt."""
    with MockTeacher(lambda _: Say(status, problem("the text is too long"))) as mock:
        assert asked(mock) == f"HTTP {status}: the text is too long"
        assert len(mock.asked) == 1


def test_only_refusals_stop_the_run() -> None:
    """Where every first row is refused, the settings are wrong, and thousands of further requests would not help."""
    many = [question(str(number)) for number in range(60)]
    refused = Say(400, problem("unknown parameter: max_tokens"))
    with MockTeacher(lambda _: refused) as mock:
        with pytest.raises(InputError, match=r"the first 20 requests were all refused, .*unknown parameter"):
            filled(mock, many)
        assert len(mock.asked) < 20 + 4
    with MockTeacher(first(Say(body=completion()), lambda _: Say(400, problem("bad"), delay=0.02))) as mock:
        outcomes = filled(mock, many)
    assert sum(outcome == "HTTP 400: bad" for outcome in outcomes.values()) == 59


def test_unreachable_endpoint_is_named_soon() -> None:
    """A wrong address ends the run with its URL, long before all attempts are used."""
    with MockTeacher() as mock:
        pass
    with pytest.raises(InputError, match=f"{mock.base_url}: cannot be reached"):
        asked(mock, max_attempts=1000)


def test_poisoned_row_does_not_count_as_unreachable() -> None:
    """A text on which the server hangs up fails alone while other texts are answered."""
    questions = [question("poison"), *(question(str(number)) for number in range(40))]
    with MockTeacher(
        lambda ask: Say(drop=True) if "poison" in str(ask.body) else Say(body=completion(), delay=0.02)
    ) as mock:
        outcomes = filled(mock, questions)
    assert outcomes["poison"].endswith("after 4 attempts")
    assert all(isinstance(outcomes[str(number)], dict) for number in range(40))


@pytest.mark.parametrize("escaped", [False, True])
def test_key_in_a_reply_is_blotted_out(escaped: bool) -> None:
    """A server that echoes the key, plainly or as escape sequences, cannot bring it into the store."""
    written = "".join(f"\\u{ord(c):04x}" for c in KEY) if escaped else KEY
    body = json.dumps(completion("<thinking>PLACE</thinking>")).replace("PLACE", written)
    with MockTeacher(lambda _: Say(body=body)) as mock:
        outcome = asked(mock)
    assert KEY not in json.dumps(outcome)
    assert outcome["response"]["choices"][0]["message"]["content"] == "<thinking>[api key]</thinking>"


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_key_in_an_error_is_blotted_out(status: int) -> None:
    """An error that quotes the key is shown without it, in the outcome as in the exception and its chain."""
    with MockTeacher(lambda _: Say(status, problem(f"bad key {KEY} in Bearer {KEY}"))) as mock:
        try:
            told = str(asked(mock))
        except InputError as error:
            told = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert "bad key" in told
    assert KEY not in told
    assert KEY not in repr(endpoint("http://127.0.0.1:1"))


def deepseek(content: str | None, **message: Any) -> dict[str, Any]:
    """Return a completion with further members in its message."""
    body = completion(content)
    body["choices"][0]["message"] |= message
    return body


@pytest.mark.parametrize(
    "body",
    [
        deepseek("<thinking>x</thinking>{}", reasoning_content="First, the order book ..."),
        deepseek(None, reasoning_content="thought until the tokens were gone"),
        deepseek(" \n" * 500),
        deepseek(""),
        deepseek("cut in the middle of \ud83d"),
        {**completion("cut", "length"), "system_fingerprint": "fp_1"},
        completion("refused", "content_filter"),
        {**completion(), "usage": {"completion_tokens_details": {"reasoning_tokens": 900}}},
    ],
    ids=["thinking", "thinking-alone", "json-mode-spaces", "empty", "half-a-character", "length", "filter", "details"],
)
def test_what_deepseek_does_on_a_200_is_kept_raw_and_whole(body: dict[str, Any]) -> None:
    """Thinking mode, JSON mode's spaces, a cut emoji: it was paid for, so it is stored as it came, and asked once."""
    with MockTeacher(lambda _: Say(body=body)) as mock:
        outcome = asked(mock)
        assert len(mock.asked) == 1
    assert outcome["response"] == body


@pytest.mark.parametrize(("status", "shrinks"), [(429, True), (503, True), (500, False), (408, False)])
def test_only_loss_makes_the_window_smaller(status: int, shrinks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 and 503 say that too much is asked; a server's own error does not."""
    limits: list[int] = []
    monkeypatch.setattr(Progress, "show", lambda _self, window, _purse: limits.append(window.limit))
    with MockTeacher(lambda ask: Say(status, "x") if ask.number <= 60 else ok(ask)) as mock:
        outcomes = filled(mock, [question(str(number)) for number in range(60)], concurrency=32, max_attempts=8)
    assert all(isinstance(outcome, dict) for outcome in outcomes.values())
    assert (min(limits) < 32) == shrinks


def test_busy_endpoint_costs_patience_and_no_row() -> None:
    """Where half of the requests are turned away, rows are tried on beyond their usual attempts, and none fails."""
    with MockTeacher(lambda ask: ok(ask) if ask.number % 2 else Say(429, problem("slow down"))) as mock:
        outcomes = filled(mock, [question(str(number)) for number in range(120)], max_attempts=4, concurrency=8)
    assert max(outcome["attempts"] for outcome in outcomes.values()) > 4


def test_row_that_pauses_leaves_its_place_to_others() -> None:
    """While one row waits as long as Retry-After says, the one place in the window serves all others."""
    wait = Say(429, problem("slow down"), headers={"retry-after": "0.6"})
    with MockTeacher(lambda ask: wait if ask.number == 1 else ok(ask)) as mock:
        filled(mock, [question(str(number)) for number in range(5)], concurrency=1)
        assert [ask.body["messages"][0]["content"] for ask in mock.asked] == ["0", "1", "2", "3", "4", "0"]


def test_no_log_shows_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the libraries log at their most talkative, the key is not in it."""
    caplog.set_level(logging.DEBUG)
    with MockTeacher(first(Say(500, f"oops {KEY}"))) as mock:
        assert asked(mock)["attempts"] == 2
    assert caplog.records
    assert KEY not in caplog.text
    assert not any(KEY in repr(vars(record)) for record in caplog.records)


def test_defect_in_mid_run_shows_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of ours on the way ends the run with its traceback, and the key is nowhere in it."""

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(PURSE, "settle", broken)
    with MockTeacher() as mock, pytest.raises(RuntimeError, match="a defect") as caught:
        asked(mock)
    shown = "".join(traceback.format_exception(caught.value))
    assert "a defect" in shown
    assert KEY not in shown
