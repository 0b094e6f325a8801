"""The adapter of scripts/race_table.py for this API.

RACE_TOKEN is the token of an organizer or an admin. The server must run with
RATE_LIMIT_ENABLED=false and with the mock payment provider, as its defaults for development do.
"""

import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

TIMEOUT_SECONDS = 30
ACTIVE = ("held", "confirmed")


class Adapter:
    """Calls the API at `url`, for buyers that it registers and as the organizer of RACE_TOKEN."""

    def __init__(self, url: str) -> None:
        if "RACE_TOKEN" not in os.environ:
            raise SystemExit("RACE_TOKEN must be the token of an organizer or an admin")
        self.url = f"{url}/api"
        self.organizer = _open_session(os.environ["RACE_TOKEN"])

    def create_buyers(self, count: int) -> list[requests.Session]:
        """Register new users."""
        return [self._register() for _ in range(count)]

    def create_event(self, tickets: int, per_buyer: int | None, code_uses: int | None) -> int:
        """Create an event with one ticket type, and with the code RACE if it may be used."""
        day = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
        ticket_type = {"type": "Race", "price": 20, "availableTickets": tickets}
        body = {
            "title": "Race",
            "description": "An event of the race table",
            "category": "other",
            "image": "https://example.org/race.jpg",
            "organizer": "Race table",
            "tags": ["race"],
            "schedule": [{"date": day, "location": "Volos", "lat": 39.36, "lng": 22.94}],
            "ticketTypes": [{**ticket_type, "maxPerUser": per_buyer}],
        }
        event_id: int = self._need("POST", "/events", body)["eventId"]
        if code_uses is not None:
            code = {"code": "RACE", "kind": "percent", "value": 10, "maxUses": code_uses}
            self._need("POST", f"/events/{event_id}/promo-codes", code)
        return event_id

    def book(
        self,
        buyer: requests.Session,
        event: int,
        quantity: int,
        key: str | None,
        code: str | None,
        hold: bool,
    ) -> str | None:
        """Book tickets of the event's only type."""
        body = {"eventId": event, "ticketTypeId": 1, "quantity": quantity, "hold": hold}
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._send(buyer, "POST", "/bookings", {**body, "promoCode": code}, headers)
        booking_id: str | None = answer["data"]["booking"]["_id"] if answer else None
        return booking_id

    def cancel(self, buyer: requests.Session, booking: str) -> bool:
        """Cancel a booking."""
        return self._send(buyer, "PUT", f"/bookings/{booking}/cancel") is not None

    def confirm(self, buyer: requests.Session, booking: str) -> bool:
        """Pay for a held booking."""
        return self._send(buyer, "POST", f"/bookings/{booking}/confirm") is not None

    def count_available(self, event: int) -> int:
        """Return how many tickets the event shows as available."""
        tickets: int = self._need("GET", f"/events/{event}")["ticketTypes"][0]["availableTickets"]
        return tickets

    def list_bookings(self, event: int) -> dict[str, int]:
        """Return the quantities of the active bookings, by their ids."""
        quantities: dict[str, int] = {}
        cursor = ""
        while cursor is not None:
            query = f"limit=100{cursor and '&cursor='}{cursor}"
            page = self._need("GET", f"/events/{event}/bookings?{query}")
            active = (each for each in page["bookings"] if each["status"] in ACTIVE)
            quantities |= {each["_id"]: each["quantity"] for each in active}
            cursor = page["nextCursor"]
        return quantities

    def _register(self) -> requests.Session:
        name = f"race-{secrets.token_hex(8)}"
        user = {
            "name": name,
            "email": f"{name}@example.org",
            "password": secrets.token_urlsafe(16),
        }
        answer = self._send(requests.Session(), "POST", "/auth/register", user)
        if answer is None:
            raise OSError("the server refuses to register buyers")
        return _open_session(answer["token"])

    def _need(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request as the organizer. Raise OSError if it is refused."""
        answer = self._send(self.organizer, method, path, body)
        if answer is None:
            raise OSError(f"the server refuses {method} {path} with RACE_TOKEN")
        return answer

    def _send(
        self,
        session: requests.Session,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Return the JSON of an answer, None for a refusal; raise OSError for 429 and 5xx."""
        response = session.request(
            method,
            self.url + path,
            json=body,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            allow_redirects=False,
        )
        if response.status_code == 429 or response.status_code >= 500:
            response.raise_for_status()
        return response.json() if response.ok else None


def _open_session(token: str) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    return session
