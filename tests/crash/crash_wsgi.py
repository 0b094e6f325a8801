"""wsgi.py for tests: a server process kills itself at the step that a file names.

`CRASH_DIR/<step>` arms a step: the process that reaches it first takes the file away and dies as
by `kill -9`. With `UNGUARDED` set, takes look at nothing but what their process remembers.
"""

import os
import runpy
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# Before prometheus_client is imported: see wsgi.py.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="eventapp-"))

from eventapp.core import failpoints  # noqa: E402
from eventapp.inventory import store  # noqa: E402

ARMED = Path(os.environ["CRASH_DIR"])


def die_if_armed(step: str) -> None:
    with suppress(FileNotFoundError):
        (ARMED / step).unlink()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    failpoints.set_failpoint_hook(die_if_armed)
    if os.environ.get("UNGUARDED"):
        store._type_guards = lambda *_: {}  # type: ignore[assignment]
    runpy.run_path(str(ROOT / "wsgi.py"), run_name="__main__")
