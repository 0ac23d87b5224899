"""A camera on the network that comes and goes."""

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


def free_port():
    """Return a port of 127.0.0.1 at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class MjpegServer:
    """A camera at 127.0.0.1, on a port that stays the same when it vanishes and comes back."""

    def __init__(self):
        self._server, self.port = None, 0

    @property
    def url(self):
        """Where its images are."""
        return f'http://127.0.0.1:{self.port}/camera.mjpg'

    def start(self, image):
        """Serve this image again and again until `stop`."""
        stopping, connections = threading.Event(), []
        jpeg = cv2.imencode('.jpg', image)[1].tobytes()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                connections.append(self.connection)
                self.send_response(200)
                self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
                self.end_headers()
                with suppress(OSError):
                    while not stopping.wait(0.01):
                        self.wfile.write(
                            b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: '
                            b'%d\r\n\r\n%s\r\n' % (len(jpeg), jpeg)
                        )

            def log_message(self, *_):
                pass

        self._stopping, self._connections = stopping, connections
        self._server = ThreadingHTTPServer(('127.0.0.1', self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        """Vanish, with all connections."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.shutdown()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._server = None


def grey(level):
    """Return a small image of one grey."""
    return np.full((48, 64, 3), level, np.uint8)
