"""Check that a deployed site works: sign up, book a ticket of the first event on sale, cancel it.

With --mails it also waits for the mail about the booking to arrive at a Mailpit. It needs only the
standard library, so that it runs on any machine.
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

READY_SECONDS, MAIL_SECONDS, REQUEST_SECONDS = 60.0, 60.0, 10.0
POLL_SECONDS = 0.5


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if everything works, else print what did not on standard error and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", nargs="?", default="http://127.0.0.1:10000")
    parser.add_argument(
        "--mails", metavar="URL", help="the URL of a Mailpit, as http://127.0.0.1:8025"
    )
    options = parser.parse_args(arguments)
    try:
        email = book_and_cancel(options.site.rstrip("/"))
        if options.mails:
            wait_for_mail(options.mails.rstrip("/"), email)
    except (OSError, ValueError, LookupError) as error:
        print(f"smoke: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


def book_and_cancel(site: str) -> str:
    """Register a new user, book and cancel a ticket, and return the user's email address.

    Raises:
        OSError: the site is not ready in time or refuses a request.
        LookupError: no event has tickets left, or an answer lacks a field.
    """
    wait_until(READY_SECONDS, lambda: send(f"{site}/readyz")["status"] == "ready")
    listed = send(f"{site}/api/events?availableOnly=true&limit=1")["events"]
    if not listed:
        raise LookupError("no event has tickets left")
    event = send(f"{site}/api/events/{listed[0]['eventId']}")
    on_sale = [each for each in event["ticketTypes"] if each["availableTickets"]]
    if not on_sale:
        raise LookupError(f"{event['title']} was sold out meanwhile")
    print(f"ready; first event: {event['title']}")

    email = f"smoke-{secrets.token_hex(6)}@example.org"
    user = {"name": "Smoke", "email": email, "password": secrets.token_urlsafe(12)}
    token = send(f"{site}/api/auth/register", user)["token"]
    order = {
        "eventId": event["eventId"],
        "ticketTypeId": on_sale[0]["ticketTypeId"],
        "quantity": 1,
    }
    booking = send(f"{site}/api/bookings", order, token)["data"]["booking"]
    path = f"{site}/api/bookings/{booking['_id']}"
    tickets = send(f"{path}/tickets", token=token)["tickets"]
    print(f"booked {booking['bookingReference']}, {len(tickets)} ticket")
    send(f"{path}/cancel", token=token, method="PUT")
    print("cancelled")
    return email


def wait_for_mail(mailpit: str, email: str) -> None:
    """Wait until the Mailpit has a mail to this address. Raise OSError if none arrives in time."""
    query = urllib.parse.urlencode({"query": f"to:{email}"})
    search_url = f"{mailpit}/api/v1/search?{query}"
    wait_until(MAIL_SECONDS, lambda: bool(send(search_url)["messages"]))
    print("mailed")


def send(
    url: str, body: object = None, token: str | None = None, method: str | None = None
) -> dict[str, Any]:
    """Send a request and return the JSON of its answer. Raise OSError for an error status."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise OSError(f"{error.code} of {url}: {error.read(500).decode()}") from error


def wait_until(seconds: float, holds: Callable[[], bool]) -> None:
    """Wait until a condition holds. Raise OSError with the last reason if it takes too long.

    An OSError of the condition counts as False.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
            reason = "not yet"
        except OSError as error:
            reason = str(error)
        if time.monotonic() > deadline:
            raise OSError(f"not within {seconds:.0f} s: {reason}")
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
