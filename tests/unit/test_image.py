"""The container image contains the scripts that docs/operations.md mentions, and their imports."""

import re

from eventapp.config import ROOT

IN_IMAGE = set(re.findall(r"^!scripts/(\w+)\.py$", (ROOT / ".dockerignore").read_text(), re.M))


def test_the_scripts_in_the_operations_manual_are_in_the_image():
    manual = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"scripts/(\w+)\.py", manual)) <= IN_IMAGE


def test_the_imports_of_the_scripts_are_in_the_image():
    for name in IN_IMAGE:
        source = (ROOT / "scripts" / f"{name}.py").read_text()
        assert set(re.findall(r"^from scripts\.(\w+) import", source, re.M)) <= IN_IMAGE, name
