"""Stream the attendees of an event as a table."""

from collections.abc import Iterator

from eventapp.analytics import attendees_csv
from eventapp.analytics.csv_tables import prepend
from eventapp.core.access.actor import Actor, ActorLoader
from eventapp.core.database import Db
from eventapp.events import service as events
from eventapp.events.attendees import list_known_questions
from eventapp.tickets.attendee_lists import iterate_attendees


def stream_attendees_csv(
    db: Db, event_id: int, actor: Actor, load_actor: ActorLoader
) -> Iterator[bytes]:
    """Return all tickets of an event as CSV, in chunks, while the caller may see its attendees.

    Args:
        load_actor: loads the caller again, as they may act at that moment.

    Raises:
        EventNotFound: there is no such event.
        Forbidden: the caller may not see the attendees of the event.
    """
    event = events.get_managed(db, event_id, actor)
    rows = iterate_attendees(db, event_id)
    chunks = attendees_csv.write_csv(list_known_questions(event), rows)
    # The first chunk is read here, so that an unavailable database is an error answer and not a
    # truncated table.
    first = next(chunks)
    return prepend(first, events.iterate_while_managed(db, event_id, load_actor, chunks))
