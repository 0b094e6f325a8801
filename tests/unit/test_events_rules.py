"""The rules of events, and the fields of requests and cursors, without a database."""

from datetime import UTC, date, datetime, timedelta

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from eventapp.core import json, paging
from eventapp.core.errors import ValidationFailed
from eventapp.core.http.fields import CalendarDate, CommaSeparatedList, Price, StrictInt, Text
from eventapp.core.textsearch import fold_text
from eventapp.events import rules, ticket_types

TODAY = date(2026, 5, 20)


def entry(day, location="Athens"):
    midnight = rules.midnight(date.fromisoformat(day))
    return {"date": midnight, "location": location, "overAt": midnight + timedelta(days=1)}


def ticket_type(type_id, name="A", price=10, available=5, sold=0, held=0):
    ticket_type = ticket_types.make_ticket_type(type_id, name, price, available)
    taken = {"soldTickets": sold, "heldTickets": held, "capacity": available + sold + held}
    return {**ticket_type, **taken}


def event(**changes):
    return {
        "title": "Émile & Zoë",
        "tags": ["Jazz", "jazz", "Live"],
        "organizer": "Live Nights",
        "description": "",
        "status": "published",
        "schedule": [entry("2026-06-01", "Αθήνα"), entry("2026-05-20")],
        "ticketTypes": [ticket_type(1), ticket_type(2, "B", 7.5, 3)],
        **changes,
    }


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        *[("Café", "cafe"), ("ΑΘΉΝΑ", "αθηνα"), ("Straße", "strasse"), ("ﬁn", "fin"), ("", "")],
        *[("Cafe\u0301", "cafe"), ("δρόμος", "δρομοσ"), ("İstanbul", "istanbul")],
        *[("Kadıköy", "kadikoy"), ("Røyksopp", "royksopp"), ("Łódź", "lodz"), ("Æon", "aeon")],
        *[("O\u2019Brien", "o'brien"), ("O\u00b4Brien", "o'brien"), ("O`Brien", "o'brien")],
        *[("“A” «b»", '"a" "b"'), ("Post\u2010Punk \u2013", "post-punk -")],
        *[("Fest\u00adhalle", "festhalle"), ("ＪＡＺＺ", "jazz"), ("a\u00a0b", "a b")],
    ],
)
def test_folding_removes_case_accents_and_typography(text, folded):
    assert fold_text(text) == folded


@given(st.text())
def test_folding_a_folded_text_changes_nothing(text):
    assert fold_text(fold_text(text)) == fold_text(text)


def test_derived_fields():
    assert rules.derive_fields(event(), TODAY) == {
        "firstDate": datetime(2026, 5, 20, tzinfo=UTC),
        "lastDate": datetime(2026, 6, 1, tzinfo=UTC),
        "nextDate": datetime(2026, 5, 20, tzinfo=UTC),
        "overAt": datetime(2026, 6, 2, tzinfo=UTC),
        "public": True,
        "listed": True,
        "minPrice": 7.5,
        "available": 8,
        "titleKey": "emile & zoe",
        "places": ["athens", "αθηνα"],
        "tagKeys": ["jazz", "live"],
        "searchTexts": [
            " emile zoe | ",
            " jazz | jazz | live | ",
            " live nights | night ",
            " αθηνα | athens | athen αθην ",
            " | ",
        ],
        "searchPrefixes": "atzq athezq emzq emilzq jazq lizq nizq nighzq zozq αθzq αθηνzq",
    }


@pytest.mark.parametrize(
    ("today", "next_date", "listed"),
    [
        ("2026-05-01", "2026-05-20", True),
        ("2026-05-20", "2026-05-20", True),
        ("2026-05-21", "2026-06-01", True),
        ("2026-06-01", "2026-06-01", True),
        ("2026-06-02", "2026-06-01", False),
    ],
)
def test_the_next_date_depends_on_today(today, next_date, listed):
    scalars = rules.derive_fields(event(), date.fromisoformat(today))
    assert scalars["nextDate"].date().isoformat() == next_date
    assert scalars["listed"] is listed


@pytest.mark.parametrize("status", ["draft", "cancelled", "completed"])
def test_only_published_events_are_listed(status):
    assert rules.derive_fields(event(status=status), TODAY)["listed"] is False


def want(name, type_id=None, **more):
    wanted = {"type": name, "price": 1, "availableTickets": 1, **more}
    return {**wanted, "ticketTypeId": type_id} if type_id else wanted


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ([want("A"), want("B")], [1, 2]),
        ([want("B"), want("A")], [2, 1]),
        ([want("a"), want("C")], [1, 3]),
        ([want("C"), want("D")], [3, 4]),
        ([want("C", 1), want("B")], [1, 2]),
        ([want("B", 1), want("A", 2)], [1, 2]),
        ([want("B", 1), want("A")], [1, 3]),
        ([want("A"), want("B", 1)], [3, 1]),
        ([want("X", 99)], [3]),
        ([want("A", 99)], [1]),
    ],
)
def test_merged_types_are_matched_by_id_then_by_name(wanted, ids):
    merged = ticket_types.merge_ticket_types([ticket_type(1, "A"), ticket_type(2, "B")], wanted, 3)
    assert [each["ticketTypeId"] for each in merged] == ids


names = st.sampled_from(["A", "B", "C", "D", "E"])
wants = st.lists(
    st.builds(want, names, st.sampled_from([None, 1, 2, 3, 9])),
    min_size=1,
    max_size=5,
    unique_by=(lambda each: each["type"], lambda each: each.get("ticketTypeId", object())),
)


