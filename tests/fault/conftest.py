"""The payment provider of the tests of faults."""

import pytest

from eventapp.payments.providers import Providers
from tests.bookings_factories import RecordingProvider, changed, context_of


@pytest.fixture
def provider(app):
    provider = RecordingProvider()
    with changed(context_of(app), payments=Providers(provider)):
        yield provider
