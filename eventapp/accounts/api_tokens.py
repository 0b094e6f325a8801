"""Create, list, find and end API tokens. `device_tokens` makes those of door devices.

Invariant: no token has a role that its owner has lost, and none is created with a password that has
been replaced. A change of an account writes the account first and its tokens second, as it does
with sessions; `create_token` writes the token first and reads the account second. So either the
change reaches the new token, or `create_token` sees the change.
"""

from collections.abc import Callable, Collection
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import sessions, store, store_api_tokens
from eventapp.accounts.api_token_types import (
    ActiveApiToken,
    ApiTokenInput,
    ApiTokenView,
    StoredApiToken,
)
from eventapp.accounts.errors import ApiTokenNotFound, TooManyApiTokens, WrongPassword
from eventapp.accounts.login_attempts import begin_attempt, make_login_key, record_success
from eventapp.core.access.actions import SCOPES
from eventapp.core.access.api_tokens import (
    ApiToken,
    get_shown_prefix,
    hash_secret,
    is_well_formed,
    make_secret,
)
from eventapp.core.access.last_use import LastUseRecorder
from eventapp.core.access.passwords import verify_password
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.json import JsonObject

# The most tokens of one account.
MAX_TOKENS = 50
# Returns whether the door device with this token may still check in at its event.
DeviceCheck = Callable[[Db, ActiveApiToken, datetime], bool]


def create_token(
    db: Db,
    user_id: ObjectId,
    body: ApiTokenInput,
    *,
    client_ip: str,
    now: datetime,
    bcrypt_rounds: int,
) -> tuple[str, ApiTokenView]:
    """Create an API token of a user.

    Args:
        body: its `currentPassword` is that of the user. A wrong one counts as a failed login.
        client_ip: the client's IP address, by which failures are counted.
        bcrypt_rounds: the cost of password hashes.

    Returns:
        The secret, which is not stored, and the token.

    Raises:
        ValidationFailed: the token would have expired already.
        WrongPassword: the password is wrong, or the account was deleted.
        TooManyRequests: too many attempts failed lately. The password was not checked.
        TooManyApiTokens: the user has MAX_TOKENS.
    """
    if "expiresAt" in body and body["expiresAt"] <= now:
        errors = {"expiresAt": ["Must be in the future."]}
        raise ValidationFailed("Invalid expiresAt", errors=errors)
    attempt = begin_attempt(db, make_login_key(user_id), client_ip, now)
    password, user = body["currentPassword"], store.find(db, user_id)
    if user is None or not verify_password(password, user["passwordHash"], bcrypt_rounds):
        raise WrongPassword
    record_success(db, attempt)
    secret = make_secret()
    token = _make_token(user_id, user["role"], secret, body, now)
    store_api_tokens.insert(db, token)
    # The order of this write and this read upholds the invariant of the module.
    found = store.find(db, user_id)
    has_same_hash = found and found["passwordHash"] == user["passwordHash"]
    if found is None or not (
        has_same_hash or verify_password(password, found["passwordHash"], bcrypt_rounds)
    ):
        store_api_tokens.delete(db, user_id, token["_id"])
        raise WrongPassword
    if found["role"] != user["role"]:
        sessions.apply_role(db, found)
    if len(_find_active(db, user_id, now)) > MAX_TOKENS:
        store_api_tokens.delete(db, user_id, token["_id"])
        raise TooManyApiTokens
    return secret, render_token(token)


def _make_token(
    user_id: ObjectId, role: str, secret: str, body: ApiTokenInput, now: datetime
) -> StoredApiToken:
    token: StoredApiToken = {
        "_id": ObjectId(),
        "userId": user_id,
        "role": role,
        "name": body["name"],
        "secretHash": hash_secret(secret),
        "prefix": get_shown_prefix(secret),
        "scopes": [scope for scope in SCOPES if scope in body["scopes"]],
        "createdAt": now,
    }
    if "eventIds" in body:
        token["eventIds"] = sorted(set(body["eventIds"]))
    if "expiresAt" in body:
        token["expiresAt"] = body["expiresAt"]
    return token


