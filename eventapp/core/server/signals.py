"""Stop a worker process on a signal, or when its parent process has ended."""

import os
import signal
import threading
import time
from collections.abc import Callable

WAKE_SECONDS = 0.1
PARENT_CHECK_SECONDS = 0.5


def detach_from_parent_signals() -> None:
    """Leave the parent's process group, and reset the signal handlers inherited from it.

    Ctrl-C then reaches the main process alone, which stops its workers. Until Granian installs its
    own handlers, signals have their default effect.
    """
    os.setpgrp()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def stop_with_parent() -> None:
    """Stop this process when its parent has ended. An orphan would keep the port and the store."""
    threading.Thread(target=_watch_parent, args=(os.getppid(),), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def call_on_stop_signal(callback: Callable[[], None]) -> None:
    """Call `callback`, on a thread of its own, when this process receives SIGTERM or SIGINT.

    Granian installs its own signal handlers, which only wait for the responses under way. So this
    receives signals through Python's wakeup file descriptor. Call it from the main thread.

    Python runs handlers on the main thread, and a signal that arrives just before that thread
    begins to wait does not wake it. So it is woken by SIGURG, whose handler does nothing.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    signal.signal(signal.SIGURG, lambda _number, _frame: None)
    arguments = (read_end, callback, threading.get_ident())
    thread = threading.Thread(target=_wait_for_stop, args=arguments, name="signals", daemon=True)
    thread.start()


def _wait_for_stop(read_end: int, callback: Callable[[], None], main_thread: int) -> None:
    while os.read(read_end, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
        continue
    callback()
    while True:
        signal.pthread_kill(main_thread, signal.SIGURG)
        time.sleep(WAKE_SECONDS)
