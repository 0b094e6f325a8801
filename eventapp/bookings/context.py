"""The dependencies of the bookings services, built once for each process."""

from collections.abc import Callable, Container, Sequence
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.bookings.rules import Limits
from eventapp.bookings.sales.batches import RecordWriters, SaleBatcher
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.booking_links import LinkKeys
from eventapp.core.access.sealing import Sealer
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db, get_db
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.service import list_visible_types
from eventapp.events.types import SaleState
from eventapp.inventory.service import Inventory
from eventapp.notifications.outbox import Outbox
from eventapp.notifications.types import Attachment, MailTicket
from eventapp.payments.providers import Providers

# Returns the tickets of a confirmed booking and the files to attach to its mail.
TicketAttachments = Callable[
    ["BookingContext", StoredBooking], tuple[list[MailTicket], tuple[Attachment, ...]]
]


class BookingContext:
    """The dependencies of the bookings services.

    Attributes:
        db: the database.
        inventory: the stock of the events.
        limits: the limits and durations that the settings give.
        payments: the payment providers.
        outbox: holds the mails to send.
        ticket_attachments: renders the tickets and the calendar entry for mails about a booking.
        on_booked: called with the eventId of each booking and of each accepted offer that has a
            ticket of a public type. Others must not make the event more popular.
        event_changes: receives the events that are cancelled or deleted.
        forget_functions: remove what each feature stores about a user, for the job that finishes
            interrupted erasures.
        default_zone: the time zone of today in lists.
        webhook_sealer: opens the secrets of webhooks; None for a context that sends none.
        link_keys: makes the keys of the links of bookings; None for a context that makes no links.
        allow_private_webhooks: True if webhooks may be sent to private addresses.
        sales: sells the tickets that the requests of this process ask for, in batches.
        last_offered_event_id: where the job that offers tickets goes on; 0 to begin anew.
    """

    def __init__(
        self,
        db: Db,
        inventory: Inventory,
        limits: Limits,
        payments: Providers,
        outbox: Outbox | None = None,
        ticket_attachments: TicketAttachments | None = None,
        on_booked: Callable[[int], None] = lambda _event_id: None,
        event_changes: EventChanges = NO_EVENT_CACHE,
        forget_functions: Sequence[Callable[[Db, ObjectId], None]] = (),
        default_zone: ZoneInfo = UTC_ZONE,
        webhook_sealer: Sealer | None = None,
        allow_private_webhooks: bool = False,
        link_keys: LinkKeys | None = None,
        record_writers: RecordWriters = lambda _user_ids: None,
    ) -> None:
        """Set the attributes. The worker's notifications need the outbox and the attachments.

        Args:
            record_writers: as in `SaleBatcher`.
        """
        self.db = db
        self.inventory = inventory
        self.limits = limits
        self.payments = payments
        self.outbox = outbox or Outbox()
        self.ticket_attachments = ticket_attachments
        self.on_booked = on_booked
        self.event_changes = event_changes
        self.forget_functions = forget_functions
        self.default_zone = default_zone
        self.webhook_sealer = webhook_sealer
        self.allow_private_webhooks = allow_private_webhooks
        self.link_keys = link_keys
        self.sales = SaleBatcher(db, inventory, record_writers)
        self.last_offered_event_id = 0

    def require_link_keys(self) -> LinkKeys:
        """Return the keys of links of a context that was made with them."""
        assert self.link_keys, "give the context link_keys"
        return self.link_keys

    def report_booked(self, event: SaleState, type_ids: Container[int]) -> None:
        """Call `on_booked` for a booking of these ticket types, if one of them is public."""
        public_types = list_visible_types(event["ticketTypes"], may_manage=False)
        if any(each["ticketTypeId"] in type_ids for each in public_types):
            self.on_booked(event["eventId"])


BOOKING_CONTEXT: AppKey[BookingContext] = AppKey("booking_context")


def current_booking_context() -> BookingContext:
    """Return the context of the application that handles this request.

    Raises:
        DatabaseUnavailable: the database has not been prepared yet.
    """
    get_db()  # It raises the error, and prepares the database for the day.
    return BOOKING_CONTEXT.get()
