"""Tickets for their holder: the list, and QR codes decoded by another library."""

import base64
from io import BytesIO
from xml.etree import ElementTree

import pytest
import segno
import zxingcpp
from nacl.signing import VerifyKey
from PIL import Image, ImageDraw

from tests.bookings_factories import Caller, event_of, expire_holds, refused

pytestmark = pytest.mark.usefixtures("clean_inventory")


def tickets(caller, booking):
    answer = caller.get(f"/bookings/{booking['_id']}/tickets")
    assert answer.status_code == 200, answer.json
    return answer.json["tickets"]


def read_qr(picture):
    """Return the text that another library than the one under test reads from the pixels."""
    (found,) = zxingcpp.read_barcodes(picture)
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    return found.text


def rasterize(svg):
    """Return the pixels of an SVG by segno, which is one path of horizontal lines."""
    root = ElementTree.fromstring(svg)
    path = next(node for node in root.iter() if node.tag.endswith("path"))
    side = round(float(root.get("width")))
    scale = float(path.get("transform").removeprefix("scale(").removesuffix(")"))
    picture = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(picture)
    x = y = 0.0
    for name, numbers in _commands(path.get("d")):
        if name in "Mm":
            x, y = numbers if name == "M" else (x + numbers[0], y + numbers[1])
        else:
            box = (
                x * scale,
                (y - 0.5) * scale,
                (x + numbers[0]) * scale - 1,
                (y + 0.5) * scale - 1,
            )
            pen.rectangle(box, fill="black")
            x += numbers[0]
    return picture


def _commands(path):
    for name in "Mmh":
        path = path.replace(name, f"|{name}")
    for command in path.split("|")[1:]:
        yield command[0], [float(n) for n in command[1:].replace(",", " ").split()]


class TestTickets:
    def test_a_booking_has_one_ticket_per_person(self, db, holder):
        ticket_types = [
            {"type": name, "price": 20, "availableTickets": 10} for name in ("General", "VIP")
        ]
        event = event_of(db, ticketTypes=ticket_types)
        items = [{"type": "VIP", "quantity": 1}, {"type": "General", "quantity": 2}]
        booking = holder.order(event, items=items).json["data"]["booking"]
        listed = tickets(holder, booking)
        assert sorted(ticket["type"] for ticket in listed) == ["General", "General", "VIP"]
        for ticket in listed:
            assert ticket.keys() == {
                "ticketId",
                "type",
                "code",
                "checkedInAt",
                "attendee",
                "incomplete",
            }
            assert ticket["checkedInAt"] is None
        assert len({ticket["ticketId"] for ticket in listed}) == 3
        assert len({ticket["code"] for ticket in listed}) == 3
        assert tickets(holder, booking) == listed  # codes are deterministic

    def test_a_booking_that_is_not_confirmed_has_no_tickets(self, app, db, holder):
        booking = holder.book(event_of(db, 5), 2, hold=True)
        assert tickets(holder, booking) == []
        holder.confirm(booking)
        assert len(tickets(holder, booking)) == 2
        holder.cancel(booking)
        assert tickets(holder, booking) == []

    def test_an_expired_hold_has_no_tickets(self, app, db, holder):
        booking = holder.book(event_of(db, 5), 2, hold=True)
        expire_holds(app, minutes=11)
        assert tickets(holder, booking) == []

    def test_only_the_holder_and_admins_see_tickets(self, client, app, db, holder):
        organizer = Caller(client, app, "organizer")
        event = event_of(db, 5, organizer_id=organizer.id)
        booking = holder.book(event, 2)
        path = f"/bookings/{booking['_id']}/tickets"
        listed = tickets(holder, booking)
        assert tickets(Caller(client, app, "admin"), booking) == listed
        for other in (Caller(client, app), organizer):
            refused(other.get(path), 404, "booking_not_found")
            for kind in ("png", "svg"):
                answer = other.get(f"/tickets/{listed[0]['ticketId']}/qr.{kind}")
                refused(answer, 404, "ticket_not_found")
            refused(other.get(f"/bookings/{booking['_id']}/calendar.ics"), 404, "booking_not_found")
        refused(client.get(f"/api{path}"), 401, "unauthorized")

    def test_answers_with_codes_are_not_cached(self, db, holder):
        booking = holder.book(event_of(db, 5))
        ticket = tickets(holder, booking)[0]["ticketId"]
        for path in (f"/bookings/{booking['_id']}/tickets", f"/tickets/{ticket}/qr.png"):
            assert holder.get(path).headers["Cache-Control"] == "private, no-store"

    def test_the_private_key_is_not_exported(self, client, app, db, holder):
        booking = holder.book(event_of(db, 5))
        tickets(holder, booking)
        seed = db["keys"].find_one({"_id": "tickets"})["seed"]
        exported = holder.get(f"/users/{holder.id}/export").data
        assert base64.urlsafe_b64encode(seed)[:40] not in exported
        assert len(seed) == 32


