"""A live endpoint as the model: what it says is scored, what it fails to say is not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from finsight_eval import endpoint, evaluate, jsonl, manifest, samples
from finsight_eval.errors import InputError
from finsight_eval.parse import Failed, Unparsed
from tests.distill.mock_teacher import REPLY, Ask, MockTeacher, Say, completion, problem

if TYPE_CHECKING:
    from collections.abc import Callable

SUITE = """\
name: live
tasks: [finsight_adversarial]
base: served-model
adapter: served-adapter
model: local-chat-completions
model_args: {{base_url: "{url}", num_concurrent: 4, max_retries: 2}}
batch_size: 1
max_new_tokens: 96
showcase: [one]
"""
JSON = {"content-type": "application/json"}


def said(body: Any, status: int = 200) -> Say:
    return Say(status, body=body, headers=JSON)


def run(folder: Path, script: Callable[[Ask], Say], model: str = "base", port: int = 0) -> tuple[int, MockTeacher]:
    """Evaluate against a mock endpoint, and return the exit code and the mock."""
    with MockTeacher(script, port) as mock:
        (folder / "live.yaml").write_text(SUITE.format(url=mock.base_url), encoding="utf-8")
        return evaluate.main(["--recipe", str(folder / "live.yaml"), "--runs", str(folder), "--model", model]), mock


def outcomes(folder: Path) -> list[Any]:
    (path,) = folder.rglob("samples_*.jsonl")
    return [verdict.strict for verdict in samples.read_samples(path).verdicts]


def test_an_endpoint_is_evaluated_under_the_one_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model name, messages and greedy settings arrive; the key is sent and stands in no file."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-the-test")
    code, mock = run(tmp_path, lambda _ask: said(completion()), model="adapter")
    assert code == 0
    assert len(mock.asked) == 49
    assert 1 < mock.most_in_flight <= 4
    body = mock.asked[0].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("served-adapter", 0, 96)
    assert "stop" not in body
    assert mock.asked[0].path == "/v1/chat/completions"
    assert mock.asked[0].headers["authorization"] == "Bearer sk-secret-of-the-test"
    folder = tmp_path / "live" / "eval" / "adapter"
    (path,) = folder.rglob("samples_*.jsonl")
    assert samples.read_samples(path).prompt != "other"
    assert jsonl.read(folder / manifest.NAME)["facts"]["served"] == {"mock-served-1": 49}
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"sk-secret" in file.read_bytes()]


def test_a_failed_request_is_no_wrong_answer_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """HTTP 500 throughout, an error inside HTTP 200, HTTP 400: Failed; an empty reply is the model's own fault."""
    monkeypatch.setattr(endpoint, "_FIRST_PAUSE", 0.01)
    bad: dict[str, Say] = {}
    answers = [said({}, 500), said(problem("overloaded")), said(problem("too long"), 400), said(completion(None))]

    def script(ask: Ask) -> Say:
        if ask.news not in bad and len(bad) < len(answers):
            bad[ask.news] = answers[len(bad)]
        return bad.get(ask.news, said(completion()))

    code, mock = run(tmp_path, script)
    folder = tmp_path / "live" / "eval" / "base"
    assert code == 1
    found = outcomes(folder)
    assert sum(isinstance(one, Failed) for one in found) == 3
    assert sum(isinstance(one, Unparsed) for one in found) == 1
    assert "failed: HTTP 500 x 1" in capsys.readouterr().err
    facts = jsonl.read(folder / manifest.NAME)["facts"]
    assert facts["failures"] == {"HTTP 200 without a chat completion": 1, "HTTP 400": 1, "HTTP 500": 1}
    assert len(mock.asked) == 49 + 2  # a second attempt for the first two, none where the request itself is refused
    port = int(mock.base_url.split(":")[2].split("/")[0])
    code, mock = run(tmp_path, lambda _ask: said(completion()), port=port)
    assert (code, len(mock.asked)) == (0, 3)
    assert not any(isinstance(one, Failed) for one in outcomes(folder))
    assert not folder.with_name("base.journal").exists()


@pytest.mark.parametrize("status", [401, 404])
def test_what_no_request_escapes_stops_the_run(tmp_path: Path, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong key or model name is a mistake of the setup, found out at once and said in a line."""
    code, mock = run(tmp_path, lambda _ask: said(problem("no"), status))
    assert code == 2
    assert len(mock.asked) <= 8
    assert f"HTTP {status}; check base, model_args and OPENAI_API_KEY" in capsys.readouterr().err


def test_an_endpoint_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is written that could pass for an evaluation."""
    monkeypatch.setattr(endpoint, "_FIRST_PAUSE", 0.01)
    (tmp_path / "live.yaml").write_text(SUITE.format(url="http://127.0.0.1:9/v1"), encoding="utf-8")
    recipe = ["--recipe", str(tmp_path / "live.yaml"), "--runs", str(tmp_path), "--model", "base"]
    assert evaluate.main(recipe) == 2
    assert "check base_url and the server" in capsys.readouterr().err
    assert not (tmp_path / "live" / "eval" / "base").exists()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "base_url is ''"),
        ({"base_url": "127.0.0.1:8000"}, "base_url is"),
        ({"base_url": "https://me:pass@host/v1"}, "holds a secret"),
        ({"base_url": "https://host/v1?key=abc"}, "holds a secret"),
        ({"base_url": "https://host/v1", "auth_token": "abc"}, "OPENAI_API_KEY alone"),
    ],
)
def test_a_secret_in_a_suite_is_refused(given: dict[str, Any], words: str) -> None:
    """A manifest keeps all settings, so none may hold a key."""
    with pytest.raises(InputError, match=words):
        endpoint.arguments("m", given)


@pytest.mark.parametrize("url", ["http://host/v1", "http://host/v1/", "http://host/v1/chat/completions"])
def test_the_address_may_end_at_v1(url: str) -> None:
    """As in a recipe of `distill`, or as lm-eval wants it."""
    assert endpoint.arguments("m", {"base_url": url})["base_url"] == "http://host/v1/chat/completions"


def test_what_counts_as_a_reply() -> None:
    """A text, also an empty one; anything else in a 200 is an error."""
    assert endpoint.completion(completion()) == REPLY
    assert endpoint.completion(completion(None, "length")) == ""
    broken: list[Any] = [
        *({}, [], None, {"choices": []}, {"choices": [{"message": None}]}, problem("x")),
        completion("half", "insufficient_system_resource"),
        {"choices": [{"message": {"content": ["part"]}}]},
    ]
    for outputs in broken:
        with pytest.raises(ValueError, match=r"HTTP 200 without|finish_reason"):
            endpoint.completion(outputs)


def test_the_pause_is_what_the_server_asks_for() -> None:
    """Retry-After in seconds, else twice the last pause, and never above a minute."""

    def error(after: str) -> Exception:
        made = OSError()
        made.headers = {"Retry-After": after}  # type: ignore[attr-defined]
        return made

    assert endpoint.pause(1, error("3")) == 3
    assert endpoint.pause(1, error("999")) == 60
    assert [endpoint.pause(attempt, error("soon")) for attempt in (1, 2, 3, 20)] == [0.5, 1, 2, 60]
