"""The documents of accounts as MongoDB holds them. All times are aware and in UTC."""

from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId


class ProfilePhoto(TypedDict):
    """The uploaded photo that a profile shows. Its bytes are a file of `media`."""

    _id: ObjectId  # of the file in GridFS
    sha: str  # SHA-256 of the encoded photo, 64 hexadecimal digits; part of its URL


class OrganizerLink(TypedDict):
    """A link that the public profile of an organizer shows."""

    url: str  # https
    label: NotRequired[str]  # the text of the link; absent to show the URL


class OrganizerProfile(TypedDict):
    """What an organizer says publicly, apart from the account's own name and about."""

    name: str | None  # None to show the name of the organizer that the events show
    about: str  # may be empty
    links: list[OrganizerLink]
    showPhoto: bool  # whether the photo of the account is shown


class UnfinishedReset(TypedDict):
    """A reset of the password whose sessions and other access may not have ended yet.

    What it ends is recorded as it was right before the reset. Resets of older versions lack the
    last three fields.
    """

    resetId: ObjectId
    startedAt: datetime
    sessions: int  # active sessions
    apiTokens: NotRequired[int]
    devices: NotRequired[int]  # door devices
    hasPendingEmail: NotRequired[bool]


class UnfinishedChange(TypedDict):
    """A change of the password whose other sessions may not have ended yet."""

    changeId: ObjectId
    startedAt: datetime
    keptSessionId: ObjectId | None  # the session that made the change; None where all end


class StoredMailPreferences(TypedDict, total=False):
    """Which mails a user wants. What is absent was never changed."""

    announcements: bool  # absent: True
    unsubscribedOrganizers: list[ObjectId]  # whose announcements are not mailed; each once


class MailPreferences(TypedDict):
    """Which mails a user wants, as the profile shows it."""

    announcements: bool  # False: no announcements are mailed
    unsubscribedOrganizers: list[ObjectId]  # whose announcements are not mailed


class PendingMails(TypedDict):
    """Mails about a change of an address that a job will store in the outbox."""

    mailsId: ObjectId
    requestedAt: datetime
    sealed: bytes  # the tokens by their purpose as JSON, encrypted


class PendingEmail(TypedDict):
    """A new address of an account that takes effect when it is verified."""

    changeId: ObjectId
    email: str  # as typed, without surrounding whitespace
    emailKey: str  # see StoredUser; not unique here
    expiresAt: datetime
    needsPassword: bool  # whether the password is needed to verify it
    mails: NotRequired[PendingMails]  # absent once they are in the outbox


class PreviousEmail(TypedDict):
    """An address that an account had, and that a mailed link can put back."""

    email: str
    emailKey: str
    emailVerified: bool  # what the account has again with this address
    restorableUntil: datetime


class EmailChanges(TypedDict):
    """The changes of the address of an account, of which each write makes a new revision."""

    revision: int
    askedAt: NotRequired[list[datetime]]  # when mails were asked for within the last MAILS_WINDOW
    previous: NotRequired[list[PreviousEmail]]  # the oldest first, also expired ones
    pending: NotRequired[PendingEmail]
    # When the first of these addresses expires; absent without any. A job removes it then.
    cleanUpAt: NotRequired[datetime]


