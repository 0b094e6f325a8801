"""A server that speaks Redis over a real socket, for tests of what processes share."""

import threading
from contextlib import contextmanager

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis import ResponseError

# Long enough that no client gives up on a busy machine, unless that is what a test is about.
LONG_TIMEOUTS = "?socket_timeout=10&socket_connect_timeout=10"


class Handler(TCPFakeRequestHandler):
    """Keeps a connection open after it has answered with an error, as a real server does."""

    def setup(self):
        super().setup()
        read = self.current_client.read_response

        def answer():
            try:
                return read()
            except ResponseError as error:
                return error

        self.current_client.read_response = answer


@contextmanager
def redis_server():
    """Start an empty server; yield its port."""
    server = TcpFakeServer(("127.0.0.1", 0))
    server.RequestHandlerClass, server.daemon_threads = Handler, True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def redis_url(port, database=0):
    """Return the URL of a database of the server, with long timeouts."""
    return f"redis://127.0.0.1:{port}/{database}{LONG_TIMEOUTS}"
