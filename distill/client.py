"""One question to a teacher over the OpenAI protocol, asked until it is answered or past hope.

    await client.ask("You are a financial risk expert. ...")
        -> Answered(response={"choices": [...], "usage": {...}}, seconds=0.41, attempts=1)
        -> Failed("HTTP 400: too long")          the row's own fault: counted and named, the rest goes on
        -> raises InputError                     nobody's request can succeed: the run stops, with what to do

The official client, with its own retries off: they know neither a total deadline (blank keep-alive lines keep its
timeout from ever firing) nor `insufficient_system_resource`, which arrives inside an ordinary 200.
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
from finsight_eval import jsonl, prompt
from finsight_eval.errors import InputError, printable
from finsight_eval.parse import Failed

if TYPE_CHECKING:
    import random
    from types import TracebackType

#: The first retries follow at once, the last ones leave an overloaded endpoint half a minute.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 30.0
_LONGEST_RETRY_AFTER: Final = 300.0
#: A wrong address should not take all attempts to be found out.
_ATTEMPTS_UNTIL_REACHED: Final = 3
#: So many refusals (HTTP 400 and the like) and not one answer: the settings are wrong, not the rows.
_REFUSALS_UNTIL_STOP: Final = 20
_SHORTEST_SECRET: Final = 8
_HIDDEN: Final = "[api key]"
_LOOPBACK: Final = {"127.0.0.1", "localhost", "::1"}


class Answered(NamedTuple):
    """A chat completion as it came, how long the last attempt took and how many there were."""

    response: dict[str, Any]
    seconds: float
    attempts: int


class _Later(NamedTuple):
    """A trouble that may pass: its name, the pause the server asked for, whether the server was met at all."""

    error: str
    after: float = 0.0
    met: bool = True


@dataclass(frozen=True)
class Endpoint:
    """Where and how to ask; the key never appears in its repr. `name` is what the store calls this teacher."""

    name: str
    base_url: str
    model: str
    settings: dict[str, Any]
    concurrency: int
    timeout_seconds: float
    max_attempts: int
    key_env: str | None
    key: str = field(repr=False)


class Client:
    """The teacher at one endpoint; an async context manager."""

    def __init__(self, endpoint: Endpoint, rng: random.Random, stopping: asyncio.Event) -> None:
        """Prepare to ask `endpoint`; retries end early once `stopping` is set."""
        self._endpoint = endpoint
        self._rng = rng
        self._stopping = stopping
        self._answered_at = -1.0
        self._refused = 0
        seconds, parts = endpoint.timeout_seconds, urlsplit(endpoint.base_url)
        self._api = openai.AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.key or "none",
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(
                timeout=httpx2.Timeout(seconds, connect=min(seconds, 20.0), pool=None),
                limits=httpx2.Limits(max_connections=endpoint.concurrency),
                follow_redirects=False,
                verify=parts.scheme == "https",  # reading all certificates costs a tenth of a second
                # A proxy in the environment must not stand between us and our own machine.
                trust_env=parts.hostname not in _LOOPBACK,
            ),
        )

        # Read from the environment, where they were set for OpenAI: none of another provider's business.
        self._api.organization = self._api.project = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.close()

    async def ask(self, text: str) -> Answered | Failed:
        """Return the teacher's answer to `text`, or why there is none.

        Raises:
            InputError: the endpoint cannot be reached, refuses the key, is out of money or does not know the model.
        """
        body = {"model": self._endpoint.model, "messages": prompt.messages(text), **self._endpoint.settings}
        began = time.monotonic()
        attempt = 0
        while True:
            attempt += 1
            started = time.monotonic()
            outcome = await self._attempt(body)
            if isinstance(outcome, dict):
                self._answered_at = time.monotonic()
                return Answered(outcome, round(self._answered_at - started, 3), attempt)
            if isinstance(outcome, Failed):
                return outcome
            reached = self._answered_at >= 0 or outcome.met
            if attempt >= (self._endpoint.max_attempts if reached else _ATTEMPTS_UNTIL_REACHED):
                return self._given_up(outcome, attempt, began)
            if await self._paused(attempt, outcome.after):
                return Failed(f"{outcome.error}; stopped before another attempt")

    def _given_up(self, last: _Later, attempts: int, began: float) -> Failed:
        if not last.met and self._answered_at < began:
            raise InputError(
                f"{self._endpoint.base_url}: cannot be reached ({last.error}); check base_url in the recipe and the "
                "network; stored answers are kept"
            )
        return Failed(f"{last.error} after {attempts} attempts")

    async def _paused(self, attempt: int, after: float) -> bool:
        """Wait before the next attempt; tells whether the run was stopped meanwhile."""
        backoff = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1)) * self._rng.uniform(0.5, 1.0)
        asked = min(after, _LONGEST_RETRY_AFTER)
        pause = asked * self._rng.uniform(1.0, 1.1) if asked > 0 else backoff
        try:
            await asyncio.wait_for(self._stopping.wait(), pause)
        except TimeoutError:
            return False
        return True

    async def _attempt(self, body: dict[str, Any]) -> dict[str, Any] | Failed | _Later:
        deadline = self._endpoint.timeout_seconds
        try:
            async with asyncio.timeout(deadline):
                response = await self._api.post("/chat/completions", body=body, cast_to=httpx2.Response)
        except (TimeoutError, openai.APITimeoutError) as error:
            # The aiohttp transport reports a refused or broken connection as a timed-out one.
            if isinstance(getattr(error, "__cause__", None), httpx2.ConnectTimeout):
                return _Later(self._shown(error.__cause__), met=False)
            return _Later(f"no answer within {deadline:g} s")
        except openai.APIStatusError as error:
            response = error.response
        except openai.APIConnectionError as error:
            return _Later(self._shown(error.__cause__ or error), met=False)
        # Outside the handlers: an error raised within one carries the client's own, unscrubbed, along its chain.
        return self._completion(response) if response.is_success else self._refusal(response)

    def _completion(self, response: httpx2.Response) -> dict[str, Any] | _Later:
        """Return the chat completion in a 200, with the key blotted out of it wherever a server echoes it."""
        try:
            value = self._without_key(jsonl.loads(response.text))
            choice = value["choices"][0]
            content = choice["message"].get("content")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return _Later("HTTP 200 without a chat completion")
        if not isinstance(content, str | None):
            return _Later("HTTP 200 without a chat completion")
        if choice.get("finish_reason") == "insufficient_system_resource":
            return _Later("finish_reason insufficient_system_resource")
        return dict(value)

    def _without_key(self, value: Any) -> Any:
        """Return `value` with the key blotted out: looked for after decoding, so that no escape sequence hides it."""
        text = jsonl.dumps(value)
        scrubbed = self._scrubbed(text)
        return value if scrubbed == text else jsonl.loads(scrubbed)

    def _refusal(self, response: httpx2.Response) -> Failed | _Later:
        """Return what an HTTP error means for its row; raises InputError where it means the same for every row."""
        status, said = response.status_code, printable(self._scrubbed(refusal.words_in(response.text)), 160)
        shown = f"HTTP {status}{said and ': '}{said}"
        if advice := refusal.advice(status, said, self._endpoint.model, self._endpoint.key_env):
            raise InputError(f"{self._endpoint.base_url}: {shown}; {advice}")
        if status in refusal.PASSING or status >= 500:
            return _Later(f"HTTP {status}", after=refusal.seconds_to_wait(response.headers.get("retry-after", "")))
        self._refused += 1
        if self._refused >= _REFUSALS_UNTIL_STOP and self._answered_at < 0:
            raise InputError(
                f"{self._endpoint.base_url}: the first {self._refused} requests were all refused, the last with "
                f"{shown}; correct model, max_tokens or extra_body in the recipe"
            )
        return Failed(shown)

    def _shown(self, error: BaseException | None) -> str:
        return printable(self._scrubbed(str(error) or type(error).__name__), 160)

    def _scrubbed(self, text: str) -> str:
        key = self._endpoint.key
        return text if len(key) < _SHORTEST_SECRET else text.replace(key, _HIDDEN)
