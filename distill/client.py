"""One attempt at one question, over the OpenAI protocol: an answer, a trouble that may pass, or one that will not.

    await client.attempt(ask)
        -> {"choices": [...], "usage": {...}}          the chat completion, raw
        -> Later("HTTP 429", after=2.0, lost=True)     a later attempt may succeed
        -> Failed("HTTP 400: too long")                the row's own fault: counted and named, the rest goes on
        -> raises InputError                           nobody's request can succeed: the run stops, with what to do

The official client, with its own retries off: they know neither a total deadline (blank keep-alive lines keep its
timeout from ever firing) nor `insufficient_system_resource`, which arrives inside an ordinary 200. The key is blotted
out of everything that a server sends back before anybody sees it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

import httpx2
import openai

from distill import refusal
from distill.transport import BODY, FinSight, Road
from finsight_eval import jsonl
from finsight_eval.errors import InputError, printable
from finsight_eval.parse import Failed

if TYPE_CHECKING:
    from types import TracebackType

    from distill.asking import Ask

#: A wrong address should not take all attempts to be found out.
_ATTEMPTS_UNTIL_REACHED: Final = 3
#: A row that others overtake has this many times the attempts: the endpoint is busy, and moving.
_MORE_WHILE_MOVING: Final = 4
#: So many refusals (HTTP 400 and the like) and not one answer: the settings are wrong, not the rows.
_REFUSALS_UNTIL_STOP: Final = 20
_SHORTEST_SECRET: Final = 8
_OK: Final = 200
_HIDDEN: Final = "[api key]"
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}


class Later(NamedTuple):
    """A trouble that may pass.

    Attributes:
        after: the pause that the server asked for, in seconds; 0 where it asked for none.
        met: whether the server was met at all.
        lost: whether it said that it is asked too much.
        charged: whether it may charge for an answer that did not come.
    """

    error: str
    after: float = 0.0
    met: bool = True
    lost: bool = False
    charged: bool = False


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask; the key never appears in its repr.

    Attributes:
        name: what the store calls this teacher.
        seed: decides the jitter of the pauses.
    """

    name: str
    base_url: str
    model: str
    concurrency: int
    timeout_seconds: float
    max_attempts: int
    seed: int
    key_env: str | None
    key: str = field(repr=False)


class Client:
    """The teacher at one endpoint; an async context manager."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Prepare to ask `endpoint`."""
        self._endpoint = endpoint
        self._answered_at = -1.0
        self._refused = 0
        self._url = endpoint.base_url.rstrip("/") + "/chat/completions"
        parts = urlsplit(endpoint.base_url)
        # A proxy in the environment must not stand between us and our own machine.
        road = Road(endpoint.concurrency, secure=parts.scheme == "https", proxies=parts.hostname not in _LOOPBACK)
        self._api = FinSight(
            base_url=endpoint.base_url, api_key=endpoint.key or "none", max_retries=0, timeout=None, http_client=road
        )
        # Read from the environment, where they were set for OpenAI: none of another provider's business.
        self._api.organization = self._api.project = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def attempt(self, ask: Ask) -> dict[str, Any] | Failed | Later:
        """Ask once.

        Raises:
            InputError: the endpoint refuses the key, is out of money, does not know the model or is none.
        """
        deadline = self._endpoint.timeout_seconds
        body = jsonl.dumps({"model": self._endpoint.model, "messages": ask.messages, **ask.settings}).encode()
        try:
            async with asyncio.timeout(deadline):
                response = await self._api.complete(self._url, body)
        except (TimeoutError, openai.APITimeoutError):
            return Later(f"no answer within {deadline:g} s", charged=True)
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            torn = isinstance(cause, httpx2.ReadError)
            return Later(self._shown(cause), met=torn, charged=torn)
        # Outside the handlers: an error raised within one carries the client's own, unscrubbed, along its chain.
        return self._completion(response) if response.status_code == _OK else self._refusal(response)

    def given_up(self, last: Later, attempts: int, began: float) -> Failed | None:
        """Return the failure of a row that was tried `attempts` times since `began`, None where it is tried again.

        Raises:
            InputError: the endpoint was not met, and nobody else met it meanwhile.
        """
        moving = self._answered_at > began
        most = self._endpoint.max_attempts
        if last.lost and moving:
            most *= _MORE_WHILE_MOVING
        elif not last.met and self._answered_at < 0:
            most = min(most, _ATTEMPTS_UNTIL_REACHED)
        if attempts < most:
            return None
        if not last.met and not moving:
            raise InputError(
                f"{self._endpoint.base_url}: cannot be reached ({last.error}); check base_url in the recipe and the "
                "network; stored answers are kept"
            )
        return Failed(f"{last.error} after {attempts} attempts")

    def _completion(self, response: httpx2.Response) -> dict[str, Any] | Later:
        """Return the chat completion in a 200, with the key blotted out of it wherever a server echoes it."""
        try:
            value = self._without_key(response.extensions[BODY])
            choice = value["choices"][0]
            content = choice["message"].get("content")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return Later("HTTP 200 without a chat completion", charged=True)
        if not isinstance(content, str | None):
            return Later("HTTP 200 without a chat completion", charged=True)
        if choice.get("finish_reason") == "insufficient_system_resource":
            return Later("finish_reason insufficient_system_resource", lost=True, charged=True)
        self._answered_at = time.monotonic()
        return dict(value)

    def _without_key(self, body: bytes) -> Any:
        """Return the JSON in `body`, where it may hold the key looked for again after decoding."""
        value = jsonl.loads_foreign(body.decode())
        key = self._endpoint.key
        if len(key) < _SHORTEST_SECRET:
            return value
        if key.encode() not in body and b"\\u" not in body and b"\\/" not in body:
            return value  # no escape sequence can spell it
        text = jsonl.dumps(value)
        return jsonl.loads_foreign(text.replace(key, _HIDDEN)) if key in text else value

    def _refusal(self, response: httpx2.Response) -> Failed | Later:
        """Return what an HTTP error means for its row; raises InputError where it means the same for every row."""
        if response.is_success:
            return Later(f"HTTP {response.status_code} without a chat completion")
        status, said = response.status_code, printable(self._scrubbed(refusal.words_in(response.text)), 160)
        shown = f"HTTP {status}{said and ': '}{said}"
        if advice := refusal.advice(status, said, self._endpoint.model, self._endpoint.key_env):
            raise InputError(f"{self._endpoint.base_url}: {shown}; {advice}")
        if status in refusal.PASSING or status >= 500:
            after = refusal.seconds_to_wait(response.headers.get("retry-after", ""))
            return Later(f"HTTP {status}", after=after, lost=status in refusal.LOSS)
        self._refused += 1
        if self._refused >= _REFUSALS_UNTIL_STOP and self._answered_at < 0:
            raise InputError(
                f"{self._endpoint.base_url}: the first {self._refused} requests were all refused, the last with "
                f"{shown}; correct model, max_tokens or extra_body in the recipe"
            )
        return Failed(shown)

    def _shown(self, error: BaseException) -> str:
        return printable(self._scrubbed(str(error) or type(error).__name__), 160)

    def _scrubbed(self, text: str) -> str:
        key = self._endpoint.key
        return text if len(key) < _SHORTEST_SECRET else text.replace(key, _HIDDEN)
