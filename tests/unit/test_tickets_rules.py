"""Ids and codes of tickets are parsed and verified, and anything else is refused."""

import base64

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from eventapp.tickets import rules
from eventapp.tickets.signing_key import TicketKey

BOOKING = ObjectId("65f000000000000000000abc")
TICKET = f"{BOOKING}-2-1"
KEY = TicketKey(b"k" * 32)


def booking(status="confirmed", **more):
    items = [
        {"ticketTypeId": 2, "type": "VIP", "quantity": 1},
        {"ticketTypeId": 1, "type": "General", "quantity": 2},
    ]
    return {"_id": BOOKING, "status": status, "items": items, **more}


def test_a_booking_has_a_ticket_for_each_unit_of_its_items():
    found = [(ticket.ticket_id, type_name) for ticket, type_name in rules.iter_tickets(booking())]
    assert found == [
        (f"{BOOKING}-2-1", "VIP"),
        (f"{BOOKING}-1-1", "General"),
        (f"{BOOKING}-1-2", "General"),
    ]


@pytest.mark.parametrize("status", ["held", "cancelled", "expired"])
def test_only_a_confirmed_booking_has_tickets(status):
    assert list(rules.iter_tickets(booking(status))) == []


def test_a_ticket_id_is_parsed_into_its_ticket():
    for ticket, _type in rules.iter_tickets(booking()):
        assert rules.parse_ticket_id(ticket.ticket_id) == ticket


@pytest.mark.parametrize(
    "text",
    ["", "x", str(BOOKING), f"{BOOKING}-0-1", f"{BOOKING}-1-0", f"{BOOKING}-01-1", f"{TICKET}-1"]
    + [TICKET.upper(), f"{TICKET}\n", f"{BOOKING}-$1-1", f"{BOOKING}-1.x-1", f"{BOOKING}-²-1"],
)
def test_any_other_text_is_no_ticket_id(text):
    assert rules.parse_ticket_id(text) is None


def test_a_code_is_valid_for_its_event_and_key_only():
    code = KEY.sign(7, TICKET)
    assert KEY.verify(7, code) == rules.parse_ticket_id(TICKET)
    assert KEY.verify(7, f" {code.lower()}\n") == rules.parse_ticket_id(TICKET)
    assert KEY.verify(8, code) is None
    assert TicketKey(b"x" * 32).verify(7, code) is None


def test_a_code_with_any_character_changed_is_refused():
    code = KEY.sign(7, TICKET)
    for index in range(len(code)):
        for other in "A2Z7.-":
            forged = code[:index] + other + code[index + 1 :]
            assert forged == code or KEY.verify(7, forged) is None
        assert KEY.verify(7, code[:index]) is None
    assert KEY.verify(7, code + "A") is None


@given(st.text(max_size=200))
def test_any_text_is_refused_without_an_error(text):
    assert KEY.verify(7, text) is None
    assert KEY.verify(7, f"EVT1.7.{text}") is None


def test_a_code_uses_the_alphanumeric_alphabet_of_qr():
    assert set(KEY.sign(7, TICKET)) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")


def test_a_code_is_verified_with_the_public_key_alone():
    public = VerifyKey(base64.urlsafe_b64decode(KEY.public_key + "="))
    payload, _, signature = KEY.sign(7, TICKET).rpartition(".")
    raw = base64.b32decode(signature + "=")
    assert public.verify(payload.encode(), raw)
    assert payload == f"EVT1.7.{TICKET.upper()}"
    with pytest.raises(BadSignatureError):
        public.verify(payload.replace(".7.", ".8.").encode(), raw)


def test_the_public_key_does_not_contain_the_private_key():
    assert KEY.public_key not in base64.urlsafe_b64encode(bytes(SigningKey(b"k" * 32))).decode()
