"""What can be wrong with a call about accounts."""

from eventapp.core.errors import Conflict, NotFound, Unauthorized, ValidationFailed


class EmailTaken(Conflict):
    code, message = "email_taken", "This email is already registered"


class NameTaken(Conflict):
    code, message = "name_taken", "This name is taken"


class LastAdmin(Conflict):
    code, message = "last_admin", "The last admin can't be deleted or lose the role"


class UserNotFound(NotFound):
    code, message = "user_not_found", "User not found"


class BadCredentials(Unauthorized):
    """Says the same for a wrong password and for an account that does not exist."""

    code, message = "bad_credentials", "Wrong name, email or password"


class WrongPassword(ValidationFailed):
    """The current password, asked for again before it is changed, is not that."""

    code, message = "wrong_password", "The current password is wrong"

    def __init__(self) -> None:
        super().__init__(errors={"currentPassword": [self.message]})


class SessionEnded(Unauthorized):
    code, message = "token_revoked", "The session has ended"


class TokenReused(Unauthorized):
    """A refresh token came twice: its session is over for all who hold tokens of it."""

    code, message = "token_reused", "This refresh token was used before; log in again"
