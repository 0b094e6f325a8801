"""The shape of readiness."""

from marshmallow import Schema, fields


class Readiness(Schema):
    status = fields.String(required=True)
    database = fields.String(required=True)