@given(wants)
def test_merged_types_keep_distinct_ids_and_their_counts(wanted):
    old = [ticket_type(1, "A", sold=4), ticket_type(2, "B", sold=5), ticket_type(3, "C", held=6)]
    merged = ticket_types.merge_ticket_types(old, wanted, 4)
    ids = [each["ticketTypeId"] for each in merged]
    assert not ticket_types.has_duplicates(ids)
    out = {each["ticketTypeId"]: each["soldTickets"] + each["heldTickets"] for each in merged}
    assert all(out[type_id] == {1: 4, 2: 5, 3: 6}.get(type_id, 0) for type_id in ids)
    for each in merged:
        parts = each["availableTickets"] + each["soldTickets"] + each["heldTickets"]
        assert each["capacity"] == parts


@pytest.mark.parametrize(
    ("changes", "refused"),
    [({}, False), ({"sold": 1}, True), ({"held": 1}, True)],
)
def test_removed_types_in_use_are_found(changes, refused):
    old = [ticket_type(1), ticket_type(2, "B", **changes)]
    assert bool(ticket_types.find_dropped_in_use(old, [ticket_type(1)], ())) is refused
    assert ticket_types.find_dropped_in_use(old, old, {1, 2}) == []


@pytest.mark.parametrize(
    ("image", "shown"),
    [("", ""), ("/images/a.webp", "https://h/images/a.webp"), ("http://x/y", "http://x/y")],
)
def test_the_url_of_an_uploaded_image_is_absolute(image, shown):
    stored = {**event(), "image": image, "eventId": 1, "_id": ObjectId()}
    stored["lastDate"] = rules.midnight(TODAY)
    view = rules.present_event(
        stored,
        favorited=False,
        with_counts=False,
        image_base_url="https://h",
        now=rules.midnight(TODAY),
    )
    assert view["image"] == shown
    assert view["schedule"][1] == {"date": "2026-05-20", "location": "Athens"}


@pytest.mark.parametrize(
    ("value", "price"), [(25, 25), (25.0, 25), (12.5, 12.5), (0.1 + 0.2, 0.3), (19.99, 19.99)]
)
def test_a_whole_price_is_an_int(value, price):
    loaded = Price().deserialize(value)
    assert loaded == price
    assert type(loaded) is type(price)


@given(st.integers(0, 100_000_000))
def test_every_amount_of_cents_is_a_price(cents):
    assert round(Price().deserialize(cents / 100) * 100) == cents


@pytest.mark.parametrize(
    "value", [-0.01, 0.001, 1_000_000.01, 1e308, -1e308, "1", True, None, float("nan")]
)
def test_invalid_prices_are_refused(value):
    with pytest.raises(ValidationError):
        Price().deserialize(value)


@pytest.mark.parametrize("value", ["1", 1.5, True, None, -1, 2**63])
def test_values_that_are_no_int_are_refused(value):
    with pytest.raises(ValidationError):
        StrictInt().deserialize(value)


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2026-05-20", TODAY),
        ("2026-05-20T23:59:59.999Z", TODAY),
        ("2026-05-20T00:30:00+03:00", TODAY),
        ("2026-05-20 10:00", TODAY),
        ("2024-02-29", date(2024, 2, 29)),
    ],
)
def test_dates_and_date_times_are_read_as_dates(value, day):
    assert CalendarDate().deserialize(value) == day


@given(st.text(max_size=30))
def test_any_other_text_is_no_date(value):
    try:
        day = CalendarDate().deserialize(value)
    except ValidationError:
        return
    assert value.startswith(day.isoformat())


@pytest.mark.parametrize("value", ["\ud800", 5, None, "x" * 11, "", "\0"])
def test_invalid_texts_are_refused(value):
    with pytest.raises(ValidationError):
        Text(1, 10).deserialize(value)


@pytest.mark.parametrize("value", ["a\0", "a\x1b", "a\u0085"])
def test_control_characters_are_removed_from_texts(value):
    assert Text(1, 10).deserialize(value) == "a"


@pytest.mark.parametrize(("value", "words"), [("a, b ,,c", ["a", "b", "c"]), ("", []), (" , ", [])])
def test_a_comma_separated_list_is_split_and_trimmed(value, words):
    assert CommaSeparatedList().deserialize(value) == words


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 5, 20, 12, tzinfo=UTC), "2026-05-20T12:00:00.000Z"),
        (datetime(2026, 5, 20, 12, 0, 0, 123_000, tzinfo=UTC), "2026-05-20T12:00:00.123Z"),
        (datetime(2026, 5, 20, 12), "2026-05-20T12:00:00.000Z"),  # noqa: DTZ001
    ],
)
def test_times_are_written_as_utc_with_milliseconds(moment, text):
    assert json.dumps({"at": moment}) == b'{"at":"' + text.encode() + b'"}'


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 2**53) | st.text(max_size=10)))
def test_a_decoded_cursor_is_the_encoded_position(position):
    assert paging.decode_cursor(paging.encode_cursor(position)) == position


@pytest.mark.parametrize("cursor", ["", "x", "[]", "e", "é", "bnVsbA", "W10", "\ud800"])
def test_other_texts_are_no_cursor(cursor):
    with pytest.raises(ValidationFailed):
        paging.decode_cursor(cursor)
