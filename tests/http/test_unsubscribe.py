"""The mails that a user wants: by the profile, and by the links in mails of announcements."""

import re
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from bson import ObjectId

from eventapp.accounts.mail_preferences import UNSUBSCRIBE_KEYS
from eventapp.core.logging import redact_secrets
from eventapp.jobs import service as jobs
from eventapp.notifications.unsubscribing import UnsubscribeKeys
from tests.announcements import list_recipients, send, write
from tests.bookings_factories import Caller, context_of, event_of, refused
from tests.notifications_factories import mail_server, send_mails

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
PROFILE = "/auth/profile"


@pytest.fixture
def event_id(db, host, ann, bob):
    """An event of which Ann and Bob hold a booking."""
    event_id = event_of(db, 20, organizer_id=host.id)
    ann.book(event_id)
    bob.book(event_id)
    return event_id


@pytest.fixture
def make_key(app):
    def make(user_id, organizer_id):
        return UNSUBSCRIBE_KEYS.get(app).make(user_id, {"organizerId": organizer_id})

    return make


def preferences_of(caller):
    return caller.get(PROFILE).json["mailPreferences"]


def unsubscribe(client, key, **request):
    return client.post("/mails/unsubscribe", query_string={"key": key}, **request)


def announce_and_list(app, host, event_id):
    """Announce something; return who got a notification and who a mail."""
    write(host, event_id)
    send(app)
    return list_recipients(app)


def test_a_profile_shows_and_changes_which_mails_are_wanted(ann, host):
    assert preferences_of(ann) == {"announcements": True, "unsubscribedOrganizers": []}
    organizers = {"unsubscribedOrganizers": [str(host.id)]}
    changed = ann.call("PUT", PROFILE, {"name": "Ann", "mailPreferences": organizers}).json
    assert (changed["name"], changed["mailPreferences"]) == (
        "Ann",
        {"announcements": True, **organizers},
    )
    # What is absent stays.
    changed = ann.call("PUT", PROFILE, {"mailPreferences": {"announcements": False}}).json
    assert changed["mailPreferences"] == {"announcements": False, **organizers}
    assert ann.call("PUT", PROFILE, {"about": "x"}).json["mailPreferences"] == {
        "announcements": False,
        **organizers,
    }
    back = {"announcements": True, "unsubscribedOrganizers": []}
    assert ann.call("PUT", PROFILE, {"mailPreferences": back}).json["mailPreferences"] == back


@pytest.mark.parametrize(
    ("preferences", "field"),
    [
        ({"announcements": "no"}, "mailPreferences.announcements"),
        ({"unsubscribedOrganizers": ["x"]}, "mailPreferences.unsubscribedOrganizers.0"),
        ({"unsubscribedOrganizers": ["a" * 24] * 1001}, "mailPreferences.unsubscribedOrganizers"),
        ({"bookings": False}, "mailPreferences.bookings"),
        ([], "mailPreferences"),
    ],
)
def test_preferences_that_are_not_valid_are_refused(ann, preferences, field):
    answer = ann.call("PUT", PROFILE, {"mailPreferences": preferences})
    assert list(refused(answer, 400, "validation_error")["errors"]) == [field]


def test_only_the_user_sees_and_changes_them(ann, root):
    body = {"mailPreferences": {"announcements": False}}
    refused(root.call("PUT", f"/users/{ann.id}", body), 400, "validation_error")
    assert "mailPreferences" not in root.get(f"/users/{ann.id}").json
    assert "mailPreferences" not in root.get("/users").json["users"][0]
    exported = ann.get(f"/users/{ann.id}/export").json
    assert exported["mailPreferences"] == {"announcements": True, "unsubscribedOrganizers": []}


@pytest.mark.parametrize("is_off", [True, False], ids=["all", "of one organizer"])
def test_an_unwanted_announcement_is_not_mailed_but_still_appears(
    app, db, client, host, event_id, ann, bob, is_off
):
    wish = {"announcements": False} if is_off else {"unsubscribedOrganizers": [str(host.id)]}
    ann.call("PUT", PROFILE, {"mailPreferences": wish})
    both = sorted([ann.id, bob.id])
    assert announce_and_list(app, host, event_id) == [both, [bob.id]]
    (shown,) = host.get(f"/events/{event_id}/announcements").json["announcements"]
    assert (shown["notified"], shown["mailed"]) == (2, 1)
    # The announcements of another organizer, and other mails, go on.
    other = Caller(client, app, "organizer")
    other_id = event_of(db, 5, organizer_id=other.id)
    ann.book(other_id)
    _, mailed = announce_and_list(app, other, other_id)
    assert mailed.count(ann.id) == (0 if is_off else 1)


def outbox_of(app, box):
    """Return an outbox that sends to a mail server, with links to unsubscribe."""
    return replace(box.outbox(), unsubscribe_keys=UNSUBSCRIBE_KEYS.get(app))


def receive_mails(app, db):
    """Send the mails of announcements to a real mail server; return them by their recipients."""
    db.mails.delete_many({"kind": {"$ne": "announcement"}})
    with mail_server() as box:
        send_mails(db, outbox_of(app, box))
        return dict(box.received)


