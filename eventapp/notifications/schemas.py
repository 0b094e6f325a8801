"""Schemas of notification requests and answers."""

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import PageAnswer, PageQuery
from eventapp.notifications.rules import KINDS


class NotificationsQuery(PageQuery):
    unread = fields.Boolean()
    cursor = fields.String(validate=validate.Length(1, 2000))


class NotificationAnswer(Schema):
    _id = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    title = fields.String(required=True)
    message = fields.String(required=True)
    data = fields.Dict(keys=fields.String(), required=True)
    createdAt = fields.DateTime(required=True)
    readAt = fields.DateTime(required=True, allow_none=True)
    read = fields.Boolean(required=True)


class NotificationsAnswer(PageAnswer):
    notifications = fields.List(fields.Nested(NotificationAnswer), required=True)
    unreadCount = fields.Integer(required=True)


class ReadAnswer(Schema):
    message = fields.String(required=True)
    notification = fields.Nested(NotificationAnswer, required=True)


class AllReadAnswer(Schema):
    message = fields.String(required=True)
    marked = fields.Integer(required=True)
