"""The reference for reads: a Flask view without extensions that answers the same bytes as a row.

`FlaskServer` runs this module in a process of its own, which serves the files of a directory with
Granian as the application is served: on as many processes, threads and sockets, and with the same
allocator settings. Its answers have the body and the content type of the real ones, no other
header, and no line in a log.
"""

import gc
import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from flask import Flask, Response

from eventapp.core.server.granian_server import GranianServer
from eventapp.core.server.resources import limit_malloc, raise_open_file_limit
from eventapp.core.server.sockets import open_sockets
from scripts.bench.server import PROCESSES, ServerProcess

# wsgi.py sets the same.
ALLOCATOR = {"_RJEM_MALLOC_CONF": "tcache:false"}


def make_app(answers: Mapping[str, bytes]) -> Flask:
    """Return an application that answers `/<name>` with these bytes."""
    app = Flask("reference", static_folder=None)

    @app.route("/<name>")
    def answer(name: str) -> Response:
        return Response(answers[name], content_type="application/json")

    return app


class FlaskServer(ServerProcess):
    """A server of fixed answers. Its rows load `/<name>`."""

    def __init__(self, answers: Mapping[str, bytes], directory: Path) -> None:
        """Start the server. The answers are written to `directory` for it."""
        folder = directory / "answers"
        folder.mkdir(exist_ok=True)
        for name, body in answers.items():
            (folder / name).write_bytes(body)
        command = ["-m", "scripts.bench.flask_reference", str(folder)]
        super().__init__(command, ALLOCATOR, directory)
        self._first = next(iter(answers))

    def __enter__(self) -> "FlaskServer":
        try:
            self.wait_for_answer(f"/{self._first}")
        except BaseException:
            self.stop()
            raise
        return self


def main() -> None:
    """Serve the files of the directory that the command names, on PORT, until SIGTERM."""
    answers = {path.name: path.read_bytes() for path in Path(sys.argv[1]).iterdir()}
    app = make_app(answers)
    raise_open_file_limit()
    limit_malloc()
    listeners = open_sockets("127.0.0.1", int(os.environ["PORT"]), PROCESSES)
    multiprocessing.set_start_method("fork")
    gc.freeze()
    server = GranianServer(PROCESSES, listeners)
    server.serve(target_loader=lambda _number: app, wrap_loader=False)


if __name__ == "__main__":
    main()
