"""Schemas of the forms that work without a script."""

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import Email, NewName, NewPassword, Password, Text
from eventapp.core.roles import ATTENDEE, ORGANIZER

MAX_LOGIN, MAX_NAME, MIN_PASSWORD = 254, 100, 8  # characters
MAX_TOKEN, MAX_PATH = 200, 2000  # characters


class TokenForm(Schema):
    """A form with nothing but its token, which `page_session.check_form` reads."""

    csrfToken = fields.String(validate=validate.Length(max=MAX_TOKEN))


class SignInForm(TokenForm):
    login = Text(1, MAX_LOGIN, required=True)
    password = Password()
    next = fields.String(load_default="", validate=validate.Length(max=MAX_PATH))


class SignUpForm(TokenForm):
    name = NewName(1, MAX_NAME, required=True)
    email = Email(required=True)
    password = NewPassword(MIN_PASSWORD)
    role = fields.String(load_default=ATTENDEE, validate=validate.OneOf((ATTENDEE, ORGANIZER)))
    next = fields.String(load_default="", validate=validate.Length(max=MAX_PATH))
