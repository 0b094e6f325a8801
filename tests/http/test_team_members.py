"""Invite people into a team, accept invitations, and change and remove members."""

from threading import Barrier

import pytest
from bson import ObjectId

from eventapp import prepare_database
from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.core.clock import utc_now
from eventapp.jobs import service as jobs
from eventapp.organizers import invitations, rules, service, store
from tests.account_mails import read_mails, read_tokens
from tests.api_tokens import TokenCaller
from tests.bookings_factories import Caller, context_of, event_of, refused
from tests.http.test_recovery import die_at
from tests.race.kit import count_outcomes, run_concurrently
from tests.teams import add_member

KIND = "team_invitation"
TEAM = "/organizers/me/members"
ACCEPT = "/organizers/invitations/accept"
LONG = b"x" * 43


def email_of(db, person):
    return db.users.find_one({"_id": person.id})["email"]


def verify(db, *people):
    db.users.update_many(
        {"_id": {"$in": [each.id for each in people]}}, {"$set": {"emailVerified": True}}
    )


def invite(db, host, person, role="manager", **changes):
    return host.call("POST", TEAM, {"email": email_of(db, person), "role": role, **changes})


def read_links(app):
    """Store the mails of invitations and return the tokens in them, oldest first."""
    jobs.run_job("invitation-mails", context_of(app))
    return read_tokens(app, KIND)


def accept(caller, token):
    return caller.call("POST", ACCEPT, {"token": token})


@pytest.fixture
def ann(client, app, db):
    """An attendee with a verified email."""
    person = Caller(client, app)
    verify(db, person)
    return person


def invite_and_read_link(app, db, host, person):
    assert invite(db, host, person, "viewer").status_code == 202
    return read_links(app)[-1]


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_session_from_before_a_membership_reads_it(app, db, host, ann, monkeypatch, is_recorded):
    """The control stores the membership without recording that its user has joined a team."""
    path = f"/events/{event_of(db, 10, organizer_id=host.id, status='draft')}"
    assert ann.get(path).status_code == 404
    if not is_recorded:
        monkeypatch.setattr(invitations.sessions, "record_joined_team", lambda *_: None)
    token = invite_and_read_link(app, db, host, ann)
    assert accept(ann, token).status_code == 200
    assert ann.get(path).status_code == (200 if is_recorded else 404)


def test_a_death_in_between_leaves_the_invitation_valid(app, db, host, ann, monkeypatch):
    token = invite_and_read_link(app, db, host, ann)
    with monkeypatch.context() as patch:
        patch.setattr(store, "accept", raise_interrupt)
        with pytest.raises(KeyboardInterrupt):
            accept(ann, token)
    assert db.sessions.find_one({"userId": ann.id})["hasJoinedTeam"]
    assert accept(ann, token).status_code == 200


def raise_interrupt(*_args):
    raise KeyboardInterrupt


def test_members_of_older_versions_are_recorded_at_the_start(db, host, ann):
    path = f"/events/{event_of(db, 10, organizer_id=host.id, status='draft')}"
    add_member(db, host, ann, "viewer")
    for collection in (db.users, db.sessions):
        collection.update_many({}, {"$unset": {"hasJoinedTeam": ""}})
    db.counters.update_one({"_id": "schemaVersion"}, {"$set": {"value": 8}}, upsert=True)
    assert ann.get(path).status_code == 404
    prepare_database(db)
    assert ann.get(path).status_code == 200
    assert "hasJoinedTeam" not in db.users.find_one({"_id": host.id})


def test_an_invitation_is_mailed_and_accepted(app, db, host, ann):
    event_of(db, 10, organizer_id=host.id)
    answer = invite(db, host, ann, "viewer", eventIds=[2, 1, 2])
    assert answer.status_code == 202
    shown = answer.json["invitation"]
    assert (shown["email"], shown["role"], shown["eventIds"]) == (
        email_of(db, ann),
        "viewer",
        [1, 2],
    )
    assert host.get(TEAM).json == {"members": [], "invitations": [shown]}
    refused(ann.get("/events/1/bookings"), 403, "forbidden")
    (token,) = read_links(app)
    accepted = accept(ann, token)
    assert accepted.status_code == 200
    membership = accepted.json["membership"]
    assert (membership["organizerId"], membership["role"]) == (str(host.id), "viewer")
    assert ann.get("/organizers/memberships").json == {"memberships": [membership]}
    team = host.get(TEAM).json
    assert team["invitations"] == []
    (member,) = team["members"]
    assert (member["userId"], member["email"]) == (str(ann.id), email_of(db, ann))
    assert ann.get("/events/1/bookings").status_code == 200
    refused(accept(ann, token), 400, "token_invalid")


