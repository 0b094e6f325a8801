"""The payment provider of the tests of faults."""

import pytest

from tests.bookings_factories import RecordingProvider, changed, context_of


@pytest.fixture
def provider(app):
    provider = RecordingProvider()
    with changed(context_of(app), payments=provider):
        yield provider
