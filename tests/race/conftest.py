"""Races begin with a box office that has seen nothing: eventIds start at 1 in every test."""

import pytest

from tests.race import kit


@pytest.fixture
def shop(app, db):
    return kit.another(app.extensions["shop"])
