"""The shared cache never fails, and never makes a request wait for long."""

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
from eventapp.core.shared_cache import RedisCache, open_shared_cache
from tests.live import TcpProxy, eventually
from tests.redis_server import redis_server, redis_url

SECRET = "s" * 40
LIFETIME = 60_000


@pytest.fixture
def port():
    with redis_server() as port:
        yield port


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    monkeypatch.setattr(shared_cache, "RETRY_SECONDS", 0.2)


def open_available(url, secret=SECRET):
    """Return a cache which has found that its Redis answers."""
    cache = RedisCache(url, secret)
    eventually(lambda: cache.get(["nothing"]) and cache._is_available)
    return cache


def get_count(outcome):
    return SHARED_CACHE.labels(outcome)._value.get()


def test_a_value_that_one_process_stored_is_found_by_another(port):
    one, two = open_available(redis_url(port)), open_available(redis_url(port))
    values = {f"name{number}": random.randbytes(3_000) + b"\r\n\n\0" for number in range(5)}
    one.put(values.items(), LIFETIME)
    assert two.get([*values, "nothing"]) == [*values.values(), None]


def test_a_value_expires_after_its_lifetime(port):
    cache = open_available(redis_url(port))
    cache.put({"a": b"1", "b": b"2"}.items(), LIFETIME)
    remaining_ms = redis.Redis(port=port).pttl("a")
    assert LIFETIME - 5_000 < remaining_ms <= LIFETIME
    cache.put({"a": b"1"}.items(), 1)
    eventually(lambda: cache.get(["a", "b"]) == [None, b"2"])


def test_values_that_others_wrote_or_moved_are_not_found(port):
    cache, other = open_available(redis_url(port)), open_available(redis_url(port), "t" * 40)
    direct = redis.Redis(port=port)
    cache.put({"mine": b"value", "other": b"other"}.items(), LIFETIME)
    other.put({"theirs": b"value"}.items(), LIFETIME)
    signed = direct.get("mine")
    direct.set("moved", signed)
    direct.set("changed", signed[:-1] + b"!")
    direct.set("short", b"x")
    direct.set("empty", b"")
    direct.lpush("list", signed)
    before = get_count("foreign")
    names = ["theirs", "moved", "changed", "short", "empty", "list", "mine"]
    assert cache.get(names) == [None] * 6 + [b"value"]
    assert get_count("foreign") == before + 5


def test_no_call_is_made_before_redis_has_answered_a_probe(port, monkeypatch):
    is_allowed = threading.Event()
    probe = RedisCache._probe
    monkeypatch.setattr(RedisCache, "_probe", lambda cache: is_allowed.wait(30) and probe(cache))
    cache = RedisCache(redis_url(port), SECRET)
    began = time.perf_counter()
    assert cache.get(["a"]) == [None]
    cache.put({"a": b"1"}.items(), LIFETIME)
    assert time.perf_counter() - began < 0.5
    is_allowed.set()
    eventually(lambda: cache._is_available)
    assert cache.get(["a"]) == [None]


class Log:
    """Keeps the messages that the cache logs."""

    def __init__(self):
        self.messages = []

    def warning(self, message, **_fields):
        self.messages.append(message)

    info = warning


def test_an_outage_of_redis_costs_no_time_is_logged_once_and_ends(port, monkeypatch):
    log = Log()
    monkeypatch.setattr(shared_cache, "log", log)
    with TcpProxy("127.0.0.1", port) as proxy:
        cache = open_available(redis_url(proxy.port))
        cache.put({"a": b"1"}.items(), LIFETIME)
        before = get_count("failed")
        proxy.cut()
        began = time.perf_counter()
        for _ in range(200):
            assert cache.get(["a", "b"]) == [None, None]
            cache.put({"a": b"2"}.items(), LIFETIME)
        assert time.perf_counter() - began < 2
        assert get_count("failed") == before + 1
        time.sleep(0.5)  # meanwhile the probes fail
        assert log.messages == ["the shared cache does not answer"]
        proxy.restore()
        eventually(lambda: cache.get(["a"]) == [b"1"])
    eventually(lambda: log.messages[1:] == ["the shared cache answers again"])


def test_a_redis_that_does_not_answer_is_soon_no_longer_called(port):
    with TcpProxy("127.0.0.1", port) as proxy:
        cache = open_available(f"redis://127.0.0.1:{proxy.port}/?socket_timeout=0.3")
        proxy.stall()
        began = time.perf_counter()
        results = [None] * 16

        def get(number):
            results[number] = cache.get(["a"])

        threads = [threading.Thread(target=get, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for _ in range(100):
            assert cache.get(["a"]) == [None]
        assert results == [[None]] * 16
        assert 0.2 < time.perf_counter() - began < 1.5


def test_a_redis_that_answers_slowly_is_no_longer_called(port, monkeypatch):
    cache = open_available(f"redis://127.0.0.1:{port}/?socket_timeout=0.3")
    mget = cache._redis.mget

    def slowly(names):
        time.sleep(0.4)
        return mget(names)

    monkeypatch.setattr(shared_cache, "RETRY_SECONDS", 60)
    monkeypatch.setattr(cache._redis, "mget", slowly)
    began = time.perf_counter()
    for _ in range(20):
        cache.get(["a"])
    assert 0.4 < time.perf_counter() - began < 1


def test_by_default_a_call_waits_no_longer_than_50_ms():
    assert RedisCache("redis://127.0.0.1:1", SECRET)._timeout == 0.05


REPLIES = [
    b":1\r\n", b":x\r\n", b"$x\r\n", b"*x\r\n", b"*1\r\n:1\r\n", b"*-1\r\n", b"%1\r\n*0\r\n:1\r\n",
    b"-ERR no\r\n", b"-\r\n", b"\r\n", b"+\xff\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"$99999999999\r\nx", b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"-LOADING wait\r\n", b">0\r\n",
]  # fmt: skip


@contextmanager
def server_that_replies(reply):
    """Start a server that sends this reply to whatever it receives; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, reply), daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener, reply):
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, reply), daemon=True).start()


def _answer(connection, reply):
    with connection:
        try:
            while connection.recv(4096):
                connection.sendall(reply)
        except OSError:
            return


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_that_is_not_redis_counts_as_a_failure(reply):
    with server_that_replies(reply) as port:
        cache = RedisCache(f"redis://127.0.0.1:{port}/?socket_timeout=0.2", SECRET)
        assert not cache._probe()
        cache._is_available = True  # as after a successful probe
        assert cache.get(["a", "b"]) == [None, None]
        cache._is_available = True
        cache.put({"a": b"1"}.items(), LIFETIME)
        assert cache.get(["a"]) == [None]


def test_a_redis_that_stores_nothing_is_not_used(port):
    """A full or read-only Redis answers PING all the same."""
    assert RedisCache(redis_url(port), SECRET)._probe()
    with server_that_replies(
        b"-READONLY You can't write against a read only replica.\r\n"
    ) as replica:
        assert not RedisCache(redis_url(replica), SECRET)._probe()


@pytest.mark.parametrize("url", ["redis://h/?nonsense=1", "redis://h:99999", "redis://h/?db=x"])
def test_an_invalid_url_is_refused_at_the_start(url):
    with pytest.raises(ConfigError, match="CACHE_URL"):
        open_shared_cache(url, SECRET)


def test_without_a_url_nothing_is_stored():
    cache = open_shared_cache(None, SECRET)
    cache.put([("a", b"1")], LIFETIME)
    assert cache.get(["a", "b"]) == [None, None]
