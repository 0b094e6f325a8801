"""The layers and directions of docs/architecture.md hold; each failure says how to mend it."""

import re
from pathlib import Path

import pytest

from tests.architecture import (
    CATCH_EVERYTHING,
    FEATURE_ORDER,
    FILES,
    LAYERS,
    OBSERVERS,
    PACKAGE,
    ROOT,
    find_core_faults,
    find_direct_calls,
    find_feature,
    find_feature_calls,
    find_import_faults,
    find_packages,
    find_style_faults,
    find_untyped_access_faults,
    read_drawn_calls,
    read_drawn_layout,
)

ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
# About 400: the longest module is one protocol with its proof.
MAX_LINES = 425
FEATURE_FILES = [name for name in FILES if find_feature(name)]
CORE_FILES = [name for name in FILES if name.startswith("eventapp/core/")]


def test_every_feature_is_in_the_order_of_features():
    features = {find_feature(name) for name in FEATURE_FILES}
    unknown = features - {*FEATURE_ORDER, *OBSERVERS}
    assert not unknown, f"say in FEATURE_ORDER whom {unknown} may call"


def test_every_declared_layer_belongs_to_a_module():
    declared = {(feature, name) for feature, table in LAYERS.items() for name in table}
    gone = {
        (feature, name)
        for feature, name in declared
        if not (PACKAGE / feature / f"{name.replace('.', '/')}.py").exists()
        and not (PACKAGE / feature / name).is_dir()
    }
    assert gone - {("events", "changes")} == set(), "take these out of LAYERS"


@pytest.mark.parametrize("name", FEATURE_FILES)
def test_a_feature_module_imports_what_its_layer_may(name):
    faults = find_import_faults(name, (ROOT / name).read_text())
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("name", CORE_FILES)
def test_core_modules_import_only_what_stands_below_them(name):
    faults = find_core_faults(name, (ROOT / name).read_text())
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("name", FILES)
def test_files_keep_the_house_style(name):
    source = (ROOT / name).read_text()
    stem, lines = Path(name).stem, source.count("\n")
    assert not re.fullmatch(r"(.*_)?(utils?|helpers?|common|misc)", stem), "name its subject"
    assert lines <= MAX_LINES, f"{lines} lines: it has more than one subject"
    faults = find_style_faults(
        source,
        may_catch_everything=name in CATCH_EVERYTHING,
        may_delete=name.startswith(("eventapp/core/database/", "eventapp/core/embedded/")),
    )
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("name", CATCH_EVERYTHING)
def test_one_handler_of_these_catches_everything(name):
    assert len(find_style_faults((ROOT / name).read_text())) == 1


@pytest.mark.parametrize("name", FILES)
def test_no_service_is_reached_past_the_type_checker(name):
    faults = find_untyped_access_faults(name, (ROOT / name).read_text())
    assert not faults, "; ".join(faults)


def test_the_drawn_layout_equals_the_real_one():
    drawn = read_drawn_layout(ARCHITECTURE)
    assert not {path for path in drawn if not (ROOT / path).exists()}, "it draws what is gone"
    assert not find_packages() - drawn, "draw these in docs/architecture.md"


def test_every_file_that_the_page_names_exists():
    named = set(re.findall(r"`((?:core|[a-z]+)/[\w/]+\.py)`", ARCHITECTURE))
    missing = {name for name in named if not ((PACKAGE / name).exists() or (ROOT / name).exists())}
    assert named
    assert not missing


def test_the_glossary_has_at_most_forty_terms_of_a_line_each():
    rows = ARCHITECTURE.partition("## Glossary")[2].strip().splitlines()[2:]
    assert 20 < len(rows) <= 40
    assert all(row.count("|") == 3 for row in rows)


def test_the_diagram_of_features_is_true():
    drawn, real = read_drawn_calls(ARCHITECTURE), find_direct_calls(find_feature_calls())
    assert drawn == real, "draw docs/architecture.md anew"


# The control: each rule refuses what it is there to refuse.
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("events/routes/events.py", "from eventapp.events import store"),
        ("events/routes/favorites.py", "from eventapp.favorites import service"),
        ("events/routes/events.py", "from pymongo import MongoClient"),
        ("events/service.py", "from eventapp.events import schemas"),
        ("events/service.py", "from eventapp.events.routes.events import bp"),
        ("events/editing.py", "from eventapp.accounts import store"),
        ("events/service.py", "from eventapp.accounts.rules import fold"),
        ("events/service.py", "from eventapp.bookings import service"),
        ("events/service.py", "from eventapp.analytics import service"),
        ("events/service.py", "from eventapp.core import http"),
        ("events/service.py", "from eventapp.core.http.blueprint import Blueprint"),
        ("events/service.py", "import flask"),
        ("events/service.py", "from pymongo.errors import DuplicateKeyError"),
        ("events/cache/loader.py", "from flask import current_app"),
        ("events/index/postings.py", "from eventapp.events.routes.events import bp"),
        ("events/store.py", "from eventapp.events import service"),
        ("events/store.py", "from eventapp.core.errors import NotFound"),
        ("events/store_listing.py", "from flask import g"),
        ("events/schemas/bodies.py", "from eventapp.core.database import get_db"),
        ("events/errors.py", "from eventapp.events import store"),
        ("events/rules.py", "from bson import ObjectId"),
        ("events/rules.py", "from eventapp.core.clock import utc_now"),
        ("events/undeclared.py", "import json"),
        ("events/service.py", "import eventapp"),
    ],
)
def test_a_wrong_import_is_found(name, line):
    assert find_import_faults(f"eventapp/{name}", line)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("core/http/fields.py", "from eventapp.events import rules"),
        ("core/database/connection.py", "from eventapp.core.http import fields"),
        ("core/access/tokens.py", "from eventapp.core.streams.hub import Hub"),
        ("core/errors.py", "from eventapp.core.database import Db"),
    ],
)
def test_a_wrong_import_in_core_is_found(name, line):
    assert find_core_faults(f"eventapp/{name}", line)


def test_core_may_import_settings_and_what_stands_below():
    line = "from eventapp.config import Config\nfrom eventapp.core.errors import NotFound"
    assert not find_core_faults("eventapp/core/http/fields.py", line)


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
    assert find_style_faults(source)


@pytest.mark.parametrize(
    "source",
    [
        "def inventory() -> Any:\n    return g.inventory",
        "def inventory() -> Inventory:\n    return current_app.extensions['inventory']",
    ],
)
def test_untyped_access_to_a_service_is_found(source):
    assert find_untyped_access_faults("eventapp/waitlist/routes.py", source)
