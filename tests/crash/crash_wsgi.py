"""wsgi.py for tests: a server process kills itself at an armed failpoint.

The file `CRASH_DIR/<failpoint>` arms a failpoint. The first process that passes it removes the file
and dies as by `kill -9`. With `UNGUARDED` set, the updates that take tickets have no conditions, so
that they rely on the state that their process has cached. With `TRUSTS_ERRORS` set, an insert with
an unknown outcome counts as refused.
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
# This must be set before prometheus_client is imported: see wsgi.py.
os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", tempfile.mkdtemp(prefix="eventapp-"))

from eventapp.core.database import writes  # noqa: E402
from eventapp.core.failpoints import set_failpoint_hook  # noqa: E402
from eventapp.inventory import queues, store_promo_codes  # noqa: E402

ARMED = Path(os.environ["CRASH_DIR"])


def die_if_armed(failpoint: str) -> None:
    with suppress(FileNotFoundError):
        (ARMED / failpoint).unlink()
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    set_failpoint_hook(die_if_armed)
    if os.environ.get("UNGUARDED"):
        queues._build_stock_guards = lambda *_: {}  # type: ignore[assignment]
        store_promo_codes.build_promo_guards = lambda *_: {}  # type: ignore[assignment]
    if os.environ.get("TRUSTS_ERRORS"):
        writes.OUTCOMES[writes.UNKNOWN_OUTCOME] = False
        writes._find_stored = lambda *_: set()
    runpy.run_path(str(ROOT / "wsgi.py"), run_name="__main__")
