"""Random programs of API calls have the same answers on both stores.

DIFFERENTIAL_SECONDS=600 compares other programs each time, for ten minutes. DIFFERENTIAL_SEED=7
makes these programs the same again.
"""

import os
import random
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from eventapp.core.embedded.operations import MatchedDocuments
from tests.conftest import MONGO_URI, make_database_uri
from tests.differential.pair import Difference, Pair, Side, Step
from tests.differential.programs import programs

pytestmark = pytest.mark.skipif(
    MONGO_URI is None, reason="MONGO_URI names no server to compare the embedded store with"
)
SECONDS, SEED = os.environ.get("DIFFERENTIAL_SECONDS"), os.environ.get("DIFFERENTIAL_SEED")
# Programs for each seed. The first ones that hypothesis draws are short.
EXAMPLES = 15
PROFILE = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    assert MONGO_URI
    embedded = Side(tmp_path_factory.mktemp("embedded"))
    server = Side(tmp_path_factory.mktemp("server"), MONGO_URI=make_database_uri(MONGO_URI))
    yield Pair(embedded, server)
    embedded.close()
    server.close()


def compare(pair: Pair, number: int, profile: settings = PROFILE) -> None:
    """Run the programs of a seed.

    Raises:
        Difference: an answer differs. The program was shortened as far as that stays so.
    """

    @seed(number)
    @profile
    @given(programs())
    def run(program: list[Step]) -> None:
        pair.run(program)

    run()


def test_both_stores_give_the_same_answers(pair: Pair) -> None:
    first = int(SEED) if SEED else random.randrange(10**6) if SECONDS else 0
    end, number = time.monotonic() + float(SECONDS or 0), first
    while number == first or time.monotonic() < end:
        compare(pair, number)
        number += 1


def test_control_a_wrong_sort_of_one_store_is_found(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    sort = MatchedDocuments.sort
    monkeypatch.setattr(MatchedDocuments, "sort", lambda found, by: sort(found, by[:1]))
    with pytest.raises(Difference, match="differs"):
        compare(pair, 0, settings(PROFILE, phases=[Phase.generate]))
