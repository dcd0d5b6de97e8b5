"""A relay in front of a mongod that breaks the connections which a client keeps in its pool."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import unquote, urlsplit


class Relay(ThreadingTCPServer):
    """Passes bytes on. What carried a command that names `marked` can be broken."""

    daemon_threads = True

    def __init__(self, mongodb_uri: str, marked: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        address = urlsplit(mongodb_uri)
        credentials, at, server = address.netloc.rpartition("@")
        self._server = unquote(server)
        self.marked = marked.encode()
        self.pooled: set[socket.socket] = set()
        ours = ("replicaSet=", "directConnection=")
        options = [it for it in address.query.split("&") if it and not it.startswith(ours)]
        options.append("directConnection=true")  # past the relay the driver would find the others
        self.uri = (
            f"mongodb://{credentials}{at}127.0.0.1:{self.server_address[1]}/?{'&'.join(options)}"
        )

    def connect(self) -> socket.socket:
        """Connect to the server behind."""
        if self._server.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            return server
        host, _, port = self._server.partition(":")
        return socket.create_connection((host, int(port or 27017)))

    def break_pooled(self) -> int:
        """Break what is in the pool, not what the driver watches the server by; tell how many."""
        broken = len(self.pooled)
        while self.pooled:
            _end(self.pooled.pop())
        return broken

    def go_away(self) -> None:
        """Break what is in the pool and take no new connection."""
        self.shutdown()
        self.server_close()
        self.break_pooled()


class _Connection(BaseRequestHandler):
    server: Relay
    request: socket.socket

    def handle(self) -> None:
        with self.server.connect() as mongod:
            answers = threading.Thread(target=self._pass_on, args=(mongod, self.request))
            answers.start()
            self._pass_on(self.request, mongod)
            answers.join()
        self.server.pooled.discard(self.request)

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if source is self.request and self.server.marked in chunk:
                    self.server.pooled.add(self.request)
                sink.sendall(chunk)
        _end(sink)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def relay(mongodb_uri: str, marked: str) -> Iterator[Relay]:
    """Run a relay for the block."""
    with Relay(mongodb_uri, marked) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
