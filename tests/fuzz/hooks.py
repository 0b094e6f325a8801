"""What schemathesis is told beside the document: who calls, and what no schema can say."""

import itertools
import json
import os
from pathlib import Path

import schemathesis

# The words of refusals that JSON Schema has none for.
BEYOND_SCHEMAS = {
    "Each ticket type must have its own name.",  # uniqueItems compares whole items
    "Must have at most 72 bytes.",  # maxLength counts characters
    "Not a cursor of this list",  # a cursor is what a list gave, for that list
    # No more can it compare one parameter with another, or times with anything.
    "At most 3660 days at once",
    "Must not be after `to`",
    "Must be greater than or equal to 2000-01-01 00:00:00+00:00 and less than or equal to "
    "2200-01-01 00:00:00+00:00.",
    "Not an IANA time zone, as Europe/Athens",
    # What depends on the event:
    "Another ticket type has this name.",
    "Invalid schedule index",
    "Invalid ticket type index",
}
# 400s that depend on what is stored, as the contract has them.
BY_STATE = {"ticket_type_required", "wrong_password"}


class People:
    """Who calls: the next one when this one's session has ended, for fuzzing signs people out,
    deletes them and takes their roles away."""

    def __init__(self):
        self._rest = itertools.cycle(json.loads(Path(os.environ["FUZZ_PEOPLE"]).read_text()))
        self.token = next(self._rest)

    def heard(self, response):
        mine = response.request.headers.get("Authorization") == self.token
        if mine and response.status_code == 401:
            self.token = next(self._rest)


people = People()
calls = itertools.count(1)


@schemathesis.auth(refresh_interval=None).apply_to(
    lambda context: bool(context.operation.definition.raw.get("security"))
)
class Token:
    def get(self, case, context):
        return people.token

    def set(self, case, data, context):
        case.headers["Authorization"] = data


@schemathesis.hook
def before_call(context, case, kwargs):
    """From another address each time: who guesses at passwords from one is slowed down.

    What schemathesis makes up for a cursor is none, and would hide all else of the query.
    """
    number = next(calls)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    if is_positive(case) and not str(case.query.get("cursor", "")).startswith("eyJ"):
        case.query.pop("cursor", None)


@schemathesis.hook
def after_call(context, case, response):
    people.heard(response)


@schemathesis.check
def what_the_schema_allows_is_accepted(context, response, case):
    """`positive_data_acceptance`, but for refusals that no schema could announce."""
    if not is_positive(case) or response.status_code != 400 or by_a_wrong_link(case):
        return
    said = response.json()
    if said["code"] in BY_STATE:
        return
    words = {word for words in said.get("errors", {}).values() for word in words}
    beyond = (words or {said["message"]}) <= BEYOND_SCHEMAS
    assert beyond, f"the schema allows it, the server does not: {said}"


def is_positive(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def by_a_wrong_link(case):
    """True where a link that schemathesis guessed put one kind of id where another belongs."""
    return any(
        parameter.definition["schema"].get("type") == "integer"
        and not str(case.path_parameters.get(parameter.name)).isdigit()
        for parameter in case.operation.path_parameters
    )
