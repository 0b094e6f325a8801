"""Hooks of schemathesis: authentication, and errors that no schema can describe."""

import itertools
import json
import os
from pathlib import Path

import schemathesis

# The messages of errors that JSON Schema cannot express.
INEXPRESSIBLE_ERRORS = {
    "Must be another account with the role organizer or admin.",
    "Each ticket type must have its own name.",  # uniqueItems compares whole items.
    "Name each ticket type once.",  # the same
    "Must have at most 72 bytes.",  # maxLength counts characters.
    "Not a cursor of this list",  # A cursor is valid only for the list that made it.
    # JSON Schema compares neither parameters with each other nor times.
    "Needs near.",
    "distance needs near.",
    "Send near or bbox, not both.",
    "At most 3660 days at once",
    "Must not be after `to`",
    "Must be greater than or equal to 2000-01-01 00:00:00+00:00 and less than or equal to "
    "2200-01-01 00:00:00+00:00.",
    "Must be in the future.",
    "Must be within a year.",
    "Not an IANA time zone, as Europe/Athens",
    "Not an IANA time zone, such as Europe/Athens.",
    # Local times of a schedule entry are compared with each other.
    "Send a date-time or a startTime.",
    "Must not be after startTime.",
    "Must not be before doorsTime.",
    "Each entry must have its own scheduleId.",
    "Each question must have its own questionId.",
    # schemathesis adds properties without regard to `propertyNames`.
    "Must be named by their questionId.",
    # So are the times and the limits of a sale, and the value of a promo code with its kind.
    "Must be after salesFrom.",
    "Must not be below minPerBooking.",
    "Must be at most 10, the limit of this server.",
    "Must be after validFrom.",
    "Send it together with kind.",
    "Must be from 0.01 to 100.",
    "Must be from 0.01 to 1000000.",
    # The lengths of two lists are multiplied.
    "Ticket types times dates: at most 2000.",
    # What the URL of a webhook may be is more than a pattern can say.
    "must begin with https://",
    "must not name a host of a private network",
    "must not contain spaces, control characters or backslashes",
    "must be a URL",
    "must not contain a user name or a password",
    "must not contain a fragment",
    "must encode other characters than ASCII as %XX after the host",
    "must have a host name or an address, and at most a port after it",
    "must have port 443 or one from 1024 to 65535",
    "must have a valid address in brackets",
    "must have a valid host name",
    "must have a valid host name, without a dot at its end",
    "must write an IPv4 address as four decimal numbers",
    # This depends on the email that the account has.
    "Send it with another email.",
    # These depend on the stored event.
    "Another ticket type has this name.",
    "Must be draft or published, or the status that the event has.",
    "At most 50 quotas",
    "The event has no such entry.",
    "Must be one date for each entry of the schedule.",
    "Times of sale or of promo codes would be out of range.",
    "The event has no such ticket type.",
    "The event has no such secret ticket type.",
    "The lists of a quota hold at most 366 ids together.",
    "Another promo code of the event is spelled like this.",
    # So do the answers of attendees.
    "There are more attendees than tickets of this type.",
    "The event does not ask this of the holder of such a ticket.",
    *("Must be a text.", "Must be true or false.", "Must be one of the choices."),
    "Must be a date, YYYY-MM-DD.",
    # uniqueItems compares the elements as they were sent.
    "Each must be there once.",
    "A question has choices if its kind is choice.",
}
# What the message begins with that names an unanswered question of the stored event.
UNANSWERED = "Must be answered: "
# The codes of 400 answers that depend on stored data, or on the clocks of a time zone.
STATE_DEPENDENT_CODES = {
    *("ticket_type_required", "wrong_password", "nonexistent_time", "token_invalid"),
    *("code_invalid", "key_invalid"),
}


class TokenPool:
    """The Authorization header of the calling user, replaced when the server refuses it.

    Fuzzing signs users out, deletes them and takes their roles away.
    """

    def __init__(self):
        self._tokens = itertools.cycle(json.loads(Path(os.environ["FUZZ_TOKENS"]).read_text()))
        self.token = next(self._tokens)

    def replace_refused(self, response):
        is_current = response.request.headers.get("Authorization") == self.token
        if is_current and response.status_code == 401:
            self.token = next(self._tokens)


token_pool = TokenPool()
calls = itertools.count(1)


@schemathesis.auth(refresh_interval=None).apply_to(
    lambda context: bool(context.operation.definition.raw.get("security"))
)
class Token:
    def get(self, case, context):
        return token_pool.token

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context, case, kwargs):
    """Send each request from another address, and without a made-up cursor.

    Wrong passwords from one address are slowed down. An invalid cursor would hide every other error
    of the query.
    """
    number = next(calls)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if is_positive(case) and not str(case.query.get("cursor", "")).startswith("eyJ"):
        case.query.pop("cursor", None)


@schemathesis.hook
def after_call(context, case, response):
    token_pool.replace_refused(response)


@schemathesis.check
def what_the_schema_allows_is_accepted(context, response, case):
    """Check `positive_data_acceptance`, except for errors that no schema can describe."""
    if not is_positive(case) or response.status_code != 400 or follows_a_wrong_link(case):
        return
    error = response.json()
    if error["code"] in STATE_DEPENDENT_CODES:
        return
    messages = {message for each in error.get("errors", {}).values() for message in each}
    is_inexpressible = all(
        each in INEXPRESSIBLE_ERRORS or each.startswith(UNANSWERED)
        for each in messages or {error["message"]}
    )
    assert is_inexpressible, f"the schema allows it, the server does not: {error}"


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def follows_a_wrong_link(case):
    """Return True if a link that schemathesis inferred has used an id of another type."""
    return any(
        parameter.definition["schema"].get("type") == "integer"
        and not str(case.path_parameters.get(parameter.name)).isdigit()
        for parameter in case.operation.path_parameters
    )
