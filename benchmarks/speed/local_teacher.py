"""A teacher that knows one answer and costs next to nothing: what is measured against it is the distiller.

    with serving(Weather(delay=1.0, jitter=3.0)) as base_url: ...      answers after 1 to 4 seconds
    with serving(Weather(share=0.05, status=429)) as base_url: ...     turns away five requests in a hundred, at random

A process of its own (so that it shares no interpreter with what is measured), which ends when its input closes. The
answer has the size of a real one: 1.3 KB of reasoning, 0.5 KB of protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from finsight_eval import jsonl

if TYPE_CHECKING:
    from collections.abc import Iterator

_REASONING = "Supplier halts output -> inventory falls -> guidance is cut -> margins shrink -> downside. " * 14
_REPLY = f'<thinking>{_REASONING}</thinking>\n{{"entity": "Acme", "sentiment": "Negative", "risk_level": "High"}}'
_COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "deepseek-flash",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": _REPLY}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 420,
        "completion_tokens": 310,
        "total_tokens": 730,
        "prompt_cache_hit_tokens": 384,
        "prompt_cache_miss_tokens": 36,
    },
    "system_fingerprint": "fp",
}


@dataclass(frozen=True)
class Weather:
    """Seconds until an answer (and up to so many more), and the share of requests that get `status` instead."""

    delay: float = 0.0
    jitter: float = 0.0
    share: float = 0.0
    status: int = 500
    seed: int = 1


def _wire(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


_ANSWER = _wire(200, jsonl.dumps(_COMPLETION).encode())


class _Conversation(asyncio.Protocol):
    def __init__(self, weather: Weather, rng: random.Random) -> None:
        self._weather, self._rng, self._heard = weather, rng, b""
        trouble = {"error": {"message": "not now", "type": "server_error"}}
        self._refusal = _wire(weather.status, jsonl.dumps(trouble).encode())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a TCP server
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while (end := self._heard.find(b"\r\n\r\n")) >= 0:
            head = self._heard[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or b"0")
            if len(self._heard) < end + 4 + length:
                return
            self._heard = self._heard[end + 4 + length :]
            wait = self._weather.delay + self._rng.random() * self._weather.jitter
            answer = self._refusal if self._rng.random() < self._weather.share else _ANSWER
            if wait:
                asyncio.get_running_loop().call_later(wait, self._transport.write, answer)
            else:
                self._transport.write(answer)


async def _serve(weather: Weather) -> None:
    loop, rng = asyncio.get_running_loop(), random.Random(weather.seed)
    server = await loop.create_server(lambda: _Conversation(weather, rng), "127.0.0.1", 0, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def serving(weather: Weather, core: int | None = None) -> Iterator[str]:
    """Serve within this block, on processor `core` where one is given, and yield the base URL."""
    command = [sys.executable, "-m", __name__, jsonl.dumps(asdict(weather))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdin and process.stdout  # noqa: S101, PT018
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(Weather(**jsonl.loads(sys.argv[1]))))
