"""The schema of the readiness answer."""

from marshmallow import Schema, fields


class Readiness(Schema):
    """Whether the server is ready, and whether its database answers."""

    status = fields.String(required=True)
    database = fields.String(required=True)
