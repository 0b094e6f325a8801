"""The house rules of the design hold; each failure says the remedy. `house_rules` reads them."""

import re
from pathlib import Path

import pytest

from tests.house_rules import (
    FEATURE_FILES,
    FILES,
    ONLOOKERS,
    ORDER,
    ROOT,
    calls,
    core_faults,
    drawn,
    import_faults,
    nearest,
    place,
    style_faults,
)

MAX_LINES = 250


def test_every_feature_has_a_place_in_the_order():
    features = {place(name)[0] for name in FEATURE_FILES}
    unknown = features - {*ORDER, *ONLOOKERS}
    assert not unknown, f"say in ORDER whom {unknown} may call"


@pytest.mark.parametrize("name", FEATURE_FILES)
def test_a_room_imports_what_it_may(name):
    faults = import_faults(name, (ROOT / name).read_text())
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("eventapp/core/")])
def test_core_knows_no_feature(name):
    faults = core_faults((ROOT / name).read_text())
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("name", FILES)
def test_a_file_reads_as_the_house_does(name):
    source = (ROOT / name).read_text()
    stem, lines = Path(name).stem, source.count("\n")
    assert not re.fullmatch(r"(.*_)?(utils?|helpers?|common|misc)", stem), "name what it is about"
    assert lines < MAX_LINES, f"{lines} lines: split by subject, as {stem}_<subject>.py"
    faults = style_faults(source)
    assert not faults, "; ".join(faults)


def test_the_picture_of_the_house_is_true():
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert drawn(page) == nearest(calls()), "draw docs/architecture.md anew"


# The control: each rule refuses what it is there to refuse.
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("events/routes.py", "from eventapp.events import store"),
        ("events/routes_parts.py", "from eventapp.favorites import service"),
        ("events/routes.py", "from pymongo import MongoClient"),
        ("events/service.py", "from eventapp.events import schemas"),
        ("events/service.py", "from eventapp.events.routes import bp"),
        ("events/service_edit.py", "from eventapp.accounts import store"),
        ("events/service.py", "from eventapp.accounts.rules import fold"),
        ("events/service.py", "from eventapp.bookings import service"),
        ("events/service.py", "from eventapp.analytics import service"),
        ("events/service.py", "from eventapp.core import http"),
        ("events/service.py", "from eventapp.core.http import json_response"),
        ("events/service.py", "import flask"),
        ("events/service.py", "from pymongo.errors import DuplicateKeyError"),
        ("events/store.py", "from eventapp.events import service"),
        ("events/store.py", "from eventapp.core.errors import NotFound"),
        ("events/store_list.py", "from flask import g"),
        ("events/schemas.py", "from eventapp.core.mongo import get_db"),
        ("events/errors.py", "from eventapp.events import store"),
        ("events/rules.py", "from bson import ObjectId"),
        ("events/rules.py", "from eventapp.core.clock import utc_now"),
        ("events/manager.py", "import json"),
        ("events/service.py", "import eventapp"),
    ],
)
def test_a_wrong_import_is_found(name, line):
    assert import_faults(f"eventapp/{name}", line)


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import json",
        "from . import rules",
        "try:\n    pass\nexcept:\n    pass",
        "try:\n    pass\nexcept Exception:\n    pass",
        "try:\n    pass\nexcept (ValueError, BaseException):\n    pass",
    ],
)
def test_a_bad_habit_is_found(source):
    assert style_faults(source)


def test_core_that_knows_a_feature_is_found():
    assert core_faults("from eventapp.events import rules")
    assert not core_faults("from eventapp.config import Config")
