"""The road from the official client to the wire: aiohttp, without what a chat completion has no use for.

    FinSight(..., http_client=Road(connections=1024, secure=True, proxies=True))

The client builds headers and address anew for every request, follows redirects and keeps cookies, and its own aiohttp
transport reports a broken connection as a timed-out one. Here headers are built once, a body is read in one go, and an
error says what it was: `httpx2.ConnectError` where nobody was met, `httpx2.ReadError` where the conversation broke off.
There is no timeout below: whoever asks sets a total one, which blank keep-alive lines cannot defeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx2
import openai
import yarl
from multidict import CIMultiDict

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

_KEEP_ALIVE_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 20.0
_OK: Final = 200
#: Where a request and the answer to it carry their bodies whole: httpx2 hands them over in parts.
BODY: Final = "finsight_body"
_LEFT_OUT: Final = ("content-length", "idempotency", "x-stainless")


class Wire(httpx2.AsyncBaseTransport):
    """Connections that are kept and used again, one request at a time on each."""

    def __init__(self, connections: int, *, secure: bool, proxies: bool) -> None:
        """Open nothing yet; `secure`: read the certificates (0.1 s); `proxies`: those of the environment count."""
        self._connections = connections
        self._ssl: ssl.SSLContext | bool = httpx2.create_ssl_context() if secure else True
        self._proxies = proxies
        self._session: aiohttp.ClientSession | None = None
        self._headers = CIMultiDict[str]()
        self._known: httpx2.Headers | None = None
        self._url = yarl.URL()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request and return its answer, read to the end.

        Raises:
            httpx2.ConnectError: nobody was met.
            httpx2.ReadError: the conversation broke off.
        """
        session = self._session or self._opened()
        if request.headers is not self._known:
            self._known, self._headers, self._url = (
                request.headers,
                CIMultiDict(request.headers),
                yarl.URL(str(request.url)),
            )
        try:
            async with session.request(
                request.method, self._url, data=request.extensions[BODY], headers=self._headers, allow_redirects=False
            ) as response:
                body = await response.read()
        except aiohttp.ClientConnectorError as error:
            raise httpx2.ConnectError(str(error)) from None
        except aiohttp.ServerTimeoutError as error:
            raise httpx2.ConnectError(str(error) or "no connection in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from None
        if response.status == _OK:
            return httpx2.Response(_OK, stream=httpx2.ByteStream(body), request=request, extensions={BODY: body})
        return httpx2.Response(response.status, headers=_plain(response.headers), content=body, request=request)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._connections, ssl=self._ssl, keepalive_timeout=_KEEP_ALIVE_SECONDS, ttl_dns_cache=300
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._proxies,
        )
        return self._session


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that still describe a body which has been read and unpacked."""
    gone = {"content-encoding", "transfer-encoding", "content-length"}
    return {name: value for name, value in headers.items() if name.lower() not in gone}


class Road(httpx2.AsyncClient):
    """The http client that is handed to the official one."""

    def __init__(self, connections: int, *, secure: bool, proxies: bool) -> None:
        """Prepare the wire; see `Wire`."""
        wire = Wire(connections, secure=secure, proxies=proxies)
        super().__init__(transport=wire, follow_redirects=False, trust_env=False, verify=False)
        self._wire = wire

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """Send without cookies, redirects and the flow of authorisation, none of which a chat completion has."""
        return await self._wire.handle_async_request(request)


class FinSight(openai.AsyncOpenAI):
    """The official client, which makes its first request in full; the others differ from that one in their bodies only.

    Left out of all are the headers that describe our machine to the endpoint, and one that would call them repeats.
    """

    _first: tuple[Any, httpx2.Request] | None = None

    async def complete(self, url: str, body: bytes) -> httpx2.Response:
        """Post `body` (always to the same `url`) and return the answer; raises what the official client raises."""
        if self._first is None:
            return await self.post(url, content=body, cast_to=httpx2.Response)
        return await self.request(httpx2.Response, self._first[0].model_copy(update={"content": body}))

    def _build_request(self, options: Any, *, retries_taken: int = 0) -> httpx2.Request:
        if self._first is None:
            request = super()._build_request(options, retries_taken=retries_taken)
            for name in list(request.headers):
                if name.startswith(_LEFT_OUT):
                    del request.headers[name]
            self._first = options, request
        first = self._first[1]
        request = httpx2.Request(first.method, first.url, stream=httpx2.ByteStream(options.content))
        request.headers = first.headers
        request.extensions = {BODY: options.content}
        return request
