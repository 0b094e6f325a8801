"""What the organizer of a history does."""

from typing import Any

from eventapp.bookings import event_closing
from eventapp.events import editing, quota_editing
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.editing import Edit
from eventapp.promotions import service as promotions
from eventapp.tickets import check_ins
from eventapp.tickets.signing_key import load_key
from tests.simulation.clients import Client, KnownPrice, Outcome, Server, choose_quota


class Organizer(Client):
    """The requests of the organizer, who may manage all events."""

    def act(self) -> None:
        """Edit events for a while, check in tickets, and maybe cancel an event at the end."""
        pause, has_quotas = self._world.scheduler.pause, self._world.has_quotas
        for _ in range(self._random.randint(0, 2)):
            pause(seconds=self._random.uniform(0, 30))
            self.edit_capacity()
        for _ in range(self._random.randint(0, 4) if has_quotas else 0):
            pause(seconds=self._random.uniform(0, 15))
            self._random.choice([self.edit_quotas, self.edit_price])()
        for _ in range(self._random.randint(0, 8) if self._world.has_codes else 0):
            pause(seconds=self._random.uniform(0, 2))
            self.edit_code()
        for _ in range(self._random.choice([0, 4])):
            self.check_in()
        if self._random.random() < 0.15:
            self.cancel_event()

    def edit_capacity(self) -> None:
        """Change the capacity of a ticket type."""
        event, capacity = self._choose_event(), self._random.randint(0, 6)
        type_ = self._random.choice(event["ticketTypes"])
        change = editing.make_type_patch(type_["ticketTypeId"], {"capacity": capacity})
        self._edit(event, f"capacity {capacity}", change)

    def edit_quotas(self) -> None:
        """Add, change or remove a quota."""
        event, quota_id = self._choose_event(), self._random.randint(1, 3)
        added = choose_quota(self._random)
        change = self._random.choice(
            [
                quota_editing.make_quota_addition(added),
                quota_editing.make_quota_patch(quota_id, {"capacity": added["capacity"]}),
                quota_editing.make_quota_removal(quota_id),
            ]
        )
        self._edit(event, f"quota {quota_id} or {added}", change)

    def edit_price(self) -> None:
        """Change the price of a ticket type. Until it is answered, nobody knows the price."""
        event, price = self._choose_event(), self._random.choice([0, 5, 12.5])
        type_id = self._random.choice(event["ticketTypes"])["ticketTypeId"]
        key, prices = (event["eventId"], type_id), self._world.prices
        edits = prices[key].edits + 1
        prices[key] = KnownPrice(None, edits)
        change = editing.make_type_patch(type_id, {"price": price})
        if self._edit(event, f"price {price}", change).value:
            prices[key] = KnownPrice(price, edits)

    def edit_code(self) -> None:
        """Change the discount of the promo code."""
        event, value = self._choose_event(), self._random.choice([25, 50])
        self._world.request(
            f"discount {value}",
            lambda server: promotions.patch_promo_code(
                server.context.db,
                event["eventId"],
                1,
                self._actor,
                {"value": value},
                self._now(server),
            ),
        )

    def _edit(self, event: dict[str, Any], text: str, change: Edit) -> Outcome:
        return self._world.request(
            text,
            lambda server: editing.edit_event(
                server.context.db,
                event["eventId"],
                change,
                event_changes=NO_EVENT_CACHE,
                actor=self._actor,
                now=self._now(server),
                image_base_url="http://localhost",
            ),
        )

    def check_in(self) -> None:
        """Check in a ticket of a booking as soon as somebody begins to cancel some of them."""
        self._world.scheduler.pause(lambda: bool(self._world.cancelling), seconds=100)
        if not self._world.cancelling:
            return
        booking = self._world.cancelling.pop()
        item = self._random.choice(booking["items"])
        number = self._random.randint(1, item.get("issued", item["quantity"]))
        ticket_id = f"{booking['_id']}-{item['ticketTypeId']}-{number}"
        self._world.request(
            f"check in {ticket_id}",
            lambda server: self._check_in(server, booking["eventId"], ticket_id),
        )

    def _check_in(self, server: Server, event_id: int, ticket_id: str) -> Any:
        db, now = server.context.db, self._now(server)
        code = load_key(db, now).sign(event_id, ticket_id)
        return check_ins.open_check_in(db, event_id, self._actor, now).check_in(code, now)

    def cancel_event(self) -> None:
        """Cancel an event, which ends its bookings."""
        event = self._choose_event()
        self._world.request(
            f"cancel event {event['eventId']}",
            lambda server: event_closing.cancel_event(
                server.context,
                event["eventId"],
                self._actor,
                now=self._now(server),
                image_base_url="http://localhost",
            ),
        )
