"""The use cases of the Android app: events for the shared guest, and profiles.

The app sends no access token. After a login it keeps only the `_id` of the user. Therefore that
`_id` is a capability: the signed id of the session that the login opened. Whoever has it may
change the profile until the session ends, which it also does when the account is deleted or when
its password is changed elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId
from itsdangerous import BadData, URLSafeTimedSerializer

from eventapp.accounts import editing, sessions
from eventapp.accounts import service as accounts
from eventapp.accounts.email_changes import EmailChange
from eventapp.accounts.mail_requests import MAIL_SEALER as MAIL_SEALER
from eventapp.accounts.types import StoredSession, StoredUser
from eventapp.android import rules
from eventapp.android.types import AppUser, ProfileChanges
from eventapp.core import json
from eventapp.core.access.actor import Actor
from eventapp.core.access.sealing import Sealer
from eventapp.core.database import Db
from eventapp.core.errors import Unauthorized
from eventapp.core.json import make_etag
from eventapp.core.lru_cache import DEFAULT_BUDGET, CacheBudget, LRUCache
from eventapp.events import listing as event_lists
from eventapp.events import service as events

# `routes` reads these keys from here, because routes import nothing of another feature.
from eventapp.events.cache.event_cache import EVENT_CACHE as EVENT_CACHE
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.cache.shared_body import (
    CallerPage,
    EventsBody,
    SharedBody,
    make_shared_body,
)
from eventapp.events.changes import EventChanges
from eventapp.events.popularity import POPULARITY as POPULARITY
from eventapp.events.popularity import Popularity

GUEST = Actor()
# A part of the signing key, so that no other token with the same secret is taken for a capability.
CAPABILITY_SALT = "android-profile"
LOG_IN_AGAIN = "Log in again to change the profile"


# The approximate bytes that a cached body takes besides its text.
BODY_OVERHEAD_BYTES = 500


# By the ETags of the answers of the API that they were converted from.
_CONVERTED: LRUCache[str, SharedBody] = LRUCache(
    DEFAULT_BUDGET.get_bytes("android events"),
    lambda shared: shared.size_bytes + BODY_OVERHEAD_BYTES,
)


def set_cache_budget(budget: CacheBudget) -> None:
    """Let the budget bound the bodies of this process."""
    _CONVERTED.resize(budget.get_bytes("android events"))


@dataclass(frozen=True)
class LoginSettings:
    """The settings that a login needs.

    Attributes:
        secret: the secret that capabilities are signed with.
        session_lifetime: how long a login lasts.
        bcrypt_rounds: the cost of password hashes.
        image_base_url: the beginning of the URLs of uploaded photos, such as `https://host`.
        user_agent: the User-Agent of the client.
        language: of the mails to a new account, one of core.languages.LANGUAGES.
        sealer: encrypts the request for the mail that verifies a new account's email.
        can_mail: whether there is a mail server.
        is_production: whether an email cannot be changed without a mail server.
    """

    secret: str
    session_lifetime: timedelta
    bcrypt_rounds: int
    image_base_url: str
    sealer: Sealer
    user_agent: str
    can_mail: bool
    is_production: bool
    language: str


def list_upcoming(event_cache: EventCache, *, now: datetime, image_base_url: str) -> EventsBody:
    """Return up to 500 upcoming events, by eventId."""
    page = event_lists.load_upcoming(event_cache, GUEST, now=now, image_base_url=image_base_url)
    return _convert_page(page)


def recommend(
    event_cache: EventCache, categories: list[str], *, now: datetime, image_base_url: str
) -> EventsBody:
    """Return upcoming events of these categories, soonest first.

    Args:
        categories: the names of categories; without any, the most popular events are returned.
    """
    page = event_lists.load_recommendations(
        event_cache, categories, GUEST, now=now, image_base_url=image_base_url
    )
    return _convert_page(page)


def list_favorites(
    db: Db, event_cache: EventCache, *, now: datetime, image_base_url: str
) -> EventsBody:
    """Return the shared guest's favorites, newest first."""
    rows = event_lists.list_favorites(
        db, event_cache=event_cache, actor=GUEST, now=now, image_base_url=image_base_url
    )
    # All of them are favorites of the only caller, so nothing in them differs between callers.
    return _convert_events(EventsBody(rows, make_etag(rows)), ()).plain


def _convert_page(page: CallerPage) -> EventsBody:
    shared = page.shared_body
    return _convert_events(shared.plain, shared.event_ids).show(page.favorites)


