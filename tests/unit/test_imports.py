"""A server process imports large packages when it needs them first, or never.

Together they take 31 of the 150 MB that a process may have, and half a second of CPU.
"""

import subprocess
import sys

from eventapp.config import ROOT

# Of the embedded store, photos, receipts as PDF, payments by Stripe, and calendars.
LARGE_PACKAGES = {
    *("mongomock", "sqlite3", "pyvips", "reportlab", "PIL", "stripe", "requests"),
    *("icalendar", "dateutil"),
}


def test_the_application_imports_no_package_that_most_processes_do_without():
    code = "import sys, eventapp.features; print(*{name.partition('.')[0] for name in sys.modules})"
    imported = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "flask" in imported
    assert not LARGE_PACKAGES.intersection(imported)
