"""Schemas of the bodies and answers of teams and of profiles of organizers."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import Email, HttpsUrl, PositiveInt64, StrictBool, Text
from eventapp.core.json import JsonObject
from eventapp.core.roles import TEAM_ROLES

MAX_EVENTS = 100
MAX_TOKEN = 200
MAX_LINKS, MAX_URL, MAX_LABEL = 10, 500, 60
MAX_NAME, MAX_ABOUT = 200, 2000


def make_role_field(*, required: bool = False) -> fields.String:
    """Return a field for the role of a member in the team."""
    return fields.String(required=required, validate=validate.OneOf(TEAM_ROLES))


class InvitationBody(Schema):
    """An invitation. Without `eventIds` it is for all events of the organizer, now and later."""

    EXAMPLE: ClassVar[JsonObject] = {"email": "maria@example.org", "role": "manager"}

    email = Email(required=True)
    role = make_role_field(required=True)
    eventIds = fields.List(PositiveInt64(), validate=validate.Length(1, MAX_EVENTS))


class MemberBody(Schema):
    """A change of a member. What is absent stays, and `null` is for all events."""

    EXAMPLE: ClassVar[JsonObject] = {"role": "viewer", "eventIds": [1, 2]}

    role = make_role_field()
    eventIds = fields.List(
        PositiveInt64(), allow_none=True, validate=validate.Length(1, MAX_EVENTS)
    )


class AcceptInvitationBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"token": "Vf3v1JZ0m2pO3aYwqk9XcRkNf8sL5tUeB7hD4gKjQ6A"}

    token = Text(1, MAX_TOKEN, required=True)


class _MembershipAnswer(Schema):
    """What all answers about memberships have in common."""

    role = make_role_field(required=True)
    eventIds = fields.List(
        fields.Integer(),
        required=True,
        allow_none=True,
        metadata={"description": "null for all events of the organizer"},
    )


class MemberAnswer(_MembershipAnswer):
    userId = fields.String(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    joinedAt = fields.DateTime(required=True)


class InvitationAnswer(_MembershipAnswer):
    invitationId = fields.String(required=True)
    email = fields.String(required=True)
    invitedAt = fields.DateTime(required=True)
    expiresAt = fields.DateTime(required=True)


class MembershipAnswer(_MembershipAnswer):
    organizerId = fields.String(required=True)
    organizer = fields.String(required=True)
    joinedAt = fields.DateTime(required=True)


class TeamAnswer(Schema):
    members = fields.List(fields.Nested(MemberAnswer), required=True)
    invitations = fields.List(fields.Nested(InvitationAnswer), required=True)


class Invited(Schema):
    message = fields.String(required=True)
    invitation = fields.Nested(InvitationAnswer, required=True)


class MemberChanged(Schema):
    message = fields.String(required=True)
    member = fields.Nested(MemberAnswer, required=True)


class InvitationAccepted(Schema):
    message = fields.String(required=True)
    membership = fields.Nested(MembershipAnswer, required=True)


class MembershipsAnswer(Schema):
    memberships = fields.List(fields.Nested(MembershipAnswer), required=True)


class Link(Schema):
    """A link of a profile."""

    url = HttpsUrl(MAX_URL, required=True)
    label = Text(1, MAX_LABEL)


class ProfileBody(Schema):
    """The public profile of an organizer, as a whole."""

    EXAMPLE: ClassVar[JsonObject] = {
        "name": "Blue Note Nights",
        "about": "Jazz in small rooms since 2009.",
        "links": [{"url": "https://bluenote.example.org", "label": "Programme"}],
        "showPhoto": True,
    }

    name = Text(
        1,
        MAX_NAME,
        load_default=None,
        allow_none=True,
        metadata={"description": "null: the name on the newest event is shown"},
    )
    about = Text(0, MAX_ABOUT, multiline=True, load_default="")
    links = fields.List(
        fields.Nested(Link), load_default=list, validate=validate.Length(max=MAX_LINKS)
    )
    showPhoto = StrictBool(
        load_default=False, metadata={"description": "whether the account's photo is shown"}
    )


class LinkAnswer(Schema):
    url = fields.String(required=True)
    label = fields.String()


class ProfileAnswer(Schema):
    """The profile as the organizer wrote it."""

    name = fields.String(required=True, allow_none=True)
    about = fields.String(required=True)
    links = fields.List(fields.Nested(LinkAnswer), required=True)
    showPhoto = fields.Boolean(required=True)


class PublicProfileAnswer(Schema):
    """The profile as everyone sees it."""

    organizerId = fields.String(required=True)
    name = fields.String(required=True)
    about = fields.String(required=True)
    photo = fields.String(required=True)
    links = fields.List(fields.Nested(LinkAnswer), required=True)
    upcomingEvents = fields.Integer(required=True)
