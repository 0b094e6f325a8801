"""A history of real processes under faults is possible, and no longer is when it is changed."""

from dataclasses import replace

import pytest

from tests.conftest import MONGO_URI
from tests.histories import recording
from tests.histories.checker import find_faults
from tests.histories.nemesis import FAULTS
from tests.histories.recording import Options
from tests.race import kit

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(MONGO_URI is None, reason="several processes need a server: set MONGO_URI"),
]

SECONDS = 10


def test_under_all_faults_a_history_is_possible(tmp_path):
    with recording.running_server(tmp_path) as (server, proxy):
        history, caused = recording.record(server, proxy, Options(SECONDS, 1, tuple(FAULTS)))
        assert find_faults(recording.load(recording.dump(history))) == [], caused
        assert {(call.action, call.outcome) for call in history.calls} >= {
            ("book", "ok"),
            ("book", "fail"),
            ("cancel", "ok"),
            ("read", "ok"),
        }
        kit.assert_consistent(server.context)
        # Controls: the same history without a booking that was promised, and with fewer tickets.
        [promised, *_] = [call for call in history.calls if call.action == "book" and call.booking]
        kept = [stored for stored in history.stored if stored.booking != promised.booking]
        assert find_faults(replace(history, stored=kept))
        assert find_faults(replace(history, capacities=history.capacities | {"stock": 1}))
