"""The teacher's server: the official client talks to it, and a bad request gets the protocol's own error."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from distill.teacher.protocol import MODEL, answer, token_estimate
from distill.teacher.server import main, serving
from finsight_eval.parse import Answer, parse
from finsight_eval.prompt import messages, teacher_prompt

NEWS = "Halden Motors recalled vans that make up 3% of its sales."
KEY = "not-a-real-key"


def _body(**changes: Any) -> bytes:
    request = {"model": MODEL, "messages": messages(teacher_prompt(NEWS)), **changes}
    return json.dumps({k: v for k, v in request.items() if v is not None}).encode()


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture(scope="module")
def locked_url() -> Iterator[str]:
    with serving(KEY) as url:
        yield url


def _client(url: str, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0)


def test_the_official_client_gets_a_verdict(base_url: str) -> None:
    """The client of openai, unchanged, receives a reply in the contract, with usage and a fingerprint of the rules."""
    made = _client(base_url).chat.completions.create(model=MODEL, messages=messages(teacher_prompt(NEWS)))  # type: ignore[arg-type]
    content = made.choices[0].message.content
    read = parse(content or "")
    assert isinstance(read, Answer)
    assert (read.entity, read.sentiment, read.risk_level) == ("Halden Motors", "Negative", "Medium")
    assert made.choices[0].finish_reason == "stop"
    assert made.model == MODEL
    assert made.system_fingerprint
    assert made.system_fingerprint.startswith("fs_")
    assert made.usage
    assert made.usage.completion_tokens == token_estimate(content or "")
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens


def test_the_official_client_lists_the_model(base_url: str) -> None:
    """GET /v1/models names the one model."""
    assert [model.id for model in _client(base_url).models.list()] == [MODEL]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_token_limit_cuts_the_reply_and_says_so(name: str) -> None:
    """A reply over the limit ends there with finish_reason length; under it, it is whole."""
    short = answer("POST", "/v1/chat/completions", "", _body(**{name: 7})).body
    assert short["choices"][0]["finish_reason"] == "length"
    assert short["usage"]["completion_tokens"] == 7
    whole = answer("POST", "/v1/chat/completions", "", _body(**{name: 4000})).body
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole["choices"][0]["message"]["content"].startswith(short["choices"][0]["message"]["content"])


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param"),
    [
        ("POST", "/v1/chat/completions", _body(), 200, None),
        ("POST", "/v1/chat/completions", _body(temperature=0.7, seed=1, n=1, stream=False), 200, None),
        ("POST", "/v1/chat/completions", b"", 400, None),
        ("POST", "/v1/chat/completions", b"{", 400, None),
        ("POST", "/v1/chat/completions", b"\xff\xfe", 400, None),
        ("POST", "/v1/chat/completions", b"[1]", 400, None),
        ("POST", "/v1/chat/completions", b"[" * 100_000, 400, None),
        ("POST", "/v1/chat/completions", _body(model=None), 400, "model"),
        ("POST", "/v1/chat/completions", _body(model=7), 400, "model"),
        ("POST", "/v1/chat/completions", _body(messages=None), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(messages=[]), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(messages=["hello"]), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(messages=[{"role": "ghost", "content": "x"}]), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(messages=[{"role": ["user"], "content": "x"}]), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(messages=[{"role": "user", "content": None}]), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(messages=[{"role": "user", "content": "Hi"}]), 400, "messages"),
        ("POST", "/v1/chat/completions", _body(max_tokens=0), 400, "max_tokens"),
        ("POST", "/v1/chat/completions", _body(max_tokens="9"), 400, "max_tokens"),
        ("POST", "/v1/chat/completions", _body(max_tokens=True), 400, "max_tokens"),
        ("POST", "/v1/chat/completions", _body(stream=True), 400, "stream"),
        ("POST", "/v1/chat/completions", _body(n=2), 400, "n"),
        ("POST", "/v1/chat/completions", _body(n=[1]), 400, "n"),
        ("POST", "/v1/chat/completions", _body(model="gpt-4"), 404, "model"),
        ("GET", "/v1/models", b"", 200, None),
        ("GET", f"/v1/models/{MODEL}", b"", 200, None),
        ("GET", "/v1/models/gpt-4", b"", 404, None),
        ("GET", "/v1/chat/completions", b"", 405, None),
        ("POST", "/v1/models", b"", 405, None),
        ("POST", "/v1/embeddings", b"{}", 404, None),
        ("GET", "/", b"", 404, None),
    ],
)  # fmt: skip
def test_statuses(method: str, path: str, body: bytes, status: int, param: str | None) -> None:
    """Each malformed request gets 400, each unknown thing 404, in the error shape that OpenAI's clients read."""
    reply = answer(method, path, "", body)
    assert reply.status == status, reply.body
    if status != 200:
        assert set(reply.body["error"]) == {"message", "type", "param", "code"}
        assert reply.body["error"]["param"] == param


