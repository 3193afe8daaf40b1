"""What the teacher's server answers: the OpenAI chat-completions protocol as a pure function, without sockets.

POST /v1/chat/completions {"model": "finsight-rules-1", "messages": [{"role": "user", "content": "..."}]}
-> 200 {"object": "chat.completion", "choices": [{"message": {"role": "assistant", "content": "..."}, ...}], ...}
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import time
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from distill.teacher.analyst import reply
from distill.teacher.text import cjk_count
from finsight_eval.prompt import news_in

MODEL: Final = "finsight-rules-1"
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")


class Reply(NamedTuple):
    """An HTTP status and the JSON body that goes with it."""

    status: int
    body: dict[str, Any]


class _BadRequestError(Exception):
    """The request is malformed: the message, and the parameter to blame."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def token_estimate(text: str) -> int:
    """Return a stated estimate of the tokens in `text`: one per Chinese character, one per four others."""
    chinese = cjk_count(text)
    return chinese + math.ceil((len(text) - chinese) / 4)


def answer(method: str, path: str, authorization: str, body: bytes, key: str = "") -> Reply:
    """Return the reply to one request; with a non-empty `key` it demands "Bearer KEY" as the authorization."""
    if key and not _authorised(authorization, key):
        given = "Incorrect API key provided." if authorization else "You didn't provide an API key."
        return failure(401, given, code="invalid_api_key")
    route = path.partition("?")[0]
    try:
        if route == "/v1/models" and method == "GET":
            return Reply(200, {"object": "list", "data": [_model_card()]})
        if route == "/v1/chat/completions" and method == "POST":
            return _completion(_request(body))
    except _BadRequestError as error:
        return failure(400, str(error), param=error.param)
    if route in {"/v1/models", "/v1/chat/completions"}:
        return failure(405, f"Not allowed to {method} on {route}.")
    if route == f"/v1/models/{MODEL}" and method == "GET":
        return Reply(200, _model_card())
    return failure(404, f"Unknown request URL: {method[:10]} {route[:80]}.", code="unknown_url")


def failure(status: int, message: str, *, code: str | None = None, param: str | None = None) -> Reply:
    """Return an error in the protocol's own shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return Reply(status, {"error": {"message": message, "type": kind, "param": param, "code": code}})


@cache
def fingerprint() -> str:
    """Return the id of these rules: it changes whenever a rule or a word of the lexicon does."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted([*folder.glob("*.py"), *folder.glob("*.yaml")]):
        digest.update(file.read_bytes())
    return f"fs_{digest.hexdigest()[:12]}"


def _authorised(authorization: str, key: str) -> bool:
    return hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode())


def _model_card() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": 0, "owned_by": "finsight"}


def _request(body: bytes) -> dict[str, Any]:
    """Return the decoded request; raises `_BadRequestError` where it is not one that this server can serve."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise _BadRequestError("We could not parse the JSON body of your request.") from None
    if not isinstance(request, dict):
        raise _BadRequestError("The body must be a JSON object.")
    if not isinstance(request.get("model"), str):
        raise _BadRequestError("You must provide a model parameter.", "model")
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages or not all(map(_is_message, messages)):
        raise _BadRequestError("'messages' must be a non-empty list of {role, content} objects.", "messages")
    if request.get("stream"):
        raise _BadRequestError("This server does not stream; leave 'stream' out.", "stream")
    if request.get("n") is not None and request["n"] != 1:
        raise _BadRequestError("This server gives one choice; leave 'n' out.", "n")
    for name in ("max_tokens", "max_completion_tokens"):
        limit = request.get(name)
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
            raise _BadRequestError(f"'{name}' must be a positive integer.", name)
    return request


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or str(message.get("role")) not in _ROLES:
        return False
    content = message.get("content")
    return isinstance(content, str) or (isinstance(content, list) and all(map(_is_text_part, content)))


def _is_text_part(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _plain(message: dict[str, Any]) -> dict[str, str]:
    content = message["content"]
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return {"role": message["role"], "content": text}


def _completion(request: dict[str, Any]) -> Reply:
    if request["model"] != MODEL:
        return failure(404, "The model does not exist.", code="model_not_found", param="model")
    messages = [_plain(m) for m in request["messages"]]
    try:
        news = news_in(messages)
    except ValueError as error:
        raise _BadRequestError(f"This model answers FinSight prompts only: {error}.", "messages") from None
    content = reply(news)
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    kept = content if limit is None else _cut(content, limit)
    asked = sum(token_estimate(m["content"]) for m in messages)
    given = token_estimate(kept)
    digest = hashlib.sha256(json.dumps(messages).encode()).hexdigest()
    return Reply(
        200,
        {
            "id": f"chatcmpl-{digest[:24]}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": kept, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop" if kept == content else "length",
                }
            ],
            "usage": {"prompt_tokens": asked, "completion_tokens": given, "total_tokens": asked + given},
            "system_fingerprint": fingerprint(),
        },
    )


def _cut(text: str, limit: int) -> str:
    """Return the longest head of `text` whose estimate is at most `limit` tokens."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if token_estimate(text[:middle]) <= limit else (low, middle - 1)
    return text[:low]
