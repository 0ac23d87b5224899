"""Who is let in: the token, local names, and pages of other sites."""

import asyncio

import pytest

from bharnet_ros.studio.guard import COOKIE, Guard, new_token

TOKEN = new_token()


def ask(token, path='/', kind='http', query='', **headers):
    """Return what the guard answers: status, headers; or 'passed on'."""
    sent = []

    async def application(scope, receive, send):
        sent.append('passed on')

    async def send(message):
        sent.append(message)

    scope = {
        'type': kind,
        'path': path,
        'query_string': query.encode(),
        'headers': [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(application, token)(scope, None, send))
    return sent[0]


@pytest.mark.parametrize('host', ['localhost:8470', '127.0.0.1:8470', '[::1]:8470', 'localhost'])
def test_a_local_page_needs_no_token(host):
    assert ask(None, host=host) == 'passed on'
    assert ask(None, kind='websocket', host=host, origin=f'http://{host}') == 'passed on'


@pytest.mark.parametrize('host', ['evil.example:8470', 'localhost.evil.example', '', '10.0.0.1'])
def test_a_foreign_name_for_this_machine_is_refused(host):
    """A site whose name is pointed at 127.0.0.1 must not read what a browser here can."""
    assert ask(None, host=host)['status'] == 403


@pytest.mark.parametrize('token', [None, TOKEN], ids=['local', 'token'])
def test_the_page_of_another_site_opens_no_socket(token):
    headers = {'host': 'localhost:8470', 'cookie': f'{COOKIE}={TOKEN}'}
    refused = ask(token, kind='websocket', origin='http://evil.example', **headers)
    assert refused['type'] == 'websocket.close'


def test_the_token_in_the_address_becomes_a_cookie_that_lets_in():
    answer = ask(TOKEN, query=f'token={TOKEN}', host='robot:8470')
    headers = dict(answer['headers'])
    assert answer['status'] == 303 and headers[b'location'] == b'/'
    cookie, *attributes = headers[b'set-cookie'].decode().split('; ')
    assert {'HttpOnly', 'SameSite=Lax'} <= set(attributes)
    for kind in ('http', 'websocket'):
        assert ask(TOKEN, kind=kind, host='robot:8470', cookie=f'a=b; {cookie}') == 'passed on'


@pytest.mark.parametrize(
    'given',
    ['', TOKEN[:-1], f'{TOKEN}x', 'ümlaut', 'x' * 100_000],
    ids=['none', 'shorter', 'longer', 'ümlaut', 'endless'],
)
def test_without_the_token_nothing_is_shown(given):
    for path in ('/', '/picture', '/_nicegui/x.js'):
        assert ask(TOKEN, path, query=f'token={given}', host='localhost:8470')['status'] == 403
    headers = {'host': 'localhost', 'cookie': f'{COOKIE}={given}'.encode().decode('latin-1')}
    assert ask(TOKEN, **headers)['status'] == 403
    assert ask(TOKEN, kind='websocket', **headers)['type'] == 'websocket.close'