# A document of the `users` collection. The functional syntax, because a class body would mangle
# the name `__v`.
StoredUser = TypedDict(
    "StoredUser",
    {
        "_id": ObjectId,
        "name": str,  # as typed, without surrounding whitespace; 1 to 100 characters
        "nameKey": str,  # the folded name, which searches compare; not unique
        # The folded name, for the one account that may log in by it: unique. Absent where another
        # account claimed the name first.
        "loginName": NotRequired[str],
        "email": str,  # as typed, without surrounding whitespace
        "emailKey": str,  # the folded email: unique; logging in and searches compare it
        # Whether the owner has shown to read the mail of this address. Absent in accounts of older
        # versions, which count as verified for mails alone.
        "emailVerified": NotRequired[bool],
        # The email key, and the keys of `emailChanges.previous`: unique, so that nobody else takes
        # an address that can be put back. Absent in accounts of older versions.
        "claimedEmailKeys": NotRequired[list[str]],
        "emailChanges": NotRequired[EmailChanges],  # absent until a change is asked for
        "passwordHash": str,  # bcrypt
        # How often the email or the password was changed. It is raised by the write that changes
        # them, and ends the links of bookings that were made before. Absent: never.
        "credentialsVersion": NotRequired[int],
        "role": str,  # attendee, organizer or admin
        # True from before the user first joins a team of an organizer on, also after leaving it.
        "hasJoinedTeam": NotRequired[bool],
        "about": str,  # at most 2,000 characters; may be empty
        # URL of the photo: `/images/...` if it was uploaded here, with a host in front in documents
        # of older versions; empty where there is none.
        "userImg": str,
        # Of the mails, one of core.languages.LANGUAGES. Absent in accounts of older versions, whose
        # mails are English.
        "language": NotRequired[str],
        "mailPreferences": NotRequired[StoredMailPreferences],  # absent until they are changed
        "photo": NotRequired[ProfilePhoto],  # absent until a photo is uploaded
        "organizerProfile": NotRequired[OrganizerProfile],  # absent until it is written
        "unfinishedChange": NotRequired[UnfinishedChange],  # absent unless a change is in work
        "unfinishedReset": NotRequired[UnfinishedReset],  # absent unless a reset is in work
        "createdAt": datetime,
        "updatedAt": datetime,
        "__v": int,  # the edit count that the API shows; always 0
    },
)


# An account as the API shows it, to the user and to admins. The fields are those of StoredUser.
RenderedUser = TypedDict(
    "RenderedUser",
    {
        "_id": ObjectId,
        "name": str,
        "email": str,
        "emailVerified": bool,
        "pendingEmail": NotRequired[str],  # absent unless an address waits for its verification
        "role": str,
        "about": str,
        "userImg": str,
        "language": str,
        "createdAt": datetime,
        "updatedAt": datetime,
        "__v": int,
    },
)


class UserContact(TypedDict):
    """Projection of StoredUser: what a notification needs."""

    _id: ObjectId
    name: str
    email: str
    emailVerified: NotRequired[bool]  # this and the next two: see StoredUser
    language: NotRequired[str]
    credentialsVersion: NotRequired[int]


class UserChanges(TypedDict, total=False):
    """Fields of a user that an update sets; those that are absent stay as they are."""

    name: str
    nameKey: str  # set with `name`
    loginName: str  # set with `name` where no other account has claimed it
    email: str
    emailKey: str  # set with `email`
    emailVerified: bool  # set with `email`
    claimedEmailKeys: list[str]  # set with `email`, and when an address expires
    emailChanges: EmailChanges
    role: str
    about: str
    userImg: str
    language: str
    mailPreferences: StoredMailPreferences  # only the fields in it are set
    organizerProfile: OrganizerProfile
    updatedAt: datetime


class StoredSession(TypedDict):
    """A document of the `sessions` collection: one session, which a login opens.

    It is deleted when the session ends, or after it has expired.
    """

    _id: ObjectId  # the `sid` claim of the session's tokens
    userId: ObjectId
    role: str  # a copy of the user's role, so that a request reads one document
    # The refresh id: the `rid` claim of the only refresh token that is valid. Absent in a page
    # session, which has no refresh token.
    refreshId: NotRequired[str]
    # SHA-256, in hexadecimal, of the secret in the cookie of a page session; absent in others.
    pageSecretHash: NotRequired[str]
    # The refresh count: how many times the session was refreshed. It is the `gen` claim of the
    # access tokens that were made since the last refresh.
    gen: int
    createdAt: datetime
    # Postponed by each refresh, or by the use of a page session. A TTL index deletes the document
    # afterwards.
    expiresAt: datetime
    # The refresh id before this one. Absent before the first refresh, and again as soon as a token
    # that was made since the last refresh is used.
    previousId: NotRequired[str]
    # The last use, exact to rules.USE_RESOLUTION, and the short form of the User-Agent that opened
    # the session; empty if it had none. Both are absent in sessions of older versions.
    lastUsedAt: NotRequired[datetime]
    client: NotRequired[str]
    rotatedAt: NotRequired[datetime]  # the time of the last refresh; absent before the first one
    # As in StoredUser: without it, requests of the session read no memberships.
    hasJoinedTeam: NotRequired[bool]