def test_a_mail_holds_no_names_and_its_token_is_stored_encrypted(app, db, host, ann):
    invite(db, host, ann)
    (token,) = read_links(app)
    assert token not in repr(list(db.memberships.find())) + repr(list(db.mails.find()))
    (stored,) = db.memberships.find()
    assert set(stored["invitation"]) == {"requestId", "email", "emailKey", "digest", "expiresAt"}
    (mail,) = read_mails(app, KIND)
    assert f"/invitation#token={token}" in mail["text"]
    assert db.users.find_one({"_id": host.id})["name"] not in mail["text"] + mail["html"]
    assert mail["to"] == email_of(db, ann)


def test_an_answer_does_not_tell_whether_there_is_an_account(db, host, ann):
    known, unknown = (
        host.call("POST", TEAM, {"email": email, "role": "door"})
        for email in (email_of(db, ann), "nobody@example.org")
    )
    assert known.status_code == unknown.status_code == 202
    names = [set(each.json["invitation"]) for each in (known, unknown)]
    assert names[0] == names[1]


def test_an_invitation_is_for_the_verified_account_of_the_address(client, app, db, host, ann):
    other, unverified = Caller(client, app), Caller(client, app)
    verify(db, other)
    invite(db, host, ann)
    invite(db, host, unverified)
    first, second = read_links(app)
    refused(accept(other, first), 400, "token_invalid")
    refused(accept(unverified, second), 403, "email_not_verified")
    refused(accept(ann, second), 400, "token_invalid")
    verify(db, unverified)
    assert accept(unverified, second).status_code == 200
    assert accept(ann, first).status_code == 200


def test_an_invitation_in_other_spelling_reaches_the_account(app, db, host, ann):
    email = email_of(db, ann).upper()
    assert host.call("POST", TEAM, {"email": email, "role": "door"}).status_code == 202
    (token,) = read_links(app)
    assert accept(ann, token).status_code == 200


def test_a_newer_invitation_voids_the_older_one(app, db, host, ann):
    invite(db, host, ann, "manager", eventIds=[1])
    (older,) = read_links(app)
    invite(db, host, ann, "door")
    _, newer = read_links(app)
    (shown,) = host.get(TEAM).json["invitations"]
    assert (shown["role"], shown["eventIds"]) == ("door", None)
    refused(accept(ann, older), 400, "token_invalid")
    assert accept(ann, newer).json["membership"]["role"] == "door"


def test_an_invitation_expires_and_can_be_withdrawn(app, db, host, ann):
    shown = invite(db, host, ann).json["invitation"]
    (token,) = read_links(app)
    db.memberships.update_one({}, {"$set": {"invitation.expiresAt": utc_now()}})
    refused(accept(ann, token), 400, "token_invalid")
    assert host.get(TEAM).json["invitations"] == []
    invite(db, host, ann)
    path = f"/organizers/me/invitations/{shown['invitationId']}"
    assert host.call("DELETE", path).status_code == 200
    refused(host.call("DELETE", path), 404, "invitation_not_found")
    refused(accept(ann, read_links(app)[-1]), 400, "token_invalid")


def test_nobody_is_twice_in_a_team(app, db, host, ann):
    refused(invite(db, host, host), 409, "already_member")
    invite(db, host, ann)
    (token,) = read_links(app)
    add_member(db, host, ann, "viewer")
    refused(accept(ann, token), 409, "already_member")
    assert host.get(TEAM).json["invitations"] == []
    assert ann.get("/organizers/memberships").json["memberships"][0]["role"] == "viewer"
    refused(invite(db, host, ann), 409, "already_member")
    # The organizer has taken the invited address since.
    host.call("POST", TEAM, {"email": "new@example.org", "role": "door"})
    token = read_links(app)[-1]
    change = {"email": "new@example.org", "emailKey": "new@example.org", "emailVerified": True}
    db.users.update_one({"_id": host.id}, {"$set": change})
    refused(accept(host, token), 409, "already_member")


def test_a_change_of_a_member_applies_at_once(db, host, ann):
    for _event in range(2):
        event_of(db, 10, organizer_id=host.id)
    add_member(db, host, ann, "manager")
    path = f"{TEAM}/{ann.id}"
    changed = host.call("PATCH", path, {"eventIds": [2]})
    assert (changed.json["member"]["role"], changed.json["member"]["eventIds"]) == ("manager", [2])
    refused(ann.get("/events/1/stats"), 403, "forbidden")
    assert ann.get("/events/2/stats").status_code == 200
    host.call("PATCH", path, {"role": "door", "eventIds": None})
    refused(ann.get("/events/2/stats"), 403, "forbidden")
    assert ann.get("/events/1/check-in").status_code == 200
    assert host.call("DELETE", path).status_code == 200
    refused(ann.get("/events/1/check-in"), 403, "forbidden")
    refused(host.call("DELETE", path), 404, "member_not_found")
    refused(host.call("PATCH", path, {"role": "door"}), 404, "member_not_found")


