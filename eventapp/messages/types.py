"""The documents of an event's chat as stored, and messages as the API shows them.

Times are aware and in UTC.

A chat is a log of numbered chat entries. An entry is either a message, which is shown, or hidden.
Hidden entries are deleted messages, deletion records, which tell streams that a message was
deleted, and fillers for numbers whose writers failed.
"""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId


class StoredChat(TypedDict):
    """A document of the `chats` collection: the counter of one event's chat."""

    _id: int  # the eventId
    seq: int  # the last number that a writer has taken; 0 before the first


class StoredMessage(TypedDict):
    """A document of the `messages` collection that is shown."""

    _id: ObjectId
    eventId: int
    seq: int  # the number of the entry in its chat, from 1; unique with `eventId`
    shown: Literal[True]
    authorId: NotRequired[ObjectId]  # absent where the author's account was deleted
    authorName: NotRequired[str]  # as it was when the message was written; absent with `authorId`
    text: str  # 1 to 2,000 characters
    createdAt: datetime


class HiddenChatEntry(TypedDict):
    """A document of the `messages` collection that is not shown."""

    _id: ObjectId
    eventId: int
    seq: int  # as in StoredMessage
    shown: Literal[False]
    removes: NotRequired[ObjectId]  # in a deletion record: the message that was deleted
    createdAt: datetime


StoredChatEntry: TypeAlias = StoredMessage | HiddenChatEntry


class MessageTime(TypedDict):
    """Projection of StoredMessage: what the limit on bursts reads."""

    _id: ObjectId
    createdAt: datetime


class Author(TypedDict):
    """The author of a message as the API shows it."""

    _id: ObjectId
    name: str  # as it was when the message was written


class RenderedMessage(TypedDict):
    """A message as the API shows it."""

    _id: ObjectId
    eventId: int
    seq: int  # as in StoredMessage
    author: Author | None  # None where the author's account was deleted
    text: str
    createdAt: datetime


class RenderedDeletion(TypedDict):
    """The deletion of a message as a stream sends it."""

    _id: ObjectId  # of the message
    eventId: int
    deleted: Literal[True]