def read_links(content):
    """Return the URL of the header, and those in the plain and the HTML text of a mail."""
    mail = message_from_bytes(content, policy=policy.default)
    link = re.compile(r"https://tickets\.example/mails/unsubscribe#key=[\w.-]+")
    texts = [mail.get_body([kind]).get_content() for kind in ("plain", "html")]
    return mail["List-Unsubscribe"], [link.search(text)[0] for text in texts]


def test_a_mail_has_the_headers_and_links_to_unsubscribe(app, db, client, host, event_id, ann):
    announce_and_list(app, host, event_id)
    email = db.users.find_one({"_id": ann.id})["email"]
    content = receive_mails(app, db)[email]
    # Mail programs read the URL as it stands, in one line.
    (line,) = [each for each in content.split(b"\r\n") if each.startswith(b"List-Unsubscribe:")]
    url = re.fullmatch(rb"List-Unsubscribe: <(https://tickets\.example/\S+)>", line)[1].decode()
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in content
    header, links = read_links(content)
    assert header == f"<{url}>"
    assert {each.replace("#", "?") for each in links} == {url}
    path = url.removeprefix("https://tickets.example")
    assert client.post(path, data=ONE_CLICK).status_code == 200
    assert preferences_of(ann)["unsubscribedOrganizers"] == [str(host.id)]


def test_no_key_is_stored_or_exported(app, db, host, event_id, ann, make_key):
    announce_and_list(app, host, event_id)
    receive_mails(app, db)
    exported = ann.get(f"/users/{ann.id}/export").get_data(as_text=True)
    assert "announcement" in exported
    for text in (exported, *(str(mail) for mail in db.mails.find())):
        assert "uns_" not in text
        assert "mails/unsubscribe" not in text


def test_other_mails_have_no_such_header(app, db, event_id):
    context_of(app)
    jobs.run_job("tell", context_of(app))
    with mail_server() as box:
        assert send_mails(db, outbox_of(app, box)) == 2
        assert all(b"nsubscribe" not in content for _, content in box.received)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"data": ONE_CLICK},
        {"data": ONE_CLICK, "content_type": "multipart/form-data"},
    ],
    ids=["no body", "form", "multipart"],
)
def test_a_post_unsubscribes_without_a_login_once_or_twice(
    client, ann, bob, host, make_key, request_
):
    key = make_key(ann.id, host.id)
    for _again in range(2):
        answer = unsubscribe(client, key, **request_)
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    assert preferences_of(ann) == {"announcements": True, "unsubscribedOrganizers": [str(host.id)]}
    assert preferences_of(bob)["unsubscribedOrganizers"] == []


def test_the_key_of_an_event_without_an_organizer_ends_all_announcements(client, ann, make_key):
    assert unsubscribe(client, make_key(ann.id, None)).status_code == 200
    assert preferences_of(ann) == {"announcements": False, "unsubscribedOrganizers": []}


def test_a_get_changes_nothing_and_moves_the_key_to_the_fragment(client, ann, host, make_key):
    key = make_key(ann.id, host.id)
    answer = client.get(f"/mails/unsubscribe?key={key}&utm_source=mail")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"/mails/unsubscribe#key={key}"
    assert answer.headers["Cache-Control"] == "private, no-store"
    page = client.get("/mails/unsubscribe")
    assert page.content_type == "text/html; charset=utf-8"
    assert "js/account/unsubscribe.js" in page.text
    assert preferences_of(ann)["unsubscribedOrganizers"] == []


def test_a_key_that_the_server_has_not_made_is_refused(client, app, ann, host, make_key, db):
    key = make_key(ann.id, host.id)
    foreign = UnsubscribeKeys("another secret of the same length").make(
        ann.id, {"organizerId": host.id}
    )
    for wrong in (foreign, key[:-1], f"{key}x", key.replace(".", ".x", 1), "x", "\u03c8", "uns_"):
        refused(unsubscribe(client, wrong), 400, "key_invalid")
    assert preferences_of(ann)["unsubscribedOrganizers"] == []
    for query in ("", "?key=", f"?key={key}&key={key}", f"?key={'x' * 401}", f"?k={key}"):
        refused(client.post(f"/mails/unsubscribe{query}"), 400, "validation_error")
    refused(unsubscribe(client, key, json={}), 415, "unsupported_media_type")
    refused(unsubscribe(client, key, data={"List-Unsubscribe": "no"}), 400, "validation_error")
    refused(unsubscribe(client, key, data={"other": "x"}), 400, "validation_error")


def test_the_key_of_an_erased_account_stores_nothing(client, ann, host, make_key, db):
    key = make_key(ann.id, host.id)
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    assert unsubscribe(client, key).status_code == 200
    assert db.users.count_documents({"mailPreferences": {"$exists": True}}) == 0


def test_a_key_is_hidden_in_logs(make_key):
    key = make_key(ObjectId(), ObjectId())
    line = redact_secrets(None, "info", {"event": f"POST /mails/unsubscribe?key={key} failed"})
    assert line == {"event": "POST /mails/unsubscribe?key=[hidden] failed"}
