"""Schemas of the bodies, queries and answers of an event's chat."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import PageQuery, Text
from eventapp.core.json import JsonObject
from eventapp.messages.rules import MAX_TEXT


class MessageBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"text": "Is there parking nearby?"}

    text = Text(1, MAX_TEXT, multiline=True, required=True)


class MessagesQuery(PageQuery):
    cursor = fields.String(validate=validate.Length(1, 2000))
    after = fields.Integer(
        validate=validate.Range(0, 2**53),
        metadata={"description": "Only messages after this `seq`, oldest first"},
    )


class Author(Schema):
    _id = fields.String(required=True)
    name = fields.String(required=True)


class ChatMessage(Schema):
    """A message. `seq` is its number in the chat. Numbers that no message has may be skipped."""

    _id = fields.String(required=True)
    eventId = fields.Integer(required=True)
    seq = fields.Integer(required=True)
    author = fields.Nested(Author, allow_none=True, required=True)
    text = fields.String(required=True)
    createdAt = fields.DateTime(required=True)


class MessageData(Schema):
    message = fields.Nested(ChatMessage, required=True)


class MessageAnswer(Schema):
    message = fields.String(required=True)
    data = fields.Nested(MessageData, required=True)


class MessagesAnswer(Schema):
    """Messages, newest first.

    With `after` they are oldest first, and `page`, `total` and `pages` are absent.
    """

    messages = fields.List(fields.Nested(ChatMessage), required=True)
    limit = fields.Integer(required=True)
    page = fields.Integer()
    total = fields.Integer()
    pages = fields.Integer()
    totalIsCapped = fields.Boolean()
    nextCursor = fields.String(allow_none=True, required=True)
