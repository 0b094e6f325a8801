"""The query of a receipt. Class names appear in the OpenAPI document."""

from marshmallow import Schema, fields, validate


class ReceiptQuery(Schema):
    format = fields.String(
        validate=validate.OneOf(("html", "pdf")),
        metadata={"description": "Takes precedence over the header Accept"},
    )
