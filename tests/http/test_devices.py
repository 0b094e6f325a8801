"""Door devices are paired by a link, check in at one event, and end at once."""

import base64
import io
from datetime import timedelta

import pytest
from PIL import Image

from eventapp.accounts import store_device_tokens
from eventapp.accounts.service import update_user
from eventapp.core.access import rate_limits
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from eventapp.devices import routes, service
from eventapp.events import service as event_service
from eventapp.jobs import service as jobs
from eventapp.tickets import check_ins
from tests.account_mails import read_token
from tests.bookings_factories import Caller, context_of, event_of, refused
from tests.devices import Device, make_device, pair, read_code
from tests.http.test_api_token_scopes import list_identifying_routes
from tests.live import eventually
from tests.seen_library import replace_seen
from tests.teams import add_member, remove_member

# What a device may call, at its event.
DEVICE_ROUTES = {
    ("GET", "/events/999999/check-in"),
    ("POST", "/events/999999/check-in"),
    ("POST", "/events/999999/check-in/batch"),
}


@pytest.fixture
def event(db, host):
    return event_of(db, 10, organizer_id=host.id)


@pytest.fixture
def device(host, event):
    return Device(host, event)


@pytest.fixture
def limit_requests(app, monkeypatch):
    """Return a function that begins to limit requests, in a window that does not end."""

    def begin():
        limiter = rate_limits.RateLimiter(CONFIG.get(app))
        hooks = [*app.before_request_funcs[None], rate_limits._limit_request]
        monkeypatch.setitem(app.extensions, "rate_limiter", limiter)
        monkeypatch.setitem(app.before_request_funcs, None, hooks)
        replace_seen(monkeypatch, rate_limits, "time", time=lambda: 1_800_000_000.0)

    return begin


def list_devices(caller, event):
    return caller.get(f"/events/{event}/devices").json["devices"]


def codes_of(caller, booking):
    listed = caller.get(f"/bookings/{booking['_id']}/tickets").json["tickets"]
    return [ticket["code"] for ticket in listed]


class TestPairing:
    def test_a_device_is_made_with_a_link_and_its_picture(self, client, db, host, event):
        answer = host.call("POST", f"/events/{event}/devices", {"name": " Main entrance "})
        made = answer.json
        assert made.keys() == {"message", "deviceId", "link", "qr", "expiresAt"}
        assert made["link"].startswith("http://localhost/door#evp_")
        assert answer.headers["Location"] == f"/api/events/{event}/devices/{made['deviceId']}"
        kind, _, picture = made["qr"].partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(picture))).format == "PNG"
        (listed,) = list_devices(host, event)
        assert (listed["name"], listed["pairedAt"], listed["prefix"]) == (
            *("Main entrance", None, None),
        )
        assert read_code(made) not in str(list(db.apiTokens.find()))

    def test_the_link_begins_with_the_public_address(self, app, host, event, monkeypatch):
        settings = CONFIG.get(app)
        changed = {**vars(settings), "public_base_url": "https://tickets.example.org/"}
        CONFIG.set(app, type(settings)(**changed))
        try:
            assert make_device(host, event)["link"].startswith(
                "https://tickets.example.org/door#evp_"
            )
        finally:
            CONFIG.set(app, settings)

    def test_a_code_is_exchanged_once(self, client, db, host, event):
        made = make_device(host, event)
        answer = pair(client, read_code(made))
        assert answer.status_code == 200
        paired = answer.json
        assert paired.keys() == {
            *("message", "secret", "deviceId", "name", "eventId", "eventTitle", "expiresAt"),
        }
        assert (paired["deviceId"], paired["eventId"]) == (made["deviceId"], event)
        again = refused(pair(client, read_code(made)), 400, "code_invalid")
        assert list(again["errors"]) == ["code"]
        (listed,) = list_devices(host, event)
        assert listed["prefix"] == paired["secret"][:10]
        assert listed["pairedAt"]
        assert listed["expiresAt"] == paired["expiresAt"]
        stored = str(list(db.apiTokens.find()))
        assert paired["secret"] not in stored
        assert "codeHash" not in stored

    @pytest.mark.parametrize("code", ["x", "evp_" + "x" * 40, "evt_" + "x" * 40, "\ud800", "é"])
    def test_a_code_that_is_not_known_is_refused(self, client, event, code):
        answer = client.post(
            "/api/devices/pair",
            data=b'{"code": "\\ud800"}' if code == "\ud800" else None,
            json=None if code == "\ud800" else {"code": code},
            content_type="application/json",
        )
        assert answer.status_code == 400

    def test_a_code_expires_after_15_minutes(self, client, host, event, monkeypatch):
        made = [make_device(host, event) for _ in range(2)]
        now = utc_now()
        for minutes, status, link in ((14.9, 200, made[0]), (15.1, 400, made[1])):
            moment = now + timedelta(minutes=minutes)
            monkeypatch.setattr(routes, "utc_now", lambda moment=moment: moment)
            assert pair(client, read_code(link)).status_code == status

    def test_another_link_voids_the_one_before_and_takes_the_place_of_the_secret(
        self, client, host, event, device
    ):
        first, second = [
            host.call("POST", f"/events/{event}/devices/{device.device_id}/link").json
            for _ in range(2)
        ]
        assert first["deviceId"] == second["deviceId"] == device.device_id
        refused(pair(client, read_code(first)), 400, "code_invalid")
        assert device.get(f"/events/{event}/check-in").status_code == 200
        assert pair(client, read_code(second)).status_code == 200
        refused(device.get(f"/events/{event}/check-in"), 401, "token_revoked")
        assert len(list_devices(host, event)) == 1

    def test_a_link_for_no_device_of_the_event_is_refused(self, db, host, event, device):
        other = event_of(db, 1, organizer_id=host.id)
        path = f"/events/{other}/devices/{device.device_id}"
        refused(host.call("POST", f"{path}/link"), 404, "device_not_found")
        refused(host.call("DELETE", path), 404, "device_not_found")

    @pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 101}, {"name": 1}, {"n": 1}])
    def test_a_body_with_a_fault_is_refused(self, host, event, body):
        refused(host.call("POST", f"/events/{event}/devices", body), 400, "validation_error")

    def test_the_number_of_devices_of_an_event_is_limited(self, db, host, event, monkeypatch):
        monkeypatch.setattr(service, "MAX_DEVICES", 2)
        made = [make_device(host, event) for _ in range(2)]
        answer = host.call("POST", f"/events/{event}/devices", {"name": "Third"})
        refused(answer, 409, "too_many_devices")
        assert host.call("DELETE", f"/events/{event}/devices/{made[0]['deviceId']}").status_code
        make_device(host, event)

    def test_wrong_codes_are_limited_by_address_and_right_ones_are_not(
        self, app, client, host, event, limit_requests
    ):
        codes = [read_code(make_device(host, event)) for _ in range(12)]
        limit_requests()
        assert [pair(client, code).status_code for code in codes[1:]] == [200] * 11
        limit = rate_limits.derive_limits(CONFIG.get(app).rate_limit_max_requests)["guesses"]
        statuses = [pair(client, "evp_" + "x" * 40).status_code for _ in range(limit + 1)]
        assert statuses == [400] * limit + [429]
        assert pair(client, codes[0]).status_code == 429


