"""Send a request to be answered before Flask and by Flask, and compare all that can be seen."""

import json
import re

from werkzeug.test import EnvironBuilder, run_wsgi_app

from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http import early_answers, request_log
from eventapp.core.http.app_context import CONFIG
from eventapp.core.http.early_sending import AnswerSender
from eventapp.core.log_writer import LOG_WRITER
from eventapp.core.logging import configure_logging
from eventapp.core.metrics import LATENCY, REQUESTS, iter_samples
from eventapp.events.cache import change_feed
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.popularity import POPULARITY
from tests.conftest import CurrentStderr
from tests.factories import make_event

SETTINGS = {"LOG_LEVEL": "info", "LOG_FORMAT": "json"}
GZIP = b"\x1f\x8b"  # Four bytes behind the first four say when the body was compressed.
EVENT, LIST = "/api/events/1", "/api/events"


def prepare(app, capsys, monkeypatch):
    """Return a function that sends a request both ways to an application with three events.

    It returns what was early and what was by Flask: status, headers, body, log and effects.
    """
    add_events(app)
    forget_metrics()
    configure_logging(CONFIG.get(app))  # The application that was created last has done so.
    monkeypatch.setattr(LOG_WRITER.get(app), "_file", CurrentStderr())
    # No poll is due between the two requests.
    monkeypatch.setattr(change_feed, "POLL_SECONDS", 1e9)

    def ask_both(path, **options):
        send(app, path, **options)  # This one fills the caches.
        send(app, path, **options)
        results = []
        for may_be_early in (True, False):
            with monkeypatch.context() as patch:
                if not may_be_early:
                    patch.setattr(early_answers.EarlyAnswers, "_may_be_early", lambda *_: False)
                results.append(observe(app, capsys, path, options))
        return results

    return ask_both


def forget_metrics():
    """Begin anew to count requests: the metrics of all tests before take long to read each time."""
    REQUESTS.clear()
    LATENCY.clear()
    request_log._find_metrics.cache_clear()


def add_events(app):
    """Add two public events and a draft, with the ids 1 to 3."""
    db = OPEN_DATABASE.get(app).db
    for number, status in enumerate(("published", "published", "draft")):
        make_event(db, title=f"Jazz {number}", category="concert", status=status)
    EVENT_CACHE.get(app).reset()


def send(app, path, method="GET", headers=None, **options):
    """Send a request as a server of WSGI does, and return body, status and headers."""
    path, _, query = path.partition("?")
    builder = EnvironBuilder(method=method, headers=headers, **options)
    environ = builder.get_environ()
    path = path.encode().decode("latin-1")
    environ |= {"PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": "192.0.2.1"}
    host = (headers or {}).get("Host")
    if host is not None:
        environ["HTTP_HOST"] = host
    environ = {name: value for name, value in environ.items() if is_sent(name, value)}
    parts, status, sent = run_wsgi_app(app.wsgi_app, environ, buffered=True)
    return b"".join(parts), status, list(sent)


def is_sent(name, value):
    """Return whether a server passes on a value: it does not for the length of no body."""
    return (name, value) not in (("CONTENT_LENGTH", "0"), ("CONTENT_LENGTH", ""))


def observe(app, capsys, path, options):
    """Return all that can be seen of a request, without what differs between equal requests."""
    capsys.readouterr()
    POPULARITY.get(app)._collect()
    views, samples = dict(POPULARITY.get(app)._pending), read_samples()
    body, status, headers = send(app, path, **options)
    lines = [make_comparable(line) for line in capsys.readouterr().err.splitlines()]
    POPULARITY.get(app)._collect()
    changed = {key: value - samples.get(key, 0) for key, value in read_samples().items()}
    viewed = {
        event_id: value[1] - views.get(event_id, (0, 0))[1]
        for event_id, value in POPULARITY.get(app)._pending.items()
    }
    return {
        "status": status,
        # A server adds the Date to each answer that has none.
        "headers": [hide_own(*header) for header in headers if header[0] != "Date"],
        "body": body[:4] + body[8:] if body.startswith(GZIP) else body,
        "log": lines,
        "metrics": {key: value for key, value in changed.items() if value},
        "views": {event_id: count for event_id, count in viewed.items() if count},
    }


def read_samples():
    """Return the metrics of requests; their seconds differ and are left out."""
    return {
        (each.name, *sorted(each.labels.items())): each.value
        for each in iter_samples()
        if each.name in ("eventapp_requests_total", "eventapp_request_seconds_count")
    }


def hide_own(name, value):
    """Hide a random id, and what is left of the limit."""
    if name == "X-Request-Id" and re.fullmatch("[0-9a-f]{16}", value):
        return name, "random"
    is_own = name in ("RateLimit-Remaining", "RateLimit-Reset")
    return name, "..." if is_own else value


def make_comparable(line):
    """Return a line of the log without its time, milliseconds and random id."""
    if line.startswith("{"):
        values = json.loads(line)
        hidden = {name: "..." for name in ("timestamp", "ms") if name in values}
        return [*hide_id({**values, **hidden}).items()]
    line = re.sub(r"^[\d-]+T[\d:.]+Z", "time", line)
    return re.sub(r"ms=[\d.]+", "ms", re.sub(r"request_id=[0-9a-f]{16}\b", "id", line))


def hide_id(values):
    """Hide a random id among the values of a line."""
    is_random = re.fullmatch("[0-9a-f]{16}", str(values.get("request_id")))
    return {**values, "request_id": "random"} if is_random else values


def check(ask_both, path, **options):
    """Send a request both ways, and compare all that can be seen."""
    by_early, by_flask = ask_both(path, **options)
    assert by_early == by_flask, (path, options)
    return by_early


def note_ways(monkeypatch):
    """Return a list to which each request adds how it is answered: by which way, or None by Flask.

    The ways are "memory" and "database".
    """
    ways, early = [], early_answers.EarlyAnswers
    may_be_early, load, send = early._may_be_early, early._load, AnswerSender.send

    def note_request(self, environ):
        ways.append(None)
        return may_be_early(self, environ)

    def note_load(self, request, actor):
        answer = load(self, request, actor)
        ways[-1] = "database" if answer else None
        return answer

    def note_answer(self, call, answer):
        ways[-1] = ways[-1] or "memory"
        return send(self, call, answer)

    monkeypatch.setattr(early, "_may_be_early", note_request)
    monkeypatch.setattr(early, "_load", note_load)
    monkeypatch.setattr(AnswerSender, "send", note_answer)
    return ways
