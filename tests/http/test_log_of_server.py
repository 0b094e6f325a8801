"""A server that is stopped under load has a line in its log for each request that it answered."""

import http.client
import json
import threading

import pytest

from tests.conftest import needs_no_server
from tests.live import Server


def request_until_refused(port, path, ids, answered):
    """Send requests over one connection until the server ends, and note the id of each answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        while True:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            ids.append(response.headers["X-Request-Id"])
            answered.release()
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()


@needs_no_server
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_no_line_of_an_answered_request_is_lost_by_a_stop(tmp_path, log_format):
    settings = {"LOG_LEVEL": "info", "LOG_FORMAT": log_format}
    with Server(tmp_path, **settings) as server:
        server.wait()
        ids, answered = [], threading.Semaphore(0)
        arguments = server.port, "/healthz", ids, answered
        threads = [threading.Thread(target=request_until_refused, args=arguments) for _ in range(8)]
        for each in threads:
            each.start()
        for _ in range(300):
            assert answered.acquire(timeout=20)
        assert server.stop() == 0
        for each in threads:
            each.join()
        lines = server.log_text().splitlines()
        logged = [find_id(line, log_format) for line in lines if "/healthz" in line]
    assert len(ids) >= 300
    assert len(logged) == len(set(logged))
    assert set(ids) <= set(logged)
    # Each client may have lost one answer when its connection was closed.
    assert len(logged) <= len(ids) + len(threads)


def find_id(line, log_format):
    """Return the id of the request of a line."""
    if log_format == "json":
        return json.loads(line)["request_id"]
    return next(each for each in line.split() if each.startswith("request_id=")).partition("=")[2]
