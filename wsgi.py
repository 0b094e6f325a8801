"""The WSGI entry point: `app` for any WSGI server, and `python wsgi.py` to serve it with Granian.

`python wsgi.py` checks the settings, opens the sockets, and forks the worker processes. Each worker
creates the application, starts its background jobs, and serves requests until SIGTERM or SIGINT.
"""

import gc
import multiprocessing
import os
import shutil
import socket
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from multiprocessing.util import Finalize
from typing import NoReturn

if __name__ == "__main__":
    # The imports below make many objects and no garbage. To search it took a fifth of their time.
    gc.disable()
    # prometheus_client reads this when it is first imported, below. It lets the workers share their
    # counters.
    METRICS_DIRECTORY = tempfile.mkdtemp(prefix="eventapp-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = METRICS_DIRECTORY
    # Granian's allocator reads this when Granian is first imported. By default it keeps free memory
    # for each thread: 60 MB with 1,000 streams, and 70 MB more once requests have run on them.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "tcache:false")

from flask import Flask

from eventapp import create_app, start_jobs_if_embedded
from eventapp.config import Config, ConfigError, load_config
from eventapp.core.access.proxies import PROXY_ADDRESSES
from eventapp.core.access.rate_limit_storage import open_storage
from eventapp.core.database import OPEN_DATABASE, SchemaTooNew
from eventapp.core.embedded.locking import EmbeddedStoreBusy, check_directory_is_free
from eventapp.core.http.early_answers import EARLY_ANSWERS
from eventapp.core.log_writer import LOG_WRITER
from eventapp.core.server.connection_watch import ConnectionWatch
from eventapp.core.server.granian_server import GranianServer
from eventapp.core.server.middleware import limit_concurrency, make_stream_test
from eventapp.core.server.open_requests import OpenRequests
from eventapp.core.server.request_bodies import read_bodies
from eventapp.core.server.resources import limit_malloc, raise_open_file_limit
from eventapp.core.server.signals import (
    call_on_stop_signal,
    detach_from_parent_signals,
    stop_with_parent,
)
from eventapp.core.server.sockets import open_sockets
from eventapp.core.shared_cache import open_shared_cache
from eventapp.core.streams.hub import HUB
from eventapp.core.streams.shared_counts import SharedCounts
from eventapp.events.popularity import POPULARITY

BUSY_EXIT, CONFIG_EXIT = 1, 2


def print_line(text: object) -> None:
    """Print one line to standard error, after the name of the program."""
    print(f"eventapp: {text}", file=sys.stderr, flush=True)


def fail(reason: object, exit_code: int) -> NoReturn:
    """Print the reason to standard error, and end the process."""
    print_line(reason)
    raise SystemExit(exit_code)


def load_settings() -> Config:
    """Return the settings; exit with code 2 if one is wrong."""
    try:
        return load_config()
    except ConfigError as error:
        fail(error, CONFIG_EXIT)


def open_app(config: Config) -> Flask:
    """Return the application; exit with code 1 if the database cannot be used.

    Another process may have opened the embedded store, or a newer version may have written to it.
    """
    try:
        app = create_app(config)
    except (EmbeddedStoreBusy, SchemaTooNew) as error:
        fail(error, BUSY_EXIT)
    return app


def check_before_start(config: Config) -> None:
    """Exit with one line if the workers could not start with these settings.

    The exit code is 1 if another process has the embedded store open, and 2 for a wrong CACHE_URL
    or RATE_LIMIT_STORAGE_URI.
    """
    try:
        if not config.mongo_uri:
            check_directory_is_free(config.instance_dir)
        open_shared_cache(config.cache_url, config.jwt_secret)
        if config.rate_limit_enabled and config.rate_limit_storage_uri:
            open_storage(config.rate_limit_storage_uri)
    except EmbeddedStoreBusy as error:
        fail(error, BUSY_EXIT)
    except ConfigError as error:
        fail(error, CONFIG_EXIT)


def open_listeners(config: Config) -> list[socket.socket]:
    """Return sockets that listen on the address; exit with code 1 if it is not available."""
    try:
        return open_sockets(config.host, config.port, config.web_concurrency)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        fail(f"cannot listen on {config.host}:{config.port}: {reason}", BUSY_EXIT)


def format_host(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address is put into brackets."""
    return f"[{host}]" if ":" in host else host


def start_worker(
    config: Config, port: int, requests: OpenRequests, streams: SharedCounts, number: int
) -> Flask:
    """Prepare a worker, which is a fork of the main process, and return its application.

    Args:
        port: the port on which the worker accepts connections.
        requests: lists the open requests of the worker.
        streams: counts the open streams of each address in all workers.
        number: the number of the worker, from 0.
    """
    detach_from_parent_signals()
    stop_with_parent()
    app = open_app(config)
    log_writer = LOG_WRITER.get(app)
    log_writer.start()
    # An early answer waits for nothing, so it needs no permit.
    early = EARLY_ANSWERS.get(app)
    early.handle = limit_concurrency(early.handle, make_stream_test(app))
    app.wsgi_app = read_bodies(app.wsgi_app)  # type: ignore[assignment, method-assign]
    max_idle = config.max_idle_connections_per_address
    ConnectionWatch(port, requests, max_idle, PROXY_ADDRESSES.get(app)).start()
    hub = HUB.get(app)
    streams.use_row(number)
    hub.limits.share(streams)
    call_on_stop_signal(hub.close)
    stop_jobs = start_jobs_if_embedded(app)
    popularity = POPULARITY.get(app)
    popularity.start()
    # A forked worker runs no atexit handlers, so these finalizers write the last changes. The one
    # with the highest priority runs first: no job runs, and views are counted, when the database
    # closes. The last one writes what all of them have logged.
    Finalize(None, stop_jobs, exitpriority=3)
    Finalize(None, popularity.stop, exitpriority=2)
    Finalize(None, OPEN_DATABASE.get(app).client.close, exitpriority=1)
    Finalize(None, log_writer.stop, exitpriority=0)
    return app


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT arrives, and finish the requests under way."""
    check_before_start(config)
    raise_open_file_limit()
    limit_malloc()
    with ExitStack() as close_at_end:
        listeners = [close_at_end.enter_context(each) for each in open_listeners(config)]
        store = "MongoDB" if config.mongo_uri else f"the embedded store in {config.instance_dir}"
        site = f"http://{format_host(config.host)}:{config.port}"
        print_line(f"API {site}/api on {store}")
        print_line(f"documentation {site}/api/docs/, console {site}/console")
        multiprocessing.set_start_method("fork")  # Python 3.14 would start new interpreters.
        gc.freeze()  # The forks keep sharing the memory of all objects that exist so far.
        gc.enable()
        server = GranianServer(config.web_concurrency, listeners)
        port, requests = listeners[0].getsockname()[1], OpenRequests()
        streams = SharedCounts(config.web_concurrency)
        load_app = partial(start_worker, config, port, requests, streams)
        server.serve_app(load_app, requests)


if __name__ == "__main__":
    try:
        serve(load_settings())
    finally:
        shutil.rmtree(METRICS_DIRECTORY, ignore_errors=True)
else:
    app = open_app(load_settings())
    app.wsgi_app = read_bodies(app.wsgi_app)  # type: ignore[assignment, method-assign]
