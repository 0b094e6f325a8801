"""A server that speaks Redis over a real socket, for tests of what is shared through one."""

import threading
from contextlib import contextmanager

from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler
from redis import ResponseError

# A busy machine must not make a test's client give up, where that is not what is tested.
PATIENT = "?socket_timeout=10&socket_connect_timeout=10"


class Handler(TCPFakeRequestHandler):
    """As a real server, goes on with a connection on which it has answered an error."""

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
    """The port of an empty one."""
    server = TcpFakeServer(("127.0.0.1", 0))
    server.RequestHandlerClass, server.daemon_threads = Handler, True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def patient(port, number=0):
    """The URL of a database there, for clients that wait."""
    return f"redis://127.0.0.1:{port}/{number}{PATIENT}"
