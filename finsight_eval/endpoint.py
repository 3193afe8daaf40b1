"""A live endpoint as the model: lm-eval's `local-chat-completions`, with failed requests told from wrong answers.

    model: local-chat-completions
    base: my-model                              # the name that the endpoint knows it by
    model_args: {base_url: "http://127.0.0.1:8000/v1", num_concurrent: 16}

lm-eval gives up the whole evaluation at the first request that fails for good, and reads an error that comes with
HTTP 200 as the empty answer. Here such a request is asked again, and then is `Failed`: it has no reply, and the next
run asks it anew. The key is read from the environment variable OPENAI_API_KEY and written nowhere.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from finsight_eval.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY: Final = "OPENAI_API_KEY"
_NEEDS: Final = ("aiohttp", "requests", "tenacity")
_SECRETS: Final = ("auth_token", "header", "api_key")
#: Errors that the next attempt may not meet, besides all of 500 and above.
_PASSING: Final = frozenset({200, 408, 409, 425, 429})
#: Errors that no other request escapes either.
_SETUP: Final = frozenset({401, 402, 403, 404, 405})
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
#: With the pauses above a rate limit has half a minute to pass.
_ATTEMPTS: Final = 7


def arguments(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return lm-eval's arguments for the model `name` at the endpoint `given`.

    Raises:
        InputError: no address, or a secret in the suite, which a manifest would keep.
    """
    url = str(given.get("base_url", ""))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"model_args: base_url is {printable(url, 80)!r}; give one such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query or any(key in given for key in _SECRETS):
        raise InputError(f"model_args holds a secret; it is read from the environment variable {KEY} alone: remove it")
    path = url.rstrip("/")
    whole = path if path.endswith("/chat/completions") else f"{path}/chat/completions"
    return {"max_retries": _ATTEMPTS, **given, "base_url": whole, "model": name, "batch_size": 1}


def completion(outputs: Any) -> str:
    """Return the reply in a chat completion, "" where the model said nothing; raises ValueError where it is none."""
    try:
        (choice,) = outputs["choices"]
        content, reason = choice["message"].get("content") or "", choice.get("finish_reason")
        content.encode("utf-8", "backslashreplace")  # a text, not a list of parts
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ValueError("HTTP 200 without a chat completion") from None
    if reason == "insufficient_system_resource":  # DeepSeek's way of breaking off
        raise ValueError(f"finish_reason {reason}")
    return str(content)


def error_name(error: Exception) -> str:
    """Return what went wrong, in the words that the run is told about."""
    status = getattr(error, "status", None)
    if status is not None:
        return "HTTP 200 without a chat completion" if status == 200 else f"HTTP {status}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return printable(str(error), 120) or type(error).__name__


def pause(attempt: int, error: Exception) -> float:
    """Return the seconds to wait after `attempt` (from 1): as long as the server asks, else twice the last pause."""
    asked = (getattr(error, "headers", None) or {}).get("Retry-After", "")
    if asked.replace(".", "", 1).isdigit():
        return min(float(asked), _LONGEST_PAUSE)
    return float(min(_FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))


def given_up(url: str, error: Exception, *, unreachable: bool) -> None:
    """Raise InputError for an error that every further request would meet, too."""
    status = getattr(error, "status", None)
    if unreachable or status in _SETUP:
        advice = f"check base, model_args and {KEY}" if status in _SETUP else "check base_url and the server"
        name = error_name(error)
        raise InputError(f"{url}: {name}; {advice}; the same command goes on, replies that came are kept")


def model_class() -> Any:
    """Return the model class; raises InputError where lm-eval's own needs are not installed."""
    if lacking := [name for name in _NEEDS if importlib.util.find_spec(name) is None]:
        raise InputError(f"an endpoint needs {', '.join(lacking)}; `pip install 'lm_eval[api]'` brings them")
    from lm_eval.models.openai_completions import LocalChatCompletion

    # It writes whatever a server says to the terminal; failures are reported by name.
    logging.getLogger("lm_eval.models.api_models").setLevel(logging.CRITICAL)

    class ChatEndpoint(LocalChatCompletion):  # type: ignore[misc]
        """lm-eval's chat model; `failures` counts errors by name, `served` the models that the endpoint says it ran."""

        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.failures: Counter[str] = Counter()
            self.served: Counter[str] = Counter()

        def _create_payload(self, *given: Any, **named: Any) -> dict[str, Any]:
            payload: dict[str, Any] = super()._create_payload(*given, **named)
            return {key: value for key, value in payload.items() if value != []}  # some refuse an empty `stop`

        def parse_generations(self, outputs: Any, **_named: Any) -> list[str]:
            reply = completion(outputs)
            self.served[printable(str(outputs.get("model")), 80)] += 1
            return [reply]

        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str | None]:
            asked = [request.args for request in requests]
            return asyncio.run(_all(self, asked, self._concurrent, quiet=disable_tqdm))

    return ChatEndpoint


async def _all(model: Any, asked: Sequence[tuple[Any, Any]], at_once: int, *, quiet: bool) -> list[str | None]:
    """Return the replies to (context, generation) pairs, None for those that failed; `at_once` are asked together."""
    from aiohttp import ClientSession, ClientTimeout, TCPConnector
    from tqdm import tqdm  # type: ignore[import-untyped,unused-ignore]

    connector = TCPConnector(limit=at_once, ssl=model.verify_certificate)
    gate = asyncio.Semaphore(at_once)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=model.timeout)) as session:
        with tqdm(total=len(asked), desc="Asking", disable=quiet) as bar:
            tasks = [asyncio.create_task(_one(model, session, gate, *request)) for request in asked]
            for task in tasks:
                task.add_done_callback(lambda _task: bar.update())
            try:
                return [*await asyncio.gather(*tasks)]
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _one(model: Any, session: Any, gate: Any, context: Any, generation: Any) -> str | None:
    """Return the reply to one request; None where it failed for good, which `model.failures` counts."""
    from aiohttp import ClientConnectorError, ClientError

    keys, attempt = [(context, generation)], 0
    while True:
        attempt += 1
        try:
            (reply,) = await model.amodel_call(session, gate, [context], gen_kwargs=generation, cache_keys=keys)
            return str(reply)
        except (ClientError, TimeoutError, ValueError) as error:
            status = getattr(error, "status", 200)
            last = attempt >= model.max_retries or (status not in _PASSING and status < 500)
            if last:
                given_up(model.base_url, error, unreachable=isinstance(error, ClientConnectorError))
                model.failures[error_name(error)] += 1
                return None
            await asyncio.sleep(pause(attempt, error))
