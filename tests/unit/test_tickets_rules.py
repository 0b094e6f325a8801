"""Tickets' ids and codes: read back, and nothing else read."""

import base64

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from eventapp.tickets import rules
from eventapp.tickets.signing_key import Key

BOOKING = ObjectId("65f000000000000000000abc")
TICKET = f"{BOOKING}-2-1"
KEY = Key(b"k" * 32)


def booking(status="confirmed", **more):
    items = [
        {"ticketTypeId": 2, "type": "VIP", "quantity": 1},
        {"ticketTypeId": 1, "type": "General", "quantity": 2},
    ]
    return {"_id": BOOKING, "status": status, "items": items, **more}


def test_each_seat_has_a_ticket():
    found = [(seat.ticket_id, type_) for seat, type_ in rules.seats(booking())]
    assert found == [
        (f"{BOOKING}-2-1", "VIP"),
        (f"{BOOKING}-1-1", "General"),
        (f"{BOOKING}-1-2", "General"),
    ]


@pytest.mark.parametrize("status", ["held", "cancelled", "expired"])
def test_only_a_confirmed_booking_has_tickets(status):
    assert list(rules.seats(booking(status))) == []


def test_a_ticket_id_is_read_back():
    for seat, _type in rules.seats(booking()):
        assert rules.seat_of(seat.ticket_id) == seat


@pytest.mark.parametrize(
    "text",
    ["", "x", str(BOOKING), f"{BOOKING}-0-1", f"{BOOKING}-1-0", f"{BOOKING}-01-1", f"{TICKET}-1"]
    + [TICKET.upper(), f"{TICKET}\n", f"{BOOKING}-$1-1", f"{BOOKING}-1.x-1", f"{BOOKING}-²-1"],
)
def test_nothing_else_is_a_ticket_id(text):
    assert rules.seat_of(text) is None


def test_a_code_names_its_seat_to_its_event_only():
    code = KEY.code(7, TICKET)
    assert KEY.seat(7, code) == rules.seat_of(TICKET)
    assert KEY.seat(7, f" {code.lower()}\n") == rules.seat_of(TICKET)
    assert KEY.seat(8, code) is None
    assert Key(b"x" * 32).seat(7, code) is None


def test_every_character_of_a_code_counts():
    code = KEY.code(7, TICKET)
    for place in range(len(code)):
        for other in "A2Z7.-":
            forged = code[:place] + other + code[place + 1 :]
            assert forged == code or KEY.seat(7, forged) is None
        assert KEY.seat(7, code[:place]) is None
    assert KEY.seat(7, code + "A") is None


@given(st.text(max_size=200))
def test_whatever_is_sent_is_refused_quietly(text):
    assert KEY.seat(7, text) is None
    assert KEY.seat(7, f"EVT1.7.{text}") is None


def test_a_code_is_of_qrs_dense_alphabet():
    assert set(KEY.code(7, TICKET)) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


def test_a_scanner_checks_it_with_nothing_but_the_public_key():
    public = VerifyKey(base64.urlsafe_b64decode(KEY.public + "="))
    claim, _, signature = KEY.code(7, TICKET).rpartition(".")
    raw = base64.b32decode(signature + "=")
    assert public.verify(claim.encode(), raw)
    assert claim == f"EVT1.7.{TICKET.upper()}"
    with pytest.raises(BadSignatureError):
        public.verify(claim.replace(".7.", ".8.").encode(), raw)


def test_the_public_key_opens_nothing():
    assert KEY.public not in base64.urlsafe_b64encode(bytes(SigningKey(b"k" * 32))).decode()
