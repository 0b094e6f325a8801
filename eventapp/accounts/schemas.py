"""Schemas of the bodies, queries and answers of accounts, sessions and photos."""

from typing import Any, ClassVar

from marshmallow import (
    INCLUDE,
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from eventapp.accounts import rules
from eventapp.core.http.fields import (
    MAX_EMAIL,
    Email,
    ImageUrl,
    NewName,
    NewPassword,
    ObjectIdField,
    PageAnswer,
    PageQuery,
    Password,
    StrictBool,
    StrictText,
    Text,
)
from eventapp.core.json import JsonObject
from eventapp.core.languages import LANGUAGES
from eventapp.core.roles import ATTENDEE, ROLES


def _make_any_of_schema(*names: str) -> JsonObject:
    """Return the JSON schema of a body that needs at least one of these fields."""
    return {"anyOf": [{"required": [name]} for name in names]}


class NameOrUsername(Schema):
    """A body with a `name`, which may also be called `username`."""

    name = Text(1, rules.MAX_NAME)
    username = Text(1, rules.MAX_NAME, metadata={"description": "The same as name"})

    class Meta:
        json_schema = _make_any_of_schema("name", "username")

    @post_load
    def rename_username(self, data: JsonObject, **_kwargs: Any) -> JsonObject:
        """Return the data with the name under `name` only."""
        username = data.pop("username", None)
        return {"name": username, **data} if username is not None else data


class NewAccount(NameOrUsername):
    name = NewName(1, rules.MAX_NAME)
    username = NewName(1, rules.MAX_NAME, metadata={"description": "The same as name"})
    email = Email(required=True)
    password = NewPassword(rules.MIN_PASSWORD)

    @validates_schema
    def require_name(self, data: JsonObject, **_kwargs: Any) -> None:
        """Refuse a body without a name."""
        _require_any(data, "name", "username")


class NewAdmin(NewAccount):
    """An account that an admin adds, with the role of an admin."""

    EXAMPLE: ClassVar[JsonObject] = {
        "name": "Grace",
        "email": "grace@example.org",
        "password": "correct horse",
    }


class Registration(NewAccount):
    """An account that people register themselves, with a role of their choice."""

    EXAMPLE: ClassVar[JsonObject] = {
        "name": "Ada",
        "email": "ada@example.org",
        "password": "correct horse",
    }

    role = fields.String(load_default=ATTENDEE, validate=validate.OneOf(rules.SIGN_UP_ROLES))


class Login(NameOrUsername):
    """A password with an email or a name. If both are sent, the email is used."""

    EXAMPLE: ClassVar[JsonObject] = {"email": "ada@example.org", "password": "correct horse"}

    email = Text(1, MAX_EMAIL)
    password = Password()

    class Meta:
        json_schema = _make_any_of_schema("email", "name", "username")

    @validates_schema
    def require_account(self, data: JsonObject, **_kwargs: Any) -> None:
        """Refuse a body with neither email nor name."""
        _require_any(data, "email", "name", "username")


class RefreshBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"refreshToken": "the refreshToken of the last answer"}

    refreshToken = fields.String(validate=validate.Length(1, 4000))


class LogoutBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"everywhere": True}

    everywhere = StrictBool(load_default=False)


class ProfileBody(Schema):
    """The fields that users may change in their own account. Absent fields stay as they are."""

    EXAMPLE: ClassVar[JsonObject] = {"name": "Ada", "about": "Goes to concerts"}

    name = NewName(1, rules.MAX_NAME)
    email = Email()
    about = Text(0, rules.MAX_ABOUT, multiline=True)
    userImg = ImageUrl(rules.MAX_URL)
    language = fields.String(
        validate=validate.OneOf(LANGUAGES),
        metadata={"description": "Of the mails to the user. Messages of the API are English."},
    )
    currentPassword = Password(
        required=False, description="That of the caller; needed only where email is another one"
    )


class MailPreferencesBody(Schema):
    """Which mails the caller wants. Absent fields stay as they are."""

    announcements = StrictBool(metadata={"description": "False: no announcements are mailed."})
    unsubscribedOrganizers = fields.List(
        ObjectIdField(),
        validate=validate.Length(max=rules.MAX_UNSUBSCRIBED),
        metadata={"description": "The organizers whose announcements are not mailed."},
    )


class OwnProfileBody(ProfileBody):
    """The fields that users may change in their own account alone. Absent fields stay as they are.

    Announcements that are not mailed still appear among the notifications.
    """

    mailPreferences = fields.Nested(MailPreferencesBody)


class UserBody(ProfileBody):
    """The fields of an account that can be changed. Only an admin may change `role`."""

    role = fields.String(validate=validate.OneOf(ROLES))


class PasswordBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {
        "currentPassword": "correct horse",
        "newPassword": "battery staple",
    }

    currentPassword = Password()
    newPassword = NewPassword(rules.MIN_PASSWORD)


class ForgotPasswordBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"email": "ada@example.org"}

    email = Email(required=True)


class MailedToken(StrictText):
    """The token of a mailed link. Any text is read; only the one that was mailed is valid."""

    def __init__(self) -> None:
        super().__init__(1, 200, required=True)


class ResetPasswordBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {
        "token": "the token of the mail",
        "newPassword": "battery staple",
    }

    token = MailedToken()
    newPassword = NewPassword(rules.MIN_PASSWORD)


class VerifyEmailBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"token": "the token of the mail"}

    token = MailedToken()
    password = Password(
        required=False,
        description="That of the account; needed only for a change that the Android app asked for",
    )


class EmailVoidBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"token": "the token of the mail"}

    token = MailedToken()


class UsersQuery(PageQuery):
    search = StrictText(0, 100)
    role = fields.String(validate=validate.OneOf(ROLES))
    cursor = fields.String(validate=validate.Length(1, 2000))


class DeleteUserQuery(Schema):
    """Who takes over the events of an organizer who is deleted. Only an admin may name somebody."""

    transferTo = ObjectIdField()


UserAnswer = Schema.from_dict(
    {
        "_id": fields.String(required=True),
        "name": fields.String(required=True),
        "email": fields.String(required=True),
        "emailVerified": fields.Boolean(required=True),
        "pendingEmail": fields.String(
            metadata={"description": "Takes the place of email when it is verified"}
        ),
        "role": fields.String(required=True, validate=validate.OneOf(ROLES)),
        "about": fields.String(required=True),
        "userImg": fields.String(required=True),
        "language": fields.String(required=True, validate=validate.OneOf(LANGUAGES)),
        "createdAt": fields.DateTime(required=True),
        "updatedAt": fields.DateTime(required=True),
        "__v": fields.Integer(required=True),
    },
    name="User",
)


class MailPreferencesAnswer(Schema):
    announcements = fields.Boolean(required=True)
    unsubscribedOrganizers = fields.List(fields.String(), required=True)


ProfileAnswer = UserAnswer.from_dict(
    {"mailPreferences": fields.Nested(MailPreferencesAnswer, required=True)}, name="OwnProfile"
)


class OneClickBody(Schema):
    """The body of RFC 8058, which mail programs send."""

    EXAMPLE: ClassVar[JsonObject] = {"List-Unsubscribe": "One-Click"}

    one_click = fields.String(data_key="List-Unsubscribe", validate=validate.OneOf(["One-Click"]))


class UnsubscribeQuery(Schema):
    key = StrictText(1, 400, required=True)


class TokensAnswer(Schema):
    accessToken = fields.String(required=True)
    refreshToken = fields.String(required=True)
    token = fields.String(required=True, metadata={"description": "The access token again"})


class SignedInAnswer(TokensAnswer):
    message = fields.String(required=True)
    user = fields.Nested(UserAnswer, required=True)


class CreatedAnswer(Schema):
    message = fields.String(required=True)
    user = fields.Nested(UserAnswer, required=True)


class UsersAnswer(PageAnswer):
    users = fields.List(fields.Nested(UserAnswer), required=True)


class SessionsQuery(PageQuery):
    cursor = fields.String(validate=validate.Length(1, 2000))


class SessionAnswer(Schema):
    sessionId = fields.String(required=True)
    current = fields.Boolean(required=True)
    createdAt = fields.DateTime(required=True)
    lastUsedAt = fields.DateTime(required=True, metadata={"description": "Exact to 5 minutes"})
    client = fields.String(required=True, metadata={"description": "Such as Firefox on Linux"})


class SessionsAnswer(PageAnswer):
    sessions = fields.List(fields.Nested(SessionAnswer), required=True)


class GalleryImage(Schema):
    imageId = fields.String(required=True)
    url = fields.String(required=True)
    width = fields.Integer(required=True)
    height = fields.Integer(required=True)
    createdAt = fields.DateTime(required=True)


class GalleryAnswer(Schema):
    images = fields.List(fields.Nested(GalleryImage), required=True)


class GalleryAdded(Schema):
    message = fields.String(required=True)
    image = fields.Nested(GalleryImage, required=True)


class ExportAnswer(Schema):
    """Everything that is stored about a user. Other features add fields of their own."""

    user = fields.Nested(UserAnswer, required=True)
    mailPreferences = fields.Nested(MailPreferencesAnswer, required=True)
    organizerProfile = fields.Dict(required=True, allow_none=True)
    previousEmails = fields.List(fields.Dict(), required=True)
    sessions = fields.List(fields.Dict(), required=True)

    class Meta:
        unknown = INCLUDE


def _require_any(data: JsonObject, *names: str) -> None:
    if not any(name in data for name in names):
        raise ValidationError("Missing data for required field.", names[0])
