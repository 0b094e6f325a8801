"""Commands show a progress bar on a terminal only, and on standard error only."""

import os
import pty
import select
import subprocess
import sys
import termios

from eventapp.config import ROOT

COMMAND = """
from scripts.progress import show_progress
with show_progress(3, "events") as progress:
    for number in range(3):
        progress.update()
print("done")
"""


def run(stderr):
    command = [sys.executable, "-c", COMMAND]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, check=True)


def test_nothing_is_shown_where_standard_error_is_no_terminal():
    finished = run(subprocess.PIPE)
    assert (finished.stdout, finished.stderr) == (b"done\n", b"")


def test_a_terminal_shows_the_progress_apart_from_what_is_printed():
    mine, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    try:
        assert run(terminal).stdout == b"done\n"
        assert select.select([mine], [], [], 10)[0], "nothing was shown"
        shown = os.read(mine, 10_000)
    finally:
        os.close(terminal)
        os.close(mine)
    assert b"0/3" in shown
    assert b"events/s" in shown
