"""Texts of notifications, retries of mails, periods of reports, and what causes notifications."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

import eventapp
from eventapp.bookings import rules as bookings
from eventapp.bookings.ledger import reports
from eventapp.config import ConfigError, load_config
from eventapp.events import rules as events
from eventapp.notifications import rules
from eventapp.notifications.mail_templates import DEFAULT_TEMPLATE, TEMPLATE_NAMES, render_mail
from eventapp.notifications.notification_texts import compose_text
from eventapp.notifications.outbox import build_message
from eventapp.notifications.texts import get_app_texts
from eventapp.waitlist.types import CloseReason
from tests import notifications_factories as factories
from tests.notifications_factories import make_notification

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
APP = get_app_texts()
TEMPLATES = Path(eventapp.__file__).parent / "notifications" / "templates"
ALL_FACTS = {**factories.ALL_FACTS, "expiresAt": NOW}


@pytest.mark.parametrize("kind", [*rules.KINDS, rules.REPORT])
def test_each_kind_has_a_text_and_templates(kind):
    title, message = compose_text(kind, ALL_FACTS, APP)
    assert title
    assert message.endswith(".")
    name = TEMPLATE_NAMES.get(kind, DEFAULT_TEMPLATE)
    assert all((TEMPLATES / f"{name}.{form}").exists() for form in ("txt", "html"))
    mail = render_mail(make_notification(kind, data=ALL_FACTS), "https://x.example/", NOW)
    for form in ("text", "html"):
        assert "https://x.example/" in mail[form]
        assert "x.example//" not in mail[form]
        assert "Undefined" not in mail[form]
    assert "<of>" not in mail["html"]


@pytest.mark.parametrize("kind", rules.KINDS)
@given(text=st.text(max_size=300))
def test_titles_are_one_line_of_limited_length(kind, text):
    title, _message = compose_text(kind, {**ALL_FACTS, "eventTitle": text}, APP)
    assert len(title) <= rules.MAX_SUBJECT
    assert title.isprintable()
    assert len(title.splitlines()) <= 1


@given(title=st.text(max_size=100), name=st.text(max_size=50))
def test_a_message_has_the_expected_headers_whatever_users_write(title, name):
    notification = make_notification(data={"eventTitle": title})
    message = build_message(
        render_mail(notification, "https://x.example", NOW), "Events <e@x.example>"
    )
    assert set(message.keys()) == {
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    }
    assert b"\r\nBcc:" not in bytes(message)


@pytest.mark.parametrize(
    ("quantity", "text"), [(1, "1 ticket"), (2, "2 tickets"), (10, "10 tickets")]
)
def test_one_ticket_is_written_in_the_singular(quantity, text):
    facts = {**ALL_FACTS, "quantity": quantity}
    _title, message = compose_text(rules.BOOKING_CONFIRMED, facts, APP)
    assert f" of {text} for " in message


@pytest.mark.parametrize(
    ("quantity", "left", "refund", "title", "text"),
    [
        (1, 2, 20, "Ticket cancelled", "is cancelled; 2 are left. 20 EUR are refunded."),
        (2, 1, 7.5, "Tickets cancelled", "are cancelled; 1 is left. 7.50 EUR are refunded."),
        (3, 1, None, "Tickets cancelled", "are cancelled; 1 is left."),
    ],
)
def test_the_text_about_cancelled_tickets_agrees_with_their_number(
    quantity, left, refund, title, text
):
    facts = {**ALL_FACTS, "quantity": quantity, "left": left, "refund": refund, "currency": "EUR"}
    composed = compose_text(rules.TICKETS_CANCELLED, facts, APP)
    assert composed[0].startswith(f"{title}: ")
    assert composed[1].endswith(text)


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(1, 30), (2, 60), (3, 120), (5, 480), (9, 7200), (10, 7200), (1000, 7200)],
)
def test_pauses_double_up_to_two_hours(attempts, seconds):
    assert rules.schedule_next_attempt(attempts, NOW, NOW) == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("age", "given_up"), [(timedelta(hours=23.99), False), (timedelta(days=1), True)]
)
def test_a_mail_is_given_up_after_a_day(age, given_up):
    assert (rules.schedule_next_attempt(9, NOW, NOW + age) is None) is given_up


@pytest.mark.parametrize(
    ("now", "days", "weeks"),
    [
        ("2030-05-01", ("2030-04-30", "2030-04-30"), ("2030-04-22", "2030-04-28")),  # a Wednesday
        ("2030-05-05", ("2030-05-04", "2030-05-04"), ("2030-04-22", "2030-04-28")),  # a Sunday
        ("2030-05-06", ("2030-05-05", "2030-05-05"), ("2030-04-29", "2030-05-05")),  # a Monday
        ("2030-01-01", ("2029-12-31", "2029-12-31"), ("2029-12-24", "2029-12-30")),
    ],
)
def test_report_periods_are_the_last_full_day_and_week(now, days, weeks):
    moment = datetime.fromisoformat(f"{now}T00:00:00+00:00")
    for at in (moment, moment + timedelta(hours=23, minutes=59)):
        daily, weekly = reports.find_finished_periods(at)
        assert (daily.first_day, daily.last_day) == days
        assert (weekly.first_day, weekly.last_day) == weeks
        assert daily.until <= at
        assert weekly.until - weekly.since == timedelta(days=7)


def event_with(available, capacity, *, listed=True):
    types = [{"ticketTypeId": 1, "availableTickets": available, "capacity": capacity}]
    schedule = [{"scheduleId": 1, "overAt": NOW + timedelta(days=1)}]
    return {"listed": listed, "ticketTypes": types, "schedule": schedule}


@pytest.mark.parametrize(
    ("available", "capacity", "low"),
    [(10, 100, True), (11, 110, False), (10, 99, False), (1, 10, True), (1, 9, False), (0, 9, 0)],
)
def test_at_most_10_tickets_and_a_tenth_of_the_capacity_are_few(available, capacity, low):
    assert events.is_low_on_tickets(event_with(available, capacity), NOW) is bool(low)
    assert not events.is_low_on_tickets(event_with(available, capacity, listed=False), NOW)


def test_only_public_types_count_for_the_alert():
    event = event_with(10, 100)
    event["ticketTypes"] += [
        {"ticketTypeId": id_, "capacity": 500, "availableTickets": 400, "visibility": visibility}
        for id_, visibility in ((2, "hidden"), (3, "secret"))
    ]
    assert events.is_low_on_tickets(event, NOW)
    assert events.count_all_buyable(event, NOW) == 10


def scheduled(*entries, **more):
    """Return an event whose entries have these scheduleIds and have moved so often."""
    schedule = [{"scheduleId": id_, "moves": moves} for id_, moves in entries]
    return {"schedule": schedule, "status": "published", "rev": 4, **more}


@pytest.mark.parametrize(
    ("after", "is_recorded"),
    [
        (scheduled((1, 0), (2, 3)), False),
        (scheduled((2, 3), (1, 0)), False),
        (scheduled((1, 0), (2, 3), (3, 0)), False),
        (scheduled((1, 0), (2, 4)), True),
        (scheduled((1, 0), (3, 3)), True),
        (scheduled((1, 0)), True),
        (scheduled((1, 1), status="draft"), False),
        (scheduled((1, 1), status="cancelled"), False),
    ],
)
def test_an_edit_that_moves_or_drops_an_entry_is_recorded(after, is_recorded):
    before = scheduled((1, 0), (2, 3))
    fields = events.make_schedule_change_fields(before, after["schedule"], after["status"], NOW)
    assert fields == ({"tell": [{"at": NOW, "rev": 4}], "tellAt": NOW} if is_recorded else {})


def test_a_second_edit_is_recorded_after_the_first():
    before = scheduled((1, 0), tell=[{"at": NOW, "rev": 2}])
    fields = events.make_schedule_change_fields(before, [], "published", NOW)
    assert [change["rev"] for change in fields["tell"]] == [2, 4]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("cancelled", rules.BOOKING_CANCELLED),
        ("event_cancelled", rules.EVENT_CANCELLED),
        ("expired", rules.BOOKING_EXPIRED),
        ("declined", None),
    ],
)
def test_the_reason_why_a_booking_ends_decides_its_notification(reason, kind):
    fields = bookings.build_pending_notification_fields(bookings.END_NOTIFICATIONS.get(reason), NOW)
    assert fields == ({f"tell.{kind}": NOW, "tellAt": NOW} if kind else {})


def test_bookings_and_notifications_use_the_same_kinds():
    kinds = {
        *bookings.END_NOTIFICATIONS.values(),
        bookings.BOOKING_CONFIRMED,
        bookings.WAITLIST_OFFER,
        bookings.TICKETS_CANCELLED,
    }
    assert kinds <= set(rules.KINDS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "a@b.example, c@d.example"),
        ("MAIL_FROM", "Events <events@>"),
        ("MAIL_FROM", "a@b.example\nBcc: c@d.example"),
        ("SMTP_URL", "http://mail.example"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtp://mail.example:mail"),
        ("SMTP_URL", "smtp://mail.example:99999"),
    ],
)
def test_invalid_mail_settings_are_refused_at_start(tmp_path, name, value):
    with pytest.raises(ConfigError, match=name):
        load_config({"INSTANCE_DIR": str(tmp_path), name: value})


@pytest.mark.parametrize("value", ["events@x.example", "Events <e@x.example>", '"A, B" <e@x.io>'])
def test_valid_senders_are_accepted(tmp_path, value):
    config = load_config({"INSTANCE_DIR": str(tmp_path), "MAIL_FROM": value})
    mail = render_mail(make_notification(), "https://x.example", NOW) | {"_id": ObjectId()}
    assert build_message(mail, config.mail_from)["From"].addresses[0].domain.startswith("x.")


@pytest.mark.parametrize("reason", get_args(CloseReason))
@pytest.mark.parametrize(("quantity", "tickets"), [(1, "1 ticket"), (3, "3 tickets")])
def test_each_reason_to_close_a_waitlist_has_a_text(reason, quantity, tickets):
    facts = {**ALL_FACTS, "reason": reason, "quantity": quantity}
    _title, message = compose_text(rules.WAITLIST_CLOSED, facts, APP)
    assert facts["eventTitle"] in message
    awaited = f"{tickets} on 2030-05-01, Volos"
    assert message.endswith(f"You are no longer on the waitlist for {awaited}.")
