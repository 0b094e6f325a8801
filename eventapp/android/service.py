"""The app's use cases: events for the shared guest, and profiles under a capability.

The app sends no token; all that it keeps of a login is the user's `_id`. So that is a signed name
of the session which the login opened: good for changing that profile until the session ends, as
it does with the account or when the password is changed elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from itsdangerous import BadData, URLSafeTimedSerializer

from eventapp.accounts import service as accounts
from eventapp.accounts import sessions as sessions
from eventapp.android import rules
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import Unauthorized
from eventapp.events import listing as event_lists
from eventapp.events import service as events
from eventapp.events.cache.event_cache import EVENT_CACHE as EVENT_CACHE
from eventapp.events.changes import EventChanges
from eventapp.events.popularity import POPULARITY as POPULARITY
from eventapp.events.popularity import Popularity

GUEST = Actor()
# Sets the capability's key apart from that of any other token made with the same secret.
PURPOSE = "android-profile"


@dataclass(frozen=True)
class Keeper:
    """How accounts are kept: the signing secret, how long a login lasts, bcrypt's rounds."""

    secret: str
    lifetime: timedelta
    rounds: int


def upcoming(db: Db, *, image_base_url: str) -> list[dict[str, Any]]:
    """Up to 500 upcoming events."""
    found = event_lists.upcoming(db, actor=GUEST, image_base_url=image_base_url)
    return [rules.app_event(event) for event in found]


def recommend(db: Db, categories: list[str], *, image_base_url: str) -> list[dict[str, Any]]:
    """Upcoming events of these categories, soonest first; of an empty list, the most popular."""
    found = event_lists.recommend(db, categories, actor=GUEST, image_base_url=image_base_url)
    return [rules.app_event(event) for event in found]


def favorites(db: Db, *, image_base_url: str) -> list[dict[str, Any]]:
    """The shared guest's favorites, newest first."""
    found = event_lists.favorite_events(db, actor=GUEST, image_base_url=image_base_url)
    return [rules.app_event(event) for event in found]


def add_favorite(
    db: Db, event_id: int, *, event_changes: EventChanges, popularity: Popularity, now: datetime
) -> None:
    """Add to the shared guest's favorites. EventNotFound, AlreadyFavorited, TooManyFavorites."""
    events.add_favorite(
        db, event_id, event_changes=event_changes, popularity=popularity, actor=GUEST, now=now
    )


def remove_favorite(db: Db, event_id: int, event_changes: EventChanges) -> None:
    """Remove from the shared guest's favorites. FavoriteNotFound."""
    events.remove_favorite(db, event_id, event_changes=event_changes, actor=GUEST)


def register(
    db: Db, *, name: str, email: str, password: str, keeper: Keeper, now: datetime
) -> dict[str, Any]:
    """A new account, already logged in. ValidationFailed, NameTaken, EmailTaken."""
    user = accounts.register(
        db,
        name=name,
        email=email,
        password=password,
        now=now,
        rounds=keeper.rounds,
        min_password=rules.MIN_PASSWORD,
        unique_name=True,
    )
    session = sessions.open_session(db, user, now=now, lifetime=keeper.lifetime)
    return rules.app_user(user, _capability(session, keeper))


def log_in(
    db: Db, *, name: str, password: str, address: str, keeper: Keeper, now: datetime
) -> dict[str, Any]:
    """The account of this name and password. BadCredentials, TooManyRequests."""
    user, session = sessions.log_in(
        db,
        name=name,
        email=None,
        password=password,
        address=address,
        now=now,
        lifetime=keeper.lifetime,
        rounds=keeper.rounds,
    )
    return rules.app_user(user, _capability(session, keeper))


def change_profile(
    db: Db, capability: str, changes: Document, *, keeper: Keeper, now: datetime
) -> dict[str, Any]:
    """Set any of name, email and about of the account that logged in for this capability.

    Raises:
        Unauthorized: it is none, it is forged or expired, or its session has ended.
        ValidationFailed, NameTaken, EmailTaken: nothing was written.
    """
    session = accounts.live_session(db, _session_id(capability, keeper), now)
    if session is None:
        raise _log_in_again()
    user = accounts.update(db, session["userId"], changes, now=now, unique_name=True)
    return rules.app_user(user, capability)


def _capability(session: Document, keeper: Keeper) -> str:
    return _signer(keeper).dumps(str(session["_id"]))


def _session_id(capability: str, keeper: Keeper) -> ObjectId:
    try:
        signed = _signer(keeper).loads(capability, max_age=int(keeper.lifetime.total_seconds()))
    except BadData:
        raise _log_in_again() from None
    return ObjectId(signed)


def _signer(keeper: Keeper) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(keeper.secret, salt=PURPOSE)


def _log_in_again() -> Unauthorized:
    return Unauthorized("Log in again to change the profile")
