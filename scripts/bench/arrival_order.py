"""Whether bookings of one event are sold in the order of their arrival, as seen from outside.

A server process makes the id of a booking when the request arrives. The id of MongoDB has 5 bytes
that name the process, and a counter. Therefore the ids tell the order of arrival within a process,
and the client sees the order of the answers. A booking that many later ones overtake has waited too
long. A batch answers its callers at about the same time, in any order. So a booking may be
overtaken by those of its own batch, which are fewer than the clients, as each client waits for its
answer before it sends the next request. Whoever is overtaken more often was passed over by a batch.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable

# Hexadecimal digits of an id before the counter: the time in seconds, and the process.
TIME_DIGITS, COUNTER_DIGITS = 8, 6


def count_most_overtaken(ids: Iterable[str]) -> int:
    """Return how many later bookings of its process overtook the booking that most did overtake.

    Args:
        ids: the ids of the bookings in the order of their answers.
    """
    answered: dict[str, list[str]] = defaultdict(list)
    most = 0
    for id_ in ids:
        arrival = id_[:TIME_DIGITS] + id_[-COUNTER_DIGITS:]
        earlier_answers = answered[id_[TIME_DIGITS:-COUNTER_DIGITS]]
        most = max(most, len(earlier_answers) - bisect_left(earlier_answers, arrival))
        insort(earlier_answers, arrival)
    return most
