"""Mails look right in a browser, as in a mail program that shows their pictures.

The pictures are parts of the message, so this puts them into the page as data.
"""

import base64
import email
from email.policy import default

import pytest

from eventapp.core.access.sealing import Sealer
from eventapp.core.clock import utc_now
from eventapp.notifications import account_mails, rules
from eventapp.notifications.account_mails import AccountMail
from tests.bookings_factories import Caller, context_of, event_of
from tests.notifications_factories import (
    ALL_FACTS,
    ITEMS,
    mail_server,
    make_notification,
    notify,
    notify_holders,
    send_mails,
)

TITLE = "Ρεμπέτικο στην αυλή <b>με</b> μεγάλη ορχήστρα & φίλους"
SUMS = {"bookings": 3, "tickets": 7, "ended": 1, "gross": 1400, "discount": 70, "revenue": 1330}
SUMS |= {"charged": 1330, "refunded": 190.5, "fees": 21.35, "net": 1118.15}
FACTS = {**ALL_FACTS, "eventTitle": TITLE, "location": "Μεγάλη αυλή, Θεσσαλονίκη"}
MORE = {"items": ITEMS, "totalPrice": 37.5, "discount": 2.5, "promoCode": "SPRING", **SUMS}
MORE["rows"] = [{"title": TITLE, **SUMS}, {"title": "Jazz", **SUMS}]


def send(app, db):
    """Send what is due as the worker does, and return the messages."""
    outbox = context_of(app).outbox
    parts = {name: getattr(outbox, name) for name in ("link_keys", "draw_codes", "sealer")}
    with mail_server() as box:
        send_mails(db, box.outbox(unsubscribe_keys=outbox.unsubscribe_keys, **parts))
    return [email.message_from_bytes(content, policy=default) for _to, content in box.received]


def write_page(message, path):
    """Write the HTML body of a message with its pictures as a file, and return its URL."""
    html = message.get_body(("html",)).get_content()
    related = message.get_body(("related",))
    for picture in related.iter_attachments() if related else ():
        content_id = picture["Content-ID"].strip("<>")
        data = base64.b64encode(picture.get_content()).decode()
        html = html.replace(f"cid:{content_id}", f"data:image/png;base64,{data}")
    assert "cid:" not in html
    path.write_text(html)
    return path.as_uri()


@pytest.mark.parametrize("language", ["en", "el"])
def test_the_tickets_of_a_mail_are_seen(app, db, client, browser, check_page, tmp_path, language):
    holder = Caller(client, app)
    db.users.update_one({"_id": holder.id}, {"$set": {"language": language}})
    event = event_of(db, 10, title=TITLE)
    holder.book(event, 2, attendees=[{"ticketTypeId": 1, "name": "Ζωή Παπαδοπούλου"}])
    notify_holders(context_of(app))
    (message,) = send(app, db)
    browser.open(write_page(message, tmp_path / "mail.html"))
    sizes = browser.run("return [...document.images].map((each) => each.naturalWidth)")
    assert len(sizes) == 2
    assert all(size > 200 for size in sizes)
    assert "Ζωή Παπαδοπούλου" in browser.text()
    assert TITLE in browser.text()
    check_page(f"mail-tickets-{language}")


@pytest.mark.parametrize("language", ["en", "el"])
@pytest.mark.parametrize(
    "kind", [rules.ANNOUNCEMENT, rules.REPORT, rules.WAITLIST_OFFER, rules.EVENT_CHANGED]
)
def test_a_mail_without_tickets_is_read(app, db, browser, check_page, tmp_path, kind, language):
    facts = {**FACTS, "expiresAt": utc_now()}
    new = make_notification(
        kind, data=facts, mail_data=MORE, language=language, subscription={"organizerId": None}
    )
    notify(db, new)
    (message,) = send(app, db)
    browser.open(write_page(message, tmp_path / "mail.html"))
    check_page(f"mail-{kind}-{language}")


def test_a_mail_about_an_account_is_read(app, db, browser, check_page, tmp_path):
    sealer = context_of(app).outbox.sealer
    assert isinstance(sealer, Sealer)
    facts = {"sessions": 2, "api_tokens": 1}
    mail = AccountMail(
        "key", "password_was_reset", make_notification().recipient.id, "a@example.org", facts=facts
    )
    account_mails.queue(db, mail, sealer, utc_now())
    (message,) = send(app, db)
    browser.open(write_page(message, tmp_path / "mail.html"))
    check_page("mail-account")