def test_content_may_come_in_parts() -> None:
    """A message whose content is a list of text parts is read like the joined text."""
    text = teacher_prompt(NEWS)
    parts = [{"type": "text", "text": text[:50]}, {"type": "text", "text": text[50:]}]
    given = answer("POST", "/v1/chat/completions", "", _body(messages=[{"role": "user", "content": parts}]))
    assert given.status == 200
    assert "Halden Motors" in given.body["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(f"Bearer {KEY}", 200), ("", 401), ("Bearer wrong", 401), (KEY, 401), (f"Bearer {KEY}x", 401), ("Bearer ü", 401)],
)
def test_a_required_key(authorization: str, status: int) -> None:
    """With a key set only that key opens any path, and no error repeats what was given."""
    for path in ("/v1/models", "/nowhere"):
        reply = answer("GET", path, authorization, b"", KEY)
        assert (reply.status == 401) == (status == 401)
        assert KEY not in json.dumps(reply.body)


def test_the_official_client_raises_its_own_errors(base_url: str, locked_url: str) -> None:
    """401, 404 and 400 arrive as the client's AuthenticationError, NotFoundError and BadRequestError."""
    assert _client(locked_url, KEY).models.list().data
    with pytest.raises(openai.AuthenticationError):
        _client(locked_url, "wrong").models.list()
    with pytest.raises(openai.NotFoundError):
        _client(base_url).chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": "Hi"}])
    with pytest.raises(openai.BadRequestError):
        _client(base_url).chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])


def test_one_connection_serves_many_requests(base_url: str) -> None:
    """HTTP/1.1 keep-alive: the second request goes over the first one's socket, an error in between included."""
    place = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)
    connection.request("POST", "/v1/chat/completions", _body())
    assert connection.getresponse().read()
    first = connection.sock
    for body, status in ((b"{", 400), (_body(), 200)):
        connection.request("POST", "/v1/chat/completions", body)
        response = connection.getresponse()
        assert response.status == status
        assert response.read()
        assert connection.sock is first
    connection.close()


@pytest.mark.parametrize(
    "wire",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /" + b"a" * 200_000,
    ],
)
def test_bytes_that_are_no_request_end_the_connection(base_url: str, wire: bytes) -> None:
    """The server answers 400, hangs up, and goes on serving others."""
    place = urlsplit(base_url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10) as raw:
        raw.sendall(wire)
        given = b""
        while piece := raw.recv(65536):
            given += piece
    assert given.startswith(b"HTTP/1.1 400 ")
    assert _client(base_url).models.list().data


def test_it_ends_with_its_context(capfd: pytest.CaptureFixture[str]) -> None:
    """After the context the port is closed, an idle client's connection included, and nothing was printed."""
    with serving() as url:
        client = _client(url)
        assert urlsplit(url).hostname == "127.0.0.1"
        assert client.models.list().data
    with pytest.raises(openai.APIConnectionError):
        client.models.list()
    printed = capfd.readouterr()
    assert not printed.out + printed.err


@pytest.mark.parametrize("argv", [["--port", "99999"], ["--port", "0", "--key-env", "FINSIGHT_NO_SUCH_KEY"]])
def test_a_wrong_flag_is_one_line_and_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A port that cannot be had, or a key variable that is not set, names the flag and prints no traceback."""
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {argv[-2]}")
    assert error.count("\n") == 1