class TestUse:
    def test_a_device_checks_in_at_its_event(self, db, host, ann, event, device):
        booking = ann.book(event, 2)
        first, second = codes_of(ann, booking)
        assert device.check_in(event, first).status_code == 200
        refused(device.check_in(event, first), 409, "already_checked_in")
        scans = {"scans": [{"code": second, "scannedAt": "2026-01-01T10:00:00Z"}]}
        answer = device.call("POST", f"/events/{event}/check-in/batch", scans)
        assert answer.json["results"][0]["status"] == "checked_in"

        def find_last_use():
            return list_devices(host, event)[0]["lastUsedAt"]

        assert eventually(find_last_use)

    def test_a_refusal_names_the_device_that_checked_the_ticket_in(
        self, db, host, ann, event, device
    ):
        (code,) = codes_of(ann, ann.book(event, 1))
        assert device.check_in(event, code).status_code == 200
        body = {"code": code, "scannedAt": "2026-01-01T10:00:00Z"}
        for caller in (host, Device(host, event, name="Back door")):
            answer = refused(
                caller.call("POST", f"/events/{event}/check-in", {"code": code}),
                409,
                "already_checked_in",
            )
            assert answer["checkedInBy"] == "Main entrance"
            uploaded = caller.call("POST", f"/events/{event}/check-in/batch", {"scans": [body]})
            assert uploaded.json["results"][0]["checkedInBy"] == "Main entrance"
        assert "tokenId" not in str(ann.get(f"/users/{ann.id}/export").json["checkIns"])
        host.call("DELETE", f"/events/{event}/devices/{device.device_id}")
        answer = host.call("POST", f"/events/{event}/check-in", {"code": code})
        assert refused(answer, 409, "already_checked_in")["checkedInBy"] is None

    def test_its_list_holds_names_but_no_email_and_no_answers(self, db, ann, event, device):
        attendee = {"ticketTypeId": 1, "name": "Zoe Zest", "email": "zoe@example.org"}
        ann.book(event, attendees=[attendee])
        email = db.users.find_one({"_id": ann.id})["email"]
        answer = device.get(f"/events/{event}/check-in")
        assert answer.json["tickets"][0]["type"] == "A"
        assert "Zoe Zest" in answer.text
        assert not [each for each in (email, attendee["email"]) if each in answer.text]
        assert not {"email", "answers"} & answer.json["tickets"][0].keys()

    def test_a_device_that_tries_everything_else_is_refused(self, app, db, host, event, device):
        other = event_of(db, 5, organizer_id=host.id)
        tried = set()
        for _action, method, path in list_identifying_routes(app):
            for event_id in (event, other):
                if (method, path) in DEVICE_ROUTES and event_id == event:
                    continue
                target = path.replace("/events/999999", f"/events/{event_id}")
                refused(device.call(method, target, {}), 403, "scope_missing")
                tried.add((method, path))
        assert tried >= DEVICE_ROUTES
        assert len(tried) > 80
        assert len(list_devices(host, event)) == 1

    def test_the_other_routes_ignore_its_token_like_any_token(self, app):
        for rule in app.url_map.iter_rules():
            view = app.view_functions[rule.endpoint]
            assert view.security or view.permission == "anyone", rule

    def test_check_ins_of_a_device_are_counted_apart_from_its_maker(
        self, host, event, limit_requests
    ):
        devices = [Device(host, event) for _ in range(2)]
        limit_requests()
        statuses = [devices[0].check_in(event).status_code for _ in range(61)]
        assert statuses == [404] * 60 + [429]
        assert devices[1].check_in(event).status_code == 404
        answer = host.call("POST", f"/events/{event}/check-in", {"code": "x"})
        assert answer.status_code == 404

    def test_a_device_of_an_admin_checks_in_at_the_event_of_another(self, root, ann, event):
        device, booking = Device(root, event), ann.book(event)
        assert device.check_in(event, codes_of(ann, booking)[0]).status_code == 200


