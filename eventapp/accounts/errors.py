"""The errors of accounts and sessions, each with its HTTP status, code and message."""

from eventapp.core.errors import (
    AppError,
    Conflict,
    Forbidden,
    NotFound,
    Unauthorized,
    ValidationFailed,
)


class EmailTaken(Conflict):
    """Another account has this email."""

    code, message = "email_taken", "This email is already registered"


class NameTaken(Conflict):
    """Another account logs in by this name, and the caller asked for a unique one."""

    code, message = "name_taken", "This name is taken"


class LastAdmin(Conflict):
    """The change would leave the application without an admin."""

    code, message = "last_admin", "The last admin can't be deleted or lose the role"


class OrganizerHasEvents(Conflict):
    """The account is the organizer of drafts, or of published events that are not over."""

    code = "organizer_has_events"
    message = "This account has events that are not over: cancel, delete or transfer them first"


class SessionNotFound(NotFound):
    """The user has no session with this id, or it has ended."""

    code, message = "session_not_found", "Session not found"


class UserNotFound(NotFound):
    """There is no account with this id."""

    code, message = "user_not_found", "User not found"


class ApiTokenNotFound(NotFound):
    """The user has no API token with this id, or it has ended."""

    code, message = "token_not_found", "API token not found"


class TooManyApiTokens(Conflict):
    """The user has as many API tokens as are allowed."""

    code, message = "too_many_tokens", "You have too many API tokens: end one first"


class BadCredentials(Unauthorized):
    """The account does not exist, or the password is wrong: the answer is the same for both."""

    code, message = "bad_credentials", "Wrong name, email or password"


class WrongPassword(ValidationFailed):
    """The current password that was sent to prove who calls is wrong.

    Args:
        field: the field of the body that holds it.
    """

    code, message = "wrong_password", "The current password is wrong"

    def __init__(self, field: str = "currentPassword") -> None:
        super().__init__(errors={field: [self.message]})


class MailUnavailable(AppError):
    """The server cannot send the mail that the call needs, because SMTP_URL is not set."""

    status, code = 503, "mail_unavailable"
    message = "This server sends no mails, so a new email address cannot be verified"


class TokenInvalid(ValidationFailed):
    """The token of a mailed link is unknown, used, void or expired: the answer is the same."""

    code, message = "token_invalid", "This link is not valid any more; ask for a new one"

    def __init__(self) -> None:
        super().__init__(errors={"token": [self.message]})


class KeyInvalid(ValidationFailed):
    """The key of a link to unsubscribe is not one that this server has made."""

    code, message = "key_invalid", "This link is not valid; change the mails in your profile"

    def __init__(self) -> None:
        super().__init__(errors={"key": [self.message]})


class AlreadyVerified(Conflict):
    """The email address of the account is verified already."""

    code, message = "already_verified", "This email address is verified already"


class EmailNotVerified(Forbidden):
    """Only accounts with a verified email address may do this; see REQUIRE_VERIFIED_EMAIL."""

    code, message = "email_not_verified", "Verify your email address first"


class SessionEnded(Unauthorized):
    """The session of a refresh token has expired or was ended."""

    code, message = "token_revoked", "The session has ended"


class TokenReused(Unauthorized):
    """A refresh token was used twice. Its session was ended: somebody else may hold the token."""

    code, message = "token_reused", "This refresh token was used before; log in again"
