"""The shared cache helps or does nothing; it never fails, and is never waited for."""

import random
import socket
import threading
import time
from contextlib import contextmanager

import pytest
import redis

from eventapp.config import ConfigError
from eventapp.core import shared_cache
from eventapp.core.metrics import SHARED_CACHE
from eventapp.core.shared_cache import SharedCache
from tests.live import Line, eventually
from tests.redis_server import patient, redis_server

SECRET = "s" * 40
LIFETIME = 60_000


@pytest.fixture
def port():
    with redis_server() as port:
        yield port


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(shared_cache, "RETRY_SECONDS", 0.2)


def opened(url, secret=SECRET):
    """One that has found out that its Redis answers."""
    cache = SharedCache(url, secret)
    eventually(lambda: cache.get(["nothing"]) and cache._answers)
    return cache


def counted(outcome):
    return SHARED_CACHE.labels(outcome)._value.get()


def test_what_one_keeps_another_finds(port):
    one, two = opened(patient(port)), opened(patient(port))
    values = {f"name{number}": random.randbytes(3_000) + b"\r\n\n\0" for number in range(5)}
    one.put(values, LIFETIME)
    assert two.get([*values, "nothing"]) == [*values.values(), None]


def test_it_is_kept_no_longer_than_was_said(port):
    cache = opened(patient(port))
    cache.put({"a": b"1", "b": b"2"}, LIFETIME)
    left = redis.Redis(port=port).pttl("a")
    assert LIFETIME - 5_000 < left <= LIFETIME
    cache.put({"a": b"1"}, 1)
    eventually(lambda: cache.get(["a", "b"]) == [None, b"2"])


def test_what_others_wrote_is_not_found(port):
    cache, other = opened(patient(port)), opened(patient(port), "t" * 40)
    direct = redis.Redis(port=port)
    cache.put({"mine": b"value", "place": b"other"}, LIFETIME)
    other.put({"theirs": b"value"}, LIFETIME)
    sealed = direct.get("mine")
    direct.set("moved", sealed)
    direct.set("changed", sealed[:-1] + b"!")
    direct.set("short", b"x")
    direct.set("empty", b"")
    direct.lpush("list", sealed)
    before = counted("foreign")
    names = ["theirs", "moved", "changed", "short", "empty", "list", "mine"]
    assert cache.get(names) == [None] * 6 + [b"value"]
    assert counted("foreign") == before + 5


def test_nothing_is_asked_before_it_is_known_to_answer(port):
    cache = SharedCache(patient(port), SECRET)
    began = time.perf_counter()
    assert cache.get(["a"]) == [None]
    cache.put({"a": b"1"}, LIFETIME)
    assert time.perf_counter() - began < 0.5
    eventually(lambda: cache._answers)
    assert cache.get(["a"]) == [None]


class Log:
    def __init__(self):
        self.said = []

    def warning(self, words, **_more):
        self.said.append(words)

    info = warning


def test_one_that_is_gone_costs_nothing_is_logged_once_and_found_again(port, monkeypatch):
    log = Log()
    monkeypatch.setattr(shared_cache, "log", log)
    with Line("127.0.0.1", port) as line:
        cache = opened(patient(line.port))
        cache.put({"a": b"1"}, LIFETIME)
        before = counted("failed")
        line.cut()
        began = time.perf_counter()
        for _ in range(200):
            assert cache.get(["a", "b"]) == [None, None]
            cache.put({"a": b"2"}, LIFETIME)
        assert time.perf_counter() - began < 2
        assert counted("failed") == before + 1
        time.sleep(0.5)  # it is looked for, in vain
        assert log.said == ["the shared cache does not answer"]
        line.mend()
        eventually(lambda: cache.get(["a"]) == [b"1"])
    eventually(lambda: log.said[1:] == ["the shared cache answers again"])


def test_one_that_is_silent_is_given_up_soon(port):
    with Line("127.0.0.1", port) as line:
        cache = opened(f"redis://127.0.0.1:{line.port}/?socket_timeout=0.3")
        line.stall()
        began = time.perf_counter()
        results = [None] * 16

        def ask(place):
            results[place] = cache.get(["a"])

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(100):
            assert cache.get(["a"]) == [None]
        assert results == [[None]] * 16
        assert 0.2 < time.perf_counter() - began < 1.5


def test_one_that_is_slow_is_left_alone(port, monkeypatch):
    cache = opened(f"redis://127.0.0.1:{port}/?socket_timeout=0.3")
    ask = cache._redis.mget

    def slowly(names):
        time.sleep(0.4)
        return ask(names)

    monkeypatch.setattr(shared_cache, "RETRY_SECONDS", 60)
    monkeypatch.setattr(cache._redis, "mget", slowly)
    began = time.perf_counter()
    for _ in range(20):
        cache.get(["a"])
    assert 0.4 < time.perf_counter() - began < 1


def test_by_default_a_call_waits_a_twentieth_of_a_second():
    assert SharedCache("redis://127.0.0.1:1", SECRET)._patience == 0.05


REPLIES = [
    b":1\r\n", b":x\r\n", b"$x\r\n", b"*x\r\n", b"*1\r\n:1\r\n", b"*-1\r\n", b"%1\r\n*0\r\n:1\r\n",
    b"-ERR no\r\n", b"-\r\n", b"\r\n", b"+\xff\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"$99999999999\r\nx", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"-LOADING wait\r\n", b">0\r\n",
]  # fmt: skip


@contextmanager
def nonsense(reply):
    """The port of a server that says this to whatever it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_talk, args=(listener, reply), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _talk(listener, reply):
    while True:
        try:
            line = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=_answer, args=(line, reply), daemon=True).start()


def _answer(line, reply):
    with line:
        try:
            while line.recv(4096):
                line.sendall(reply)
        except OSError:
            return


@pytest.mark.parametrize("reply", REPLIES)
def test_nonsense_is_no_answer(reply):
    with nonsense(reply) as port:
        cache = SharedCache(f"redis://127.0.0.1:{port}/?socket_timeout=0.2", SECRET)
        assert not cache._is_there()
        cache._answers = True  # as if it had spoken well so far
        assert cache.get(["a", "b"]) == [None, None]
        cache._answers = True
        cache.put({"a": b"1"}, LIFETIME)
        assert cache.get(["a"]) == [None]


def test_one_that_takes_nothing_is_not_used(port):
    """A full one, or a replica that may only be read, says PONG all the same."""
    assert SharedCache(patient(port), SECRET)._is_there()
    with nonsense(b"-READONLY You can't write against a read only replica.\r\n") as replica:
        assert not SharedCache(patient(replica), SECRET)._is_there()


@pytest.mark.parametrize("url", ["redis://h/?nonsense=1", "redis://h:99999", "redis://h/?db=x"])
def test_a_url_that_can_never_do_is_refused_at_the_start(url):
    with pytest.raises(ConfigError, match="CACHE_URL"):
        SharedCache(url, SECRET)