class TestEnds:
    def test_a_device_is_ended(self, host, event, device):
        path = f"/events/{event}/devices/{device.device_id}"
        assert host.call("DELETE", path).json == {"message": "Device ended"}
        refused(device.check_in(event), 401, "token_revoked")
        refused(host.call("DELETE", path), 404, "device_not_found")
        assert list_devices(host, event) == []

    def test_only_who_manages_the_event_lists_and_ends_devices(
        self, client, app, host, root, ann, event, device
    ):
        other = Caller(client, app, "organizer")
        path = f"/events/{event}/devices/{device.device_id}"
        for caller in (other, ann):
            refused(caller.get(f"/events/{event}/devices"), 403, "forbidden")
            refused(caller.call("DELETE", path), 403, "forbidden")
        # They are no API tokens of the account.
        assert host.get("/auth/tokens").json == {"tokens": []}
        answer = host.call("DELETE", f"/auth/tokens/{device.device_id}")
        refused(answer, 404, "token_not_found")
        assert root.call("DELETE", path).status_code == 200

    def test_it_ends_48_hours_after_the_event_and_follows_the_schedule(
        self, db, host, event, device, monkeypatch
    ):
        over_at = db.events.find_one({"eventId": event})["overAt"]
        (listed,) = list_devices(host, event)
        assert listed["expiresAt"] == (
            (over_at + timedelta(hours=48)).isoformat(timespec="milliseconds")[:-6] + "Z"
        )
        now = utc_now()
        for hours, is_over in ((47, False), (49, True)):
            moved = now - timedelta(hours=hours)
            db.events.update_one({"eventId": event}, {"$set": {"overAt": moved}})
            assert (device.check_in(event).status_code == 401) == is_over
            assert (list_devices(host, event) == []) == is_over
        answer = host.call("POST", f"/events/{event}/devices", {"name": "Late"})
        refused(answer, 409, "event_ended")
        db.events.update_one({"eventId": event}, {"$set": {"overAt": over_at}})
        assert device.check_in(event).status_code == 404

    def test_it_ends_with_its_event(self, app, db, host, event, device):
        assert host.call("DELETE", f"/events/{event}").status_code == 200
        refused(device.check_in(event), 401, "token_revoked")
        assert run_job(app) == 1
        assert db.apiTokens.count_documents({}) == 0

    def test_a_code_of_an_ended_device_is_refused(self, client, host, event):
        made = make_device(host, event)
        assert host.call("DELETE", f"/events/{event}").status_code == 200
        refused(pair(client, read_code(made)), 400, "code_invalid")

    def test_it_ends_when_its_maker_loses_the_role(self, app, db, host, root, event, device):
        of_admin = Device(root, event)
        root.call("PUT", f"/users/{host.id}", {"role": "attendee"})
        refused(device.check_in(event), 401, "token_revoked")
        assert of_admin.check_in(event).status_code == 404
        assert run_job(app) == 1
        assert db.apiTokens.count_documents({}) == 1

    def test_a_device_of_a_manager_ends_with_the_membership(self, db, host, ann, bob, event):
        booking = bob.book(event)
        path, body = f"/events/{event}/devices", {"name": "Door"}
        for role in ("viewer", "door"):
            add_member(db, host, ann, role)
            refused(ann.call("POST", path, body), 403, "forbidden")
        add_member(db, host, ann, "manager")
        device = Device(ann, event)
        assert device.check_in(event, codes_of(bob, booking)[0]).status_code == 200
        add_member(db, host, ann, "viewer")
        refused(device.check_in(event), 401, "token_revoked")
        add_member(db, host, ann, "manager")
        assert device.check_in(event).status_code == 404
        remove_member(db, host, ann)
        refused(device.check_in(event), 401, "token_revoked")
        assert list_devices(host, event) == []

    def test_it_ends_when_the_event_gets_another_organizer(self, client, app, db, event, device):
        other = Caller(client, app, "organizer")
        db.events.update_one({"eventId": event}, {"$set": {"organizerId": other.id}})
        refused(device.check_in(event), 401, "token_revoked")
        assert list_devices(other, event) == []

    def test_erasure_of_its_maker_ends_it(self, client, app, db, host, root, device):
        other = Caller(client, app, "organizer")
        answer = root.call("DELETE", f"/users/{host.id}?transferTo={other.id}")
        assert answer.status_code == 200
        assert db.apiTokens.count_documents({}) == 0

    def test_it_ends_with_a_reset_of_the_password_of_its_maker(
        self, client, app, db, host, event, device
    ):
        waiting = make_device(host, event)
        client.post(
            "/api/auth/forgot-password",
            json={"email": db.users.find_one({"_id": host.id})["email"]},
        )
        body = {"token": read_token(app, "password_reset"), "newPassword": "battery staple"}
        assert client.post("/api/auth/reset-password", json=body).status_code == 200
        refused(device.check_in(event), 401, "token_revoked")
        refused(pair(client, read_code(waiting)), 400, "code_invalid")
        assert db.apiTokens.count_documents({}) == 0

    def test_the_list_breaks_off_when_the_device_ends(
        self, client, host, ann, bob, event, device, monkeypatch
    ):
        monkeypatch.setattr(event_service, "RECHECK_SECONDS", 0)
        monkeypatch.setattr(check_ins, "BATCH_SIZE", 1)
        for holder in (ann, bob):
            holder.book(event)
        answer = client.get(f"/api/events/{event}/check-in", headers=device.headers, buffered=False)
        parts = iter(answer.response)
        next(parts)
        host.call("DELETE", f"/events/{event}/devices/{device.device_id}")
        with pytest.raises(event_service.Unauthorized):
            list(parts)
        answer.close()

    def test_the_job_keeps_the_devices_in_use(self, app, db, host, event, device, monkeypatch):
        monkeypatch.setattr(service, "BATCH_SIZE", 1)
        for _event in range(2):
            make_device(host, event_of(db, 5, organizer_id=host.id))
        assert run_job(app) == 0
        assert db.apiTokens.count_documents({}) == 3