def _convert_events(events: EventsBody, event_ids: Sequence[int]) -> SharedBody:
    """Return a JSON array of events of the API as the app reads it.

    Args:
        event_ids: of those of the events that have `"favorited":false`, in their order.
    """
    found = _CONVERTED.get(events.etag)
    if found is None:
        converted = json.dumps([rules.render_event(event) for event in json.loads(events.body)])
        found = make_shared_body(converted, event_ids)
        _CONVERTED.put(events.etag, found)
    return found


def add_favorite(
    db: Db, event_id: int, *, event_cache: EventCache, popularity: Popularity, now: datetime
) -> None:
    """Add an event to the shared guest's favorites.

    Raises:
        EventNotFound: there is no such event.
        AlreadyFavorited: the event is a favorite already.
        TooManyFavorites: the guest has reached the limit of favorites.
    """
    events.add_favorite(
        db, event_id, event_cache=event_cache, popularity=popularity, actor=GUEST, now=now
    )


def remove_favorite(db: Db, event_id: int, event_changes: EventChanges) -> None:
    """Remove an event from the shared guest's favorites.

    Raises:
        FavoriteNotFound: the event is not a favorite.
    """
    events.remove_favorite(db, event_id, event_changes=event_changes, actor=GUEST)


def register(
    db: Db, *, name: str, email: str, password: str, settings: LoginSettings, now: datetime
) -> AppUser:
    """Add an account and log in to it.

    Raises:
        ValidationFailed: the name, email or password is not valid.
        NameTaken: another account logs in by this name.
        EmailTaken: another account has this email.
    """
    user = accounts.register(
        db,
        name=name,
        email=email,
        password=password,
        now=now,
        bcrypt_rounds=settings.bcrypt_rounds,
        min_password=rules.MIN_PASSWORD,
        unique_name=True,
        language=settings.language,
        sealer=settings.sealer,
    )
    session = sessions.open_session(
        db, user, now=now, lifetime=settings.session_lifetime, user_agent=settings.user_agent
    )
    return _render_user(user, _sign_capability(session, settings), settings)


def log_in(
    db: Db, *, name: str, password: str, client_ip: str, settings: LoginSettings, now: datetime
) -> AppUser:
    """Log in by name and password. An email in place of the name is accepted, too.

    The email is the only way in for an account whose name another account logs in by.

    Args:
        client_ip: the client's IP address, by which failures are counted.

    Raises:
        BadCredentials: there is no such account, or the password is wrong.
        TooManyRequests: too many attempts failed lately.
    """
    user, session = sessions.log_in(
        db,
        name=name,
        email=None,
        password=password,
        client_ip=client_ip,
        now=now,
        lifetime=settings.session_lifetime,
        bcrypt_rounds=settings.bcrypt_rounds,
        name_may_be_email=True,
        user_agent=settings.user_agent,
    )
    return _render_user(user, _sign_capability(session, settings), settings)


def change_profile(
    db: Db, capability: str, changes: ProfileChanges, *, settings: LoginSettings, now: datetime
) -> AppUser:
    """Set any of name, email and about of the account that a capability belongs to.

    The app cannot send the password. So a new email takes effect only when it is verified with the
    password.

    Raises:
        Unauthorized: the capability is malformed, forged or expired, or its session has ended.
        ValidationFailed: the name or email is not valid.
        NameTaken: another account logs in by this name.
        EmailTaken, MailUnavailable, TooManyRequests: see `email_changes.prepare`.
    """
    session = sessions.find_active_session(db, _read_session_id(capability, settings), now)
    if session is None:
        raise Unauthorized(LOG_IN_AGAIN)
    email_change = EmailChange(
        sealer=settings.sealer,
        can_mail=settings.can_mail,
        is_production=settings.is_production,
        bcrypt_rounds=settings.bcrypt_rounds,
        proof=None,
        confirms_by_password=True,
    )
    user = editing.update_user(
        db,
        session["userId"],
        changes,
        now=now,
        unique_name=True,
        email_change=email_change,
    )
    return _render_user(user, capability, settings)


def _render_user(user: StoredUser, capability: str, settings: LoginSettings) -> AppUser:
    photo_url = accounts.make_photo_url(user, settings.image_base_url)
    return rules.render_user(user, capability, photo_url)


def _sign_capability(session: StoredSession, settings: LoginSettings) -> str:
    return _make_signer(settings).dumps(str(session["_id"]))


def _read_session_id(capability: str, settings: LoginSettings) -> ObjectId:
    try:
        max_age = int(settings.session_lifetime.total_seconds())
        session_id = _make_signer(settings).loads(capability, max_age=max_age)
    except BadData:
        raise Unauthorized(LOG_IN_AGAIN) from None
    return ObjectId(session_id)


def _make_signer(settings: LoginSettings) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(settings.secret, salt=CAPABILITY_SALT)