def list_tokens(db: Db, user_id: ObjectId, now: datetime) -> list[ApiTokenView]:
    """Return the tokens of a user for programs that have not ended, newest first."""
    return [render_token(token) for token in _find_active(db, user_id, now)]


def _find_active(db: Db, user_id: ObjectId, now: datetime) -> list[StoredApiToken]:
    found = store_api_tokens.find_by_user(db, user_id)
    return [token for token in found if _is_active(token, now)]


def _is_active(token: ActiveApiToken | StoredApiToken, now: datetime) -> bool:
    """Return whether a token has not expired. The database deletes those only after a while."""
    return "expiresAt" not in token or token["expiresAt"] > now


def render_token(token: StoredApiToken) -> ApiTokenView:
    """Return an API token as its owner sees it."""
    return {
        "tokenId": token["_id"],
        "name": token["name"],
        "prefix": token["prefix"],
        "scopes": token["scopes"],
        "eventIds": token.get("eventIds"),
        "createdAt": token["createdAt"],
        "expiresAt": token.get("expiresAt"),
        "lastUsedAt": token.get("lastUsedAt"),
    }


def end_token(db: Db, user_id: ObjectId, token_id: ObjectId) -> None:
    """End an API token of a user, in every process and on open streams.

    Raises:
        ApiTokenNotFound: the user has no such token.
    """
    if not store_api_tokens.delete(db, user_id, token_id):
        raise ApiTokenNotFound


def find_valid(
    db: Db, token_ids: Collection[ObjectId], now: datetime
) -> dict[ObjectId, ActiveApiToken]:
    """Return those of these API tokens that have not ended, by their ids."""
    found = store_api_tokens.find_all(db, token_ids) if token_ids else []
    return {token["_id"]: token for token in found if _is_active(token, now)}


def end_tokens(db: Db, user_id: ObjectId) -> list[str]:
    """End all API tokens of a user, door devices included; return the names of the others."""
    names = [token["name"] for token in store_api_tokens.find_by_user(db, user_id)]
    store_api_tokens.delete_all(db, user_id)
    return names


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the API tokens of a user without their secrets, as `apiTokens`."""
    return {
        "apiTokens": [render_token(each) for each in store_api_tokens.find_by_user(db, user_id)]
    }


class StoredTokenReader:
    """Finds API tokens for requests: see `core.access.api_tokens.ApiTokenReader`.

    A token is always read after the request that needs it has arrived. So a request that arrives
    after a token was ended never finds it.
    """

    def __init__(self, is_device_in_use: DeviceCheck) -> None:
        """Read tokens from the database.

        Args:
            is_device_in_use: whether a door device may still check in at its event. It is asked
                whenever the token of a device is read.
        """
        self._is_device_in_use = is_device_in_use
        self._recorder = LastUseRecorder(store_api_tokens.set_last_use)

    def find(self, db: Db, secret: str, now: datetime) -> ApiToken | None:
        """Return the token with this secret; None if there is none or it has ended."""
        if not is_well_formed(secret):
            return None
        token = store_api_tokens.find_by_hash(db, hash_secret(secret))
        return token if token and self._has_not_ended(db, token, now) else None

    def reload(self, db: Db, token_id: ObjectId, now: datetime) -> ApiToken | None:
        """Return the token with this id; None if there is none or it has ended."""
        token = store_api_tokens.find(db, token_id)
        return token if token and self._has_not_ended(db, token, now) else None

    def _has_not_ended(self, db: Db, token: ActiveApiToken, now: datetime) -> bool:
        if "deviceEventId" in token and not self._is_device_in_use(db, token, now):
            return False
        return _is_active(token, now)

    def record_use(self, db: Db, token: ApiToken, now: datetime) -> None:
        """Record that a token was used, without waiting for the database."""
        self._recorder.record(db, token["_id"], token.get("lastUsedAt"), now)
