"""Identify the caller who sends the token of a booking's link.

Such a caller is the holder of one booking: see `Actor.may_manage_booking`. The link may have ended
since the token was given, so it is read from the database for each request, as sessions are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import Flask, g

from eventapp.core.access.actions import Action
from eventapp.core.access.actor import Actor
from eventapp.core.access.booking_links import BookingLink, LinkTokens
from eventapp.core.app_key import AppKey
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, get_db
from eventapp.core.errors import NotForLinks, Unauthorized
from eventapp.core.roles import ATTENDEE

# Returns whether a link is the present one of its booking.
LinkChecker = Callable[[Db, BookingLink], bool]


@dataclass(frozen=True)
class LinkAuthentication:
    """The functions by which callers with link tokens are identified."""

    tokens: LinkTokens
    is_current: LinkChecker


LINK_AUTHENTICATION: AppKey[LinkAuthentication] = AppKey("link_authentication")


def init_app(app: Flask, secret: str, is_current: LinkChecker) -> None:
    """Set up the identification.

    Args:
        secret: the setting JWT_SECRET.
        is_current: called for each request with a link token.
    """
    LINK_AUTHENTICATION.set(app, LinkAuthentication(LinkTokens(secret), is_current))


def read_link_token(token: str) -> BookingLink:
    """Return the link for which the token of the request was given, read once for each request.

    Raises:
        Unauthorized: this server has not made the token, or it has expired.
    """
    if "link" not in g:
        g.link = LINK_AUTHENTICATION.get().tokens.read(token, utc_now())
    link: BookingLink = g.link
    return link


def identify_holder(link: BookingLink, action: Action, device_id: str | None) -> Actor:
    """Return the actor of a link: the holder of its booking, limited to this booking.

    The role is ATTENDEE whatever the role of the account, and no team counts.

    Args:
        action: the row of the route in the permission table.

    Raises:
        NotForLinks: the route does not say that link tokens may call it.
        Unauthorized: the link has ended since the token was given.
    """
    if not action.is_for_links:
        raise NotForLinks
    if not LINK_AUTHENTICATION.get().is_current(get_db(), link):
        raise Unauthorized("The link of the booking has ended", code="token_revoked")
    return Actor(link.user_id, ATTENDEE, device_id=device_id, action=action, link=link)


def make_link_token(link: BookingLink, expires_at: datetime) -> str:
    """Return a token for the booking of a link, whose key was right."""
    return LINK_AUTHENTICATION.get().tokens.make(link, expires_at)
