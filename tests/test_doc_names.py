"""The files, settings and constants that the documentation names exist."""

import re

import pytest

from tests.architecture import PACKAGE, ROOT

PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").glob("*.md"))]
# Where the paths of the pages begin. Each page says where its own do.
FOLDERS = (ROOT, PACKAGE, PACKAGE / "events", ROOT / "docs", ROOT / "tests")
PATH = re.compile(r"`([a-z_./]+/[a-z_]+\.(?:py|md|yml|sh))`")
CONSTANT = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`")


@pytest.fixture(scope="module")
def code():
    """The text of all programs, in which settings and constants are defined."""
    folders = (PACKAGE, ROOT / "scripts", ROOT / "tests")
    paths = [path for folder in folders for path in folder.rglob("*")]
    texts = [path for path in paths if path.is_file() and path.suffix in ("", ".py")]
    return "\n".join(path.read_text() for path in [ROOT / "wsgi.py", *texts])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    names = set(PATH.findall(page.read_text()))
    missing = {name for name in names if not any((folder / name).exists() for folder in FOLDERS)}
    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_or_constant_that_a_page_names_exists(page, code):
    """A setting is read by the name of its field of Config, in lower case."""
    names = set(CONSTANT.findall(page.read_text()))
    missing = {name for name in names if not re.search(rf"\b({name}|{name.lower()})\b", code)}
    assert missing == set()
