"""The server of the page: what it listens to, and who is let in."""

import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI, Response
from nicegui import ui

from bharnet_ros.errors import BharnetError
from bharnet_ros.studio.guard import LOCAL, QUERY, Guard, new_token
from bharnet_ros.studio.page import PICTURE, Page
from bharnet_ros.studio.watch import Watch

BACKLOG = 128
RECONNECT = 30.0  # seconds that a viewer may be away, as a phone that sleeps
EVERYWHERE = ('', '0.0.0.0', '::')


class ServerError(BharnetError):
    """An address at which no page can be served; the text says why."""


class Server:
    """Serves the page of a watch until it is stopped."""

    def __init__(self, host: str, port: int, watch: Watch, make_page: Callable[[], Page]):
        """Listen; ServerError if that is impossible. Port 0 takes a free one."""
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise ServerError(
                f'cannot listen at {host}, port {port}: {error.strerror or error}; take another '
                '--port (0 for any that is free), or --host'
            ) from error
        # An address that stands for all of this machine's is none to go to from elsewhere.
        name = socket.gethostname() if host in EVERYWHERE else host
        name = f'[{name}]' if ':' in name else name
        self._token = None if name in LOCAL and host not in EVERYWHERE else new_token()
        self.url = f'http://{name}:{self._socket.getsockname()[1]}/'
        if self._token is not None:
            self.url += f'?{QUERY}={self._token}'
        app = FastAPI(openapi_url=None)

        @app.get(PICTURE)
        def picture(skeleton: int = 0) -> Response:
            data = watch.picture(bool(skeleton))
            headers = {'Cache-Control': 'no-store'}
            return (
                Response(data, media_type='image/jpeg', headers=headers)
                if data is not None
                else Response(status_code=404)
            )

        ui.run_with(
            app,
            root=make_page,
            title='bharnet studio',
            show_welcome_message=False,
            language='en-US',
            reconnect_timeout=RECONNECT,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(Guard(app, self._token), log_level='warning', access_log=False)
        )

    def run(self) -> None:
        """Serve until `stop`, or a signal that asks to end."""
        self._server.run([self._socket])

    def stop(self) -> None:
        """End soon; from any thread."""
        self._server.should_exit = True