def test_a_member_can_leave(db, host, ann):
    event_of(db, 10, organizer_id=host.id)
    add_member(db, host, ann, "manager")
    assert ann.call("DELETE", f"/organizers/memberships/{host.id}").status_code == 200
    refused(ann.get("/events/1/stats"), 403, "forbidden")
    refused(ann.call("DELETE", f"/organizers/memberships/{host.id}"), 404, "membership_not_found")


def test_members_and_tokens_do_not_manage_the_team(client, app, db, host, ann):
    other = Caller(client, app, "organizer")
    add_member(db, host, ann, "manager")
    refused(ann.get(TEAM), 403, "forbidden")
    refused(invite(db, ann, other), 403, "forbidden")
    # Another organizer has a team of their own.
    refused(other.call("DELETE", f"{TEAM}/{ann.id}"), 404, "member_not_found")
    token = TokenCaller(host, db)
    for answer in (token.get(TEAM), invite(db, token, other), accept(token, "x")):
        refused(answer, 403, "scope_missing")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "nobody", "role": "door"}, "email"),
        ({"email": "a@example.org", "role": "owner"}, "role"),
        ({"email": "a@example.org"}, "role"),
        ({"email": "a@example.org", "role": "door", "eventIds": []}, "eventIds"),
        ({"email": "a@example.org", "role": "door", "eventIds": ["1"]}, "eventIds.0"),
    ],
)
def test_a_wrong_invitation_is_refused(db, host, body, field):
    answer = host.call("POST", TEAM, body)
    refused(answer, 400, "validation_error")
    assert field in answer.json["errors"]
    assert db.memberships.count_documents({}) == 0


def test_invitations_are_limited_by_day(client, app, db, host, monkeypatch):
    monkeypatch.setattr(rules, "MAX_INVITATIONS", 3)
    monkeypatch.setattr(rules, "MAX_TO_ADDRESS", 2)
    other = Caller(client, app, "organizer")
    body = {"email": "nobody@example.org", "role": "door"}
    assert host.call("POST", TEAM, body).status_code == 202
    assert other.call("POST", TEAM, body).status_code == 202
    answer = host.call("POST", TEAM, body)
    refused(answer, 429, "too_many_requests")
    assert 0 < int(answer.headers["Retry-After"]) <= 86400
    assert host.call("POST", TEAM, {**body, "email": "a@example.org"}).status_code == 202
    refused(host.call("POST", TEAM, {**body, "email": "b@example.org"}), 429, "too_many_requests")
    assert other.call("POST", TEAM, {**body, "email": "b@example.org"}).status_code == 202
    assert not [each for each in db.invitationCounts.find() if "example" in each["_id"]]


def test_a_team_and_the_teams_of_a_user_are_limited(client, app, db, host, ann, monkeypatch):
    monkeypatch.setattr(rules, "MAX_TEAM", 1)
    invite(db, host, ann)
    assert invite(db, host, ann).status_code == 202
    other = Caller(client, app)
    refused(invite(db, host, other), 409, "team_full")
    assert len(host.get(TEAM).json["invitations"]) == 1
    monkeypatch.setattr(rules, "MAX_TEAMS", 1)
    add_member(db, Caller(client, app, "organizer"), ann, "door")
    token = read_links(app)[-1]
    refused(accept(ann, token), 409, "too_many_teams")
    monkeypatch.setattr(rules, "MAX_TEAMS", 2)
    assert accept(ann, token).status_code == 200


def test_a_mail_is_made_once_although_the_worker_dies(app, db, host, ann):
    invite(db, host, ann)
    die_at("invitation-mail-queued", lambda: jobs.run_job("invitation-mails", context_of(app)))
    assert db.memberships.count_documents({"invitation.mailDueAt": {"$exists": True}}) == 1
    (token,) = read_links(app)
    assert db.memberships.count_documents({"invitation.mailDueAt": {"$exists": True}}) == 0
    assert accept(ann, token).status_code == 200


def test_an_invitation_of_a_changed_secret_is_dropped(app, db, host, ann):
    invite(db, host, ann)
    db.memberships.update_one({}, {"$set": {"invitation.sealed": LONG}})
    assert jobs.run_job("invitation-mails", context_of(app)) == 1
    assert jobs.run_job("invitation-mails", context_of(app)) == 0
    assert db.mails.count_documents({"kind": KIND}) == 0


