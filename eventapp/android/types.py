"""The bodies that the Android app sends and reads."""

from datetime import datetime
from typing import TypeAlias, TypedDict

from eventapp.accounts.types import UserChanges

# The fields that the profile screen changes: any of name, email and about.
ProfileChanges: TypeAlias = UserChanges

# A user, as the app's Gson model needs it. The functional syntax, because a class body would
# mangle the name `__v`.
AppUser = TypedDict(
    "AppUser",
    {
        "_id": str,  # the capability to change this profile, not the id of the account
        "name": str,
        "email": str,
        "about": str,
        "userImg": str,  # URL of the photo; empty where there is none
        "createdAt": datetime,
        "updatedAt": datetime,
        "__v": int,
    },
)
