"""A chat-completions endpoint that does what a test tells it to: real providers on bad days, in a thread.

with MockTeacher(lambda ask: Say(429, headers={"retry-after": "0.1"}) if ask.number == 1 else ok(ask)) as mock: ...
"""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from finsight_eval import parse, prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

REPLY = parse.render(parse.Answer("orders rise -> revenue grows", "Acme", "Positive", "Low"))


@dataclass(frozen=True)
class Ask:
    """One request as the server saw it; `number` counts from 1."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def news(self) -> str:
        return prompt.news_in(self.body["messages"])


@dataclass(frozen=True)
class Say:
    """What to answer: after `delay` seconds of silence, or of blank lines where `blanks` is set."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    blanks: bool = False
    drop: bool = False


def completion(content: str | None = REPLY, finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    """Return a chat completion such as DeepSeek's."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "mock-served-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 400, "completion_tokens": 50, "prompt_cache_hit_tokens": 300},
        **more,
    }


def ok(ask: Ask) -> Say:
    return Say(body=completion())


def problem(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


class MockTeacher:
    """Serves on a free loopback port until the context ends; `asked` lists every request."""

    def __init__(self, script: Callable[[Ask], Say] = ok, port: int = 0) -> None:
        """Answer each request with what `script` returns for it, on a free port or on `port`."""
        self._script = script
        self._port = port
        self._in_flight = 0
        self.most_in_flight = 0
        self.asked: list[Ask] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def news(self) -> list[str]:
        return [ask.news for ask in self.asked]

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._converse, "127.0.0.1", self._port, backlog=512), self._loop
        )
        self._server = starting.result(10)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _ended(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        body = json.loads(await reader.readexactly(int(headers.get("content-length", "0"))) or b"{}")
        ask = Ask(len(self.asked) + 1, first.split(" ")[1], headers, body)
        self.asked.append(ask)
        say = self._script(ask)
        if say.drop:
            return False
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        await self._said(say, writer)
        self._in_flight -= 1
        return True

    async def _said(self, say: Say, writer: asyncio.StreamWriter) -> None:
        data = say.body.encode() if isinstance(say.body, str) else json.dumps(say.body).encode()
        blanks = int(say.delay / 0.05) if say.blanks else 0
        more = "".join(f"{key}: {value}\r\n" for key, value in say.headers.items())
        if not say.blanks:
            await asyncio.sleep(say.delay)
        head = f"HTTP/1.1 {say.status} X\r\n{more}content-length: {len(data) + blanks}\r\n\r\n"
        writer.write(head.encode())
        for _ in range(blanks):
            writer.write(b"\n")
            await writer.drain()
            await asyncio.sleep(0.05)
        writer.write(data)
        await writer.drain()
