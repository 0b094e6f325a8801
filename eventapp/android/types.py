"""The bodies that the Android app sends and reads."""

from datetime import datetime
from typing import NotRequired, TypeAlias, TypedDict

from bson import ObjectId

from eventapp.accounts.types import UserChanges
from eventapp.events.types import EditCount

# The fields that the profile screen changes: any of name, email and about.
ProfileChanges: TypeAlias = UserChanges


class AppEntry(TypedDict):
    """A date of an event, as the app's Gson model needs it."""

    date: str  # as 2026-12-31
    location: str
    lat: NotRequired[float]
    lng: NotRequired[float]


class AppTicketType(TypedDict):
    """A ticket type, as the app's Gson model needs it."""

    ticketTypeId: int
    type: str
    price: int  # rounded up to whole currency units, because the model has an int
    availableTickets: int


class AppEvent(EditCount):
    """An event, as the app's Gson model needs it: no field is null."""

    _id: ObjectId
    eventId: int
    title: str
    description: str
    category: str
    image: str  # absolute URL; empty if there is none
    schedule: list[AppEntry]
    ticketTypes: list[AppTicketType]
    favorited: bool  # by the shared guest
    organizer: str
    tags: list[str]
    status: str
    createdAt: datetime
    updatedAt: datetime
    soldOut: bool


# A user, as the app's Gson model needs it. The functional syntax, because a class body would
# mangle the name `__v`.
AppUser = TypedDict(
    "AppUser",
    {
        "_id": str,  # the capability to change this profile, not the id of the user
        "name": str,
        "email": str,
        "about": str,
        "userImg": str,  # URL of the photo; empty where there is none
        "createdAt": datetime,
        "updatedAt": datetime,
        "__v": int,
    },
)