def run_job(app):
    return jobs.JOBS["devices"].function(context_of(app), utc_now())


class TestChangesMeanwhile:
    """The maker's account changes after the request began, before the device is stored."""

    def change_before_insert(self, monkeypatch, change):
        insert = store_device_tokens.insert

        def change_and_insert(db, token):
            change()
            insert(db, token)

        monkeypatch.setattr(store_device_tokens, "insert", change_and_insert)

    def test_a_maker_whose_sessions_ended_gets_no_device(self, db, host, event, monkeypatch):
        self.change_before_insert(monkeypatch, lambda: db.sessions.delete_many({"userId": host.id}))
        answer = host.call("POST", f"/events/{event}/devices", {"name": "Door"})
        refused(answer, 401, "token_revoked")
        assert db.apiTokens.count_documents({}) == 0

    def test_a_maker_who_lost_the_role_gets_no_device(self, db, host, event, monkeypatch):
        demote = {"role": "attendee"}
        self.change_before_insert(
            monkeypatch, lambda: update_user(db, host.id, demote, now=utc_now())
        )
        answer = host.call("POST", f"/events/{event}/devices", {"name": "Door"})
        refused(answer, 403, "forbidden")
        assert db.apiTokens.count_documents({}) == 0


def test_devices_are_exported_without_secrets(db, host, event, device):
    exported = host.get(f"/users/{host.id}/export")
    (shown,) = exported.json["devices"]
    assert (shown["deviceId"], shown["eventId"]) == (device.device_id, event)
    assert exported.json["apiTokens"] == []
    stored = db.apiTokens.find_one()
    assert not [each for each in (device.secret, stored["secretHash"]) if each in exported.text]
