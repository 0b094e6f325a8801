"""The container image has the scripts that an operator is told of, and what those import."""

import re

from eventapp.config import ROOT

KEPT = set(re.findall(r"^!scripts/(\w+)\.py$", (ROOT / ".dockerignore").read_text(), re.M))


def test_each_command_of_the_operations_is_there():
    told = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"scripts/(\w+)\.py", told)) <= KEPT


def test_each_has_what_it_imports():
    for name in KEPT:
        source = (ROOT / "scripts" / f"{name}.py").read_text()
        assert set(re.findall(r"^from scripts\.(\w+) import", source, re.M)) <= KEPT, name