def test_an_account_that_is_deleted_meanwhile_becomes_no_member(app, db, host, ann, monkeypatch):
    invite(db, host, ann)
    (token,) = read_links(app)
    original = store.accept

    def accept_late(*args):
        db.users.delete_one({"_id": ann.id})
        service.forget_user(db, ann.id)
        return original(*args)

    monkeypatch.setattr(store, "accept", accept_late)
    refused(accept(ann, token), 400, "token_invalid")
    assert db.memberships.count_documents({}) == 0


def test_the_export_and_the_erasure_contain_the_teams(client, app, db, host, ann, root):
    other = Caller(client, app, "organizer")
    add_member(db, host, ann, "manager", [1])
    invite(db, other, ann, "door")
    host.call("POST", TEAM, {"email": "new@example.org", "role": "viewer"})
    exported = ann.get(f"/users/{ann.id}/export").json
    assert [each["organizerId"] for each in exported["memberships"]] == [str(host.id)]
    assert [each["organizerId"] for each in exported["receivedInvitations"]] == [str(other.id)]
    exported = host.get(f"/users/{host.id}/export").json
    assert [each["userId"] for each in exported["teamMembers"]] == [str(ann.id)]
    assert [each["email"] for each in exported["teamInvitations"]] == ["new@example.org"]
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    (left,) = db.memberships.find()
    assert left["invitation"]["email"] == "new@example.org"
    assert root.call("DELETE", f"/users/{host.id}").status_code == 200
    assert db.memberships.count_documents({}) == 0


def test_whoever_cannot_read_the_mail_does_not_delete_invitations(client, app, db, host):
    unverified = Caller(client, app)
    db.users.update_one({"_id": unverified.id}, {"$set": {"emailVerified": False}})
    invite(db, host, unverified)
    assert unverified.get(f"/users/{unverified.id}/export").json["receivedInvitations"] == []
    unverified.call("DELETE", f"/users/{unverified.id}")
    assert db.memberships.count_documents({}) == 1


def make_racers(app, db, host, ann, count):
    invite(db, host, ann)
    (token,) = read_links(app)
    return [lambda: invitations.accept(db, ann.id, token, utc_now())] * count


def test_of_many_racers_with_one_token_one_accepts(app, db, host, ann):
    results = run_concurrently(*make_racers(app, db, host, ann, 20))
    outcomes = count_outcomes(results)
    assert outcomes.pop("dict") == 1
    assert set(outcomes) <= {"token_invalid", "already_member"}
    assert db.memberships.count_documents({}) == 1


def test_control_an_invitation_that_is_read_before_it_is_accepted_is_accepted_several_times(
    app, db, host, ann, monkeypatch
):
    gate = Barrier(4)

    def accept_in_two_steps(db, digest, email_key, user_id, now):
        found = store.find_valid_invitation(db, digest, email_key, now)
        gate.wait()
        change = {"$set": {"userId": user_id}, "$unset": {"invitation": ""}}
        db.memberships.update_one({"_id": found["_id"]}, change)
        return {**found, "joinedAt": now}

    calls = make_racers(app, db, host, ann, 4)
    monkeypatch.setattr(store, "accept", accept_in_two_steps)
    assert count_outcomes(run_concurrently(*calls)) == {"dict": 4}


def test_racing_invitations_keep_their_limits(app, db, host, monkeypatch):
    monkeypatch.setattr(rules, "MAX_INVITATIONS", 8)
    monkeypatch.setattr(rules, "MAX_TEAM", 5)
    sealer = MAIL_SEALER.get(app)

    def call(number):
        body = {"email": f"guest{number}@example.org", "role": "door"}
        return lambda: invitations.invite(db, sealer, host.id, body, utc_now())

    outcomes = count_outcomes(run_concurrently(*(call(number) for number in range(12))))
    assert outcomes["too_many_requests"] == 4
    assert outcomes.get("dict", 0) <= 5
    assert db.memberships.count_documents({}) == outcomes.get("dict", 0)


def test_racing_invitations_to_one_address_are_one(app, db, host):
    sealer, body = MAIL_SEALER.get(app), {"email": "guest@example.org", "role": "door"}
    call = lambda: invitations.invite(db, sealer, host.id, body, utc_now())  # noqa: E731
    assert count_outcomes(run_concurrently(*[call] * 5)) == {"dict": 5}
    assert db.memberships.count_documents({}) == 1
    assert db.invitationCounts.distinct("count") == [5]


def test_the_page_moves_the_token_to_the_fragment_and_changes_nothing(client, app, db, host, ann):
    invite(db, host, ann)
    (token,) = read_links(app)
    answer = client.get(f"/invitation?token={token}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/invitation#token={token}")
    page = client.get("/invitation")
    assert page.headers["Cache-Control"] == "private, no-store"
    assert "js/account/invitation.js" in page.text
    assert db.memberships.count_documents({"userId": {"$exists": True}}) == 0
    assert db.memberships.count_documents({"organizerId": ObjectId(host.id)}) == 1
