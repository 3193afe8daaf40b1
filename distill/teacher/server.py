"""Serve the rule-based teacher on the loopback interface, as any OpenAI-compatible endpoint would be.

    $ python -m distill.teacher.server --port 0
    serving finsight-rules-1 on http://127.0.0.1:41873/v1

HTTP/1.1 with keep-alive, standard library only. It never prints a request or a key. The pipeline starts it through
`serving()`, as a process of its own (so that the client and the rules do not share one interpreter), which ends when
the pipe from its parent closes: a parent killed in the middle leaves no server behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from distill.teacher.protocol import MODEL, Reply, answer, failure
from finsight_eval.errors import InputError, command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOST: Final = "127.0.0.1"
_ROOT: Final = Path(__file__).resolve().parents[2]
_MAX_HEAD: Final = 64 * 1024
_MAX_BODY: Final = 16 * 1024 * 1024
_LINGER_SECONDS: Final = 1
_REASONS: Final = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}


class _UnreadableError(Exception):
    """The bytes on the wire are no request that can be answered and followed by another."""


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, str, dict[str, str], bytes]:
    """Return method, path, headers (names in lower case) and body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _UnreadableError
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY:
        raise _UnreadableError
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return words[0], words[1], headers, await reader.readexactly(int(length))


def _wire(reply: Reply, *, keep: bool) -> bytes:
    body = json.dumps(reply.body, ensure_ascii=False).encode()
    reason = _REASONS.get(reply.status, "Error")
    head = (
        f"HTTP/1.1 {reply.status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        f"connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    )
    return head.encode() + body


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
    """Answer the requests of one connection until either side ends it."""
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep = True
    while keep:
        try:
            method, path, headers, body = await _read(reader, writer)
            keep = headers.get("connection", "").lower() != "close"
            reply = answer(method, path, headers.get("authorization", ""), body, key)
        except (_UnreadableError, asyncio.LimitOverrunError):
            reply, keep = failure(400, "The request could not be read, or is larger than 16 MB."), False
        writer.write(_wire(reply, keep=keep))
        await writer.drain()
    writer.write_eof()
    # Closing on unread bytes would reset the connection and take the reply with it.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while await reader.read(_MAX_HEAD):
                pass


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
    # Cancelled is what an idle connection ends by when the server stops; left to asyncio it would print a traceback.
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        await _converse(reader, writer, key)
    writer.close()


async def serve(port: int, key: str, *, until_stdin_closes: bool) -> None:
    """Serve until cancelled, or until standard input ends; prints the base URL once it listens."""
    try:
        server = await asyncio.start_server(
            lambda r, w: _connection(r, w, key), HOST, port, limit=_MAX_HEAD, backlog=1024
        )
    except (OSError, OverflowError) as error:
        raise InputError(f"--port {port}: {error}; choose another from 1 to 65535, or 0 for a free one") from None
    print(f"serving {MODEL} on http://{HOST}:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        if until_stdin_closes:
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
        else:
            await server.serve_forever()


@contextlib.contextmanager
def serving(key: str = "") -> Iterator[str]:
    """Start the server in a process of its own on a free loopback port; yields its base URL, ends it afterwards."""
    line = [
        sys.executable,
        "-m",
        "distill.teacher.server",
        "--port",
        "0",
        "--until-stdin-closes",
        *(["--key-env", "FINSIGHT_RULES_KEY"] if key else []),
    ]
    environment = {**os.environ, "FINSIGHT_RULES_KEY": key, "PYTHONUTF8": "1"}
    process = subprocess.Popen(  # noqa: S603 (our own interpreter and module)
        line, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None  # noqa: S101
    assert process.stdin is not None  # noqa: S101
    try:
        said = process.stdout.readline()
        if "http://" not in said:
            raise InputError("the embedded teacher did not start; run `python -m distill.teacher.server` to see why")
        yield said.split()[-1]
    finally:
        process.stdin.close()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@command
def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m distill.teacher.server", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free port (default: %(default)s)")
    parser.add_argument("--key-env", metavar="NAME", help="demand the key that this environment variable holds")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input does")
    args = parser.parse_args(argv)
    key = os.environ.get(args.key_env, "") if args.key_env else ""
    if args.key_env and not key:
        raise InputError(
            f"--key-env {args.key_env}: this environment variable is not set; set it, or leave the flag out"
        )
    asyncio.run(serve(args.port, key, until_stdin_closes=args.until_stdin_closes))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