class StoredUserWrite(TypedDict):
    """A document of the `sessions` collection that is no session: when a user has last written.

    It is stored among the sessions so that a request reads both in one query. It has no `userId`,
    by which all other queries find sessions.
    """

    _id: ObjectId  # of the user
    wroteAt: datetime  # by the database's clock: see core.access.recent_writes
    expiresAt: datetime  # long after it is of use; a TTL index deletes the document then


class ActiveSession(TypedDict):
    """Projection of StoredSession: what every request with an access token reads."""

    _id: ObjectId
    userId: ObjectId
    role: str
    gen: int
    previousId: NotRequired[str]  # see StoredSession
    lastUsedAt: NotRequired[datetime]  # see StoredSession
    hasJoinedTeam: NotRequired[bool]  # see StoredSession
    # From the user's StoredUserWrite; absent if there is none, and where it is not read.
    wroteAt: NotRequired[datetime]


class RenderedSession(TypedDict):
    """A session as the API shows it to its user."""

    sessionId: ObjectId
    current: bool  # whether it is the session of the request
    createdAt: datetime
    lastUsedAt: datetime  # exact to 5 minutes
    client: str  # such as `Firefox on Linux`; empty if unknown


class StoredLoginRecord(TypedDict):
    """A document of the `loginMarks` collection: a failure counter or a trusted address.

    A failure counter belongs to an account, an address or a pair of both, and to one time window,
    which is part of its id. A trusted address is one that has logged in to an account lately.
    """

    _id: str  # a digest of what the record is about; it names neither account nor address
    failures: NotRequired[int]  # 0 or more; absent for a trusted address
    lastAt: NotRequired[datetime]  # the last failure; absent before the first, and where trusted
    expiresAt: datetime  # the end of the window, or of the trust; a TTL index deletes the record


class MailToken(TypedDict):
    """A document of `mailTokens`: the last token of an account for one purpose.

    It stays after the token was used, to count the mails. Of the tokens that void a change of the
    email, each has a document.
    """

    # The purpose and the account id, and for a token that voids a change the request, with a space
    # between.
    _id: str
    userId: ObjectId
    purpose: str  # one of rules.TOKEN_LIFETIMES
    requestId: ObjectId  # of the request that has made it
    requestedAt: datetime
    digest: NotRequired[str]  # SHA-256 of the token in hexadecimal; absent once it is used or void
    emailKey: str  # of the address that it was mailed to
    changeId: NotRequired[ObjectId]  # of the change of the email; absent for other purposes
    # When the token was used, while its effect may be unfinished. Only set for a token that voids.
    unfinishedSince: NotRequired[datetime]
    expiresAt: datetime
    sentAt: list[datetime]  # when tokens of the account were mailed within the last MAILS_WINDOW
    keptUntil: datetime  # a TTL index deletes the document then


class TokenRequest(TypedDict):
    """A request for a mail with a token."""

    _id: ObjectId
    purpose: str  # one of rules.TOKEN_LIFETIMES
    requestedAt: datetime
    changeId: NotRequired[ObjectId]  # see MailToken


class MailRequest(TokenRequest):
    """A document of `mailRequests`: a mail with a token that a job will store in the outbox.

    A TTL index deletes the document a day after `requestedAt`.
    """

    userId: NotRequired[ObjectId]  # the account; absent where an email that was typed names it
    sealed: bytes  # the token and that email as JSON, encrypted


class Erasure(TypedDict):
    """A document of the `erasures` collection: an account whose erasure is not finished."""

    _id: ObjectId  # of the account
    startedAt: datetime