class TestPictures:
    @pytest.fixture
    def ticket(self, db, holder):
        return tickets(holder, holder.book(event_of(db, 5)))[0]

    def test_the_png_is_a_readable_qr_code(self, holder, ticket):
        answer = holder.get(f"/tickets/{ticket['ticketId']}/qr.png")
        assert (answer.status_code, answer.content_type) == (200, "image/png")
        picture = Image.open(BytesIO(answer.data)).convert("RGB")
        assert read_qr(picture) == ticket["code"]
        small = picture.resize((picture.width // 3, picture.height // 3), Image.Resampling.BILINEAR)
        assert read_qr(small.rotate(7, fillcolor="white", expand=True)) == ticket["code"]

    def test_a_damaged_qr_code_is_readable(self, holder, ticket):
        answer = holder.get(f"/tickets/{ticket['ticketId']}/qr.png")
        picture = Image.open(BytesIO(answer.data)).convert("RGB")
        middle, damage = picture.width // 2, picture.width // 16
        ImageDraw.Draw(picture).rectangle(
            [middle, middle, middle + damage, middle + damage], "white"
        )
        assert read_qr(picture) == ticket["code"]

    def test_the_svg_is_a_readable_qr_code(self, holder, ticket):
        answer = holder.get(f"/tickets/{ticket['ticketId']}/qr.svg")
        assert answer.status_code == 200
        assert answer.content_type.startswith("image/svg+xml")
        assert read_qr(rasterize(answer.data)) == ticket["code"]

    def test_control_another_qr_code_reads_as_another_text(self, ticket):
        out = BytesIO()
        segno.make_qr("EVT1.OTHER").save(out, kind="png", scale=8)
        assert read_qr(Image.open(out).convert("RGB")) == "EVT1.OTHER"

    def test_an_unknown_ticket_has_no_picture(self, db, holder, ticket):
        booking_id = ticket["ticketId"][:24]
        for ticket_id in ("x", f"{booking_id}-1-2", f"{booking_id}-2-1", "0" * 24 + "-1-1", "$ne"):
            refused(holder.get(f"/tickets/{ticket_id}/qr.png"), 404, "ticket_not_found")

    def test_a_cancelled_booking_has_no_pictures(self, db, holder):
        booking = holder.book(event_of(db, 5))
        ticket_id = tickets(holder, booking)[0]["ticketId"]
        holder.cancel(booking)
        refused(holder.get(f"/tickets/{ticket_id}/qr.png"), 404, "ticket_not_found")

    def test_the_published_key_verifies_the_code_in_the_picture(self, client, app, db, holder):
        admin = Caller(client, app, "admin")
        event = event_of(db, 5)
        ticket = tickets(holder, holder.book(event))[0]
        picture = holder.get(f"/tickets/{ticket['ticketId']}/qr.png").data
        payload, _, signature = read_qr(Image.open(BytesIO(picture)).convert("RGB")).rpartition(".")
        check_in_list = admin.get(f"/events/{event}/check-in").json
        key = VerifyKey(base64.urlsafe_b64decode(check_in_list["publicKey"] + "="))
        assert key.verify(payload.encode(), base64.b32decode(signature + "="))
        assert payload.split(".")[2].lower() in [
            row["ticketId"] for row in check_in_list["tickets"]
        ]
