"""Every link and form of every page leads to a page or file of this server."""

import re

import pytest

from tests.bookings_factories import Caller, event_of
from tests.page_sessions import make_browser

LINK = re.compile(r'\s(?:href|src|action)="(/[^"#]*)')
# Each start leads on to the pages that its links name. Scripts make the links of lists.
STARTS = ("/", "/account", "/console", "/console/events/new", "/account/sign-out", "/door")
# What the links of pages lead to by a GET: a page, another page, or a file.
IS_THERE = {200, 303, 308}
MOST_PAGES = 150


@pytest.fixture
def person(client, app, db):
    """An organizer who has an event and tickets of it, and the paths of both."""
    organizer = Caller(client, app, "organizer")
    event_id = event_of(db, 5, organizer_id=organizer.id, image="", tags=["jazz"])
    booking = organizer.book(event_id, 2)
    starts = (f"/console/events/{event_id}", f"/b/{booking['bookingReference']}")
    return organizer, starts


def find_links(page):
    return {each.replace("&amp;", "&") for each in LINK.findall(page)}


def test_every_link_leads_somewhere(app, db, person):
    organizer, starts = person
    browser = make_browser(app, {"id": organizer.id})
    waiting, seen, dead = [*STARTS, *starts], set(), []
    while waiting:
        path = waiting.pop()
        # Pages of one kind have the same links, whatever their parameters and numbers.
        kind = re.sub(r"\d+", "0", path.partition("?")[0])
        if kind in seen:
            continue
        seen.add(kind)
        assert len(seen) < MOST_PAGES
        answer = browser.get(path)
        if answer.status_code not in IS_THERE and answer.status_code != 405:
            dead.append((path, answer.status_code))
        elif answer.location:
            waiting.append(answer.location)
        elif answer.content_type.startswith("text/html") and not path.startswith("/api/"):
            waiting += find_links(answer.text)
    assert dead == []
    assert len([kind for kind in seen if kind.startswith("/console/events/0/")]) == 9
