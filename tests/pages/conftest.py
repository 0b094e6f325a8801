"""Fixtures of tests in a browser: one Chromium for a module, and a server for each test.

`check_page` checks an open page in all sizes and both colour schemes. With SCREENSHOTS set to a
folder, it saves a picture of each there. How a page looks does not depend on the store, and to
check it takes seconds, so on a server it checks only that the page has logged no error.

Few of these tests run on a server. What a page shows of the database is tested without a browser on
both stores. Its scripts call the public API alone, whose contract tests/http tests on both stores.
`ON_SERVER` names those that remain: several people or devices meet there in one database.
"""

import os
from pathlib import Path

import pytest

from tests import live, npm_packages
from tests.browser import CHROMIUM, DRIVER, Browser
from tests.conftest import MONGO_URI, needs_no_server

FOLDER = Path(__file__).resolve().parent
WIDTHS = () if MONGO_URI else (320, 390, 1440)
# The rules whose result depends on the colours.
COLOUR_RULES = ("color-contrast", "link-in-text-block")
SCREENSHOTS = os.environ.get("SCREENSHOTS")
# The beginnings of the names of the tests in a browser that also run on a server.
ON_SERVER = (
    "tests/pages/test_booking.py::",
    "tests/pages/test_door.py::test_of_two_phones",
    "tests/pages/test_door.py::test_without_a_connection",
    "tests/pages/test_journeys.py::",
    "tests/pages/test_public.py::",
)


def pytest_collection_modifyitems(items):
    """Skip on a server the tests in a browser that ON_SERVER does not name."""
    for item in items:
        is_driven = item.path.is_relative_to(FOLDER) and "browser" in item.fixturenames
        if is_driven and not item.nodeid.startswith(ON_SERVER):
            item.add_marker(needs_no_server)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser window without cookies of earlier tests of other modules."""
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver on this machine")
    opened = Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture
def site(app, db):
    """The URL of a server of the application, which runs in this process."""
    with live.serve(app) as url:
        yield url


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core."""
    return (npm_packages.install(FOLDER) / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def check_page(browser, axe):
    """A function that checks the open page. Its argument names the pictures."""

    def check(name):
        assert browser.console_errors() == []
        for width in WIDTHS:
            for is_dark in (False, True):
                browser.resize(width, 900, dark=is_dark)
                if SCREENSHOTS:
                    mode = "dark" if is_dark else "light"
                    picture = browser.screenshot()
                    (Path(SCREENSHOTS) / f"{name}-{width}-{mode}.png").write_bytes(picture)
                assert not browser.is_wider_than_window(), f"{name} at {width} px"
                rules = COLOUR_RULES if is_dark else ()
                assert browser.list_violations(axe, rules) == [], f"{name} at {width} px"
        browser.resize(1280, 900)

    return check
