"""The WSGI entry: `app` for any server, and `python wsgi.py` to serve it with Granian."""

import os
import sys
import tempfile
from contextlib import ExitStack

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from eventapp import create_app
from eventapp.config import Config, ConfigError, load_config
from eventapp.core.embedded import EmbeddedStoreBusy

# Threads, not processes, wait for the database: 16 keep two cores busy.
THREADS = 16
STOP_SECONDS = 30


def load() -> Config:
    """The settings, or one line on standard error and exit 2."""
    try:
        return load_config()
    except ConfigError as error:
        print(f"eventapp: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; requests under way finish first."""
    store = "MongoDB" if config.mongo_uri else f"the embedded store in {config.instance_dir}"
    print(f"eventapp: http://{config.host}:{config.port} on {store}", file=sys.stderr, flush=True)
    with ExitStack() as stack:
        if config.web_concurrency > 1:
            figures = stack.enter_context(tempfile.TemporaryDirectory(prefix="eventapp-"))
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = figures
        Granian(
            "wsgi:app",
            address=config.host,
            port=config.port,
            interface=Interfaces.WSGI,
            workers=config.web_concurrency,
            blocking_threads=THREADS,
            websockets=False,
            respawn_failed_workers=True,
            respawn_interval=0,
            workers_kill_timeout=STOP_SECONDS,
            log_level=LogLevels.warning,
        ).serve()


if __name__ == "__main__":
    serve(load())
else:
    app = create_app(load())
