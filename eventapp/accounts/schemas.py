"""The shapes of accounts and sessions, in and out."""

from typing import Any

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
    PageAnswer,
    PageQuery,
    Password,
    StrictBool,
    Text,
)


def new_password() -> Password:
    return Password(rules.MIN_PASSWORD, rules.MAX_PASSWORD_BYTES)


def one_of_these(*names: str) -> dict[str, Any]:
    """What the document says of a body that needs one of these fields."""
    return {"anyOf": [{"required": [name]} for name in names]}


class NameOrUsername(Schema):
    """A body that may say `username` for `name`."""

    name = Text(1, rules.MAX_NAME)
    username = Text(1, rules.MAX_NAME, metadata={"description": "The same as name"})

    class Meta:
        json_schema = one_of_these("name", "username")

    @post_load
    def one_name(self, data: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
        username = data.pop("username", None)
        return {"name": username, **data} if username is not None else data


class Registration(NameOrUsername):
    email = Email(required=True)
    password = new_password()
    role = fields.String(load_default=rules.ATTENDEE, validate=validate.OneOf(rules.SIGN_UP_ROLES))

    @validates_schema
    def a_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        _require(data, "name", "username")


class NewAdmin(NameOrUsername):
    email = Email(required=True)
    password = new_password()

    @validates_schema
    def a_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        _require(data, "name", "username")


class Login(NameOrUsername):
    """An email, or else a name; where both are sent the email counts."""

    email = Text(1, MAX_EMAIL)
    password = Password()

    class Meta:
        json_schema = one_of_these("email", "name", "username")

    @validates_schema
    def someone(self, data: dict[str, Any], **_kwargs: Any) -> None:
        _require(data, "email", "name", "username")


class RefreshBody(Schema):
    refreshToken = fields.String(validate=validate.Length(1, 4000))


class LogoutBody(Schema):
    everywhere = StrictBool(load_default=False)


class ProfileBody(Schema):
    """What people change of themselves; what is left out stays."""

    name = Text(1, rules.MAX_NAME)
    email = Email()
    about = Text(0, rules.MAX_ABOUT, lines=True)
    userImg = ImageUrl(rules.MAX_URL)


class UserBody(ProfileBody):
    """What an admin changes too."""

    role = fields.String(validate=validate.OneOf(rules.ROLES))


class PasswordBody(Schema):
    currentPassword = Password()
    newPassword = new_password()


class UsersQuery(PageQuery):
    search = Text(0, 100)
    role = fields.String(validate=validate.OneOf(rules.ROLES))
    cursor = fields.String(validate=validate.Length(1, 2000))


UserAnswer = Schema.from_dict(
    {
        "_id": fields.String(required=True),
        "name": fields.String(required=True),
        "email": fields.String(required=True),
        "role": fields.String(required=True, validate=validate.OneOf(rules.ROLES)),
        "about": fields.String(required=True),
        "userImg": fields.String(required=True),
        "createdAt": fields.DateTime(required=True),
        "updatedAt": fields.DateTime(required=True),
        "__v": fields.Integer(required=True),
    },
    name="User",
)


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


class ExportAnswer(Schema):
    """Further features add what they store, under names of their own."""

    user = fields.Nested(UserAnswer, required=True)
    sessions = fields.List(fields.Dict(), required=True)

    class Meta:
        unknown = INCLUDE


def _require(data: dict[str, Any], *names: str) -> None:
    if not any(name in data for name in names):
        raise ValidationError("Missing data for required field.", names[0])
