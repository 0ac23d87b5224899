"""Who may see the page: a secret in the address, and no other site in the same browser."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = ('localhost', '127.0.0.1', '[::1]')
QUERY, COOKIE = 'token', 'bharnet_studio'
LONGEST = 4096  # bytes of a header that is looked at


def new_token() -> str:
    """Return a secret that nobody guesses."""
    return secrets.token_urlsafe(24)


class Guard:
    """An ASGI application that lets through to another one who may see it.

    With a token: who gives it in the address once; a cookie remembers it. Without: programs of
    this machine, which call it by a local name. A page of another site may not open a socket.
    """

    def __init__(self, app: App, token: str | None):
        self.app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope['type'] not in ('http', 'websocket'):
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode('latin-1')[:LONGEST] for name, value in scope['headers']}
        host = headers.get(b'host', '')
        origin = headers.get(b'origin')
        if origin is not None and origin.partition('://')[2] != host:
            await _refuse(scope, send, 'this page is not for other sites')
        elif self._token is None:
            if host.rpartition(':')[0] in LOCAL or host in LOCAL:
                await self.app(scope, receive, send)
            else:
                await _refuse(scope, send, 'this page is for programs of this machine only')
        elif self._knows(_from_cookie(headers.get(b'cookie', ''))):
            await self.app(scope, receive, send)
        elif scope['type'] == 'http' and self._knows(_from_query(scope['query_string'])):
            await _remember(send, self._token)
        else:
            await _refuse(
                scope, send, 'open the address that bharnet studio printed: it has a token'
            )

    def _knows(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


def _from_query(query: bytes) -> str:
    values = parse_qs(query[:LONGEST].decode('latin-1'))
    return values.get(QUERY, [''])[0]


def _from_cookie(header: str) -> str:
    try:
        cookie = SimpleCookie(header)
    except CookieError:
        return ''
    return cookie[COOKIE].value if COOKIE in cookie else ''


async def _remember(send: Send, token: str) -> None:
    """Send whoever knows the token to the address without it, where nobody reads it."""
    cookie = f'{COOKIE}={token}; HttpOnly; SameSite=Lax; Path=/'
    headers = [(b'location', b'/'), (b'set-cookie', cookie.encode())]
    await _answer(send, 303, '', headers)


async def _refuse(scope: Scope, send: Send, text: str) -> None:
    if scope['type'] == 'websocket':
        await send({'type': 'websocket.close', 'code': 1008})
    else:
        await _answer(send, 403, text + '\n', [])


async def _answer(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [*headers, (b'content-type', b'text/plain; charset=utf-8')]
    await send({'type': 'http.response.start', 'status': status, 'headers': headers})
    await send({'type': 'http.response.body', 'body': text.encode()})
