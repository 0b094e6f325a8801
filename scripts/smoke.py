"""Does a deployed site work? Signs up, books a ticket of the first event that has any, cancels it.

With --mails it waits for the mail of the booking at a Mailpit. Needs nothing but Python.
"""

import argparse
import json
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

READY_SECONDS, MAIL_SECONDS, ANSWER_SECONDS = 60.0, 60.0, 10.0


def main(arguments: list[str] | None = None) -> int:
    """0 when all was as it should be; else 1, and what was not, on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", nargs="?", default="http://127.0.0.1:10000")
    parser.add_argument("--mails", metavar="URL", help="of a Mailpit, as http://127.0.0.1:8025")
    asked = parser.parse_args(arguments)
    try:
        email = book(asked.site.rstrip("/"))
        if asked.mails:
            await_mail(asked.mails.rstrip("/"), email)
    except (OSError, ValueError, LookupError) as error:
        print(f"smoke: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def book(site: str) -> str:
    """Use the site as a visitor does; the visitor's address. OSError where it refuses."""
    eventually(READY_SECONDS, lambda: call(f"{site}/readyz")["status"] == "ready")
    listed = call(f"{site}/api/events?availableOnly=true&limit=1")["events"]
    if not listed:
        raise LookupError("no event has tickets left")
    event = call(f"{site}/api/events/{listed[0]['eventId']}")
    kind = next(kind for kind in event["ticketTypes"] if kind["availableTickets"])
    print(f"ready; first event: {event['title']}")

    email = f"smoke-{secrets.token_hex(6)}@example.org"
    person = {"name": "Smoke", "email": email, "password": secrets.token_urlsafe(12)}
    token = call(f"{site}/api/auth/register", person)["token"]
    wanted = {"eventId": event["eventId"], "ticketTypeId": kind["ticketTypeId"], "quantity": 1}
    booking = call(f"{site}/api/bookings", wanted, token)["data"]["booking"]
    path = f"{site}/api/bookings/{booking['_id']}"
    tickets = call(f"{path}/tickets", token=token)["tickets"]
    print(f"booked {booking['bookingReference']}, {len(tickets)} ticket")
    call(f"{path}/cancel", token=token, method="PUT")
    print("cancelled")
    return email


def await_mail(mailpit: str, email: str) -> None:
    """Until a mail to this address has come."""
    query = urllib.parse.urlencode({"query": f"to:{email}"})
    found = f"{mailpit}/api/v1/search?{query}"
    eventually(MAIL_SECONDS, lambda: bool(call(found)["messages"]))
    print("mailed")


def call(
    url: str, body: object = None, token: str | None = None, method: str | None = None
) -> dict[str, Any]:
    """The JSON that is answered. OSError where the status is not one of success."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except urllib.error.HTTPError as error:
        raise OSError(f"{error.code} of {url}: {error.read(500).decode()}") from error


def eventually(seconds: float, seen: Callable[[], bool]) -> None:
    """Until it is seen. OSError where that takes longer."""
    limit = time.monotonic() + seconds
    while True:
        try:
            if seen():
                return
            why = "not yet"
        except OSError as error:
            why = str(error)
        if time.monotonic() > limit:
            raise OSError(f"not within {seconds:.0f} s: {why}")
        time.sleep(0.5)


if __name__ == "__main__":
    raise SystemExit(main())
