"""The shapes of photos as they go out."""

from marshmallow import Schema, fields


class GalleryImage(Schema):
    imageId = fields.String(required=True)
    url = fields.String(required=True)
    width = fields.Integer(required=True)
    height = fields.Integer(required=True)
    createdAt = fields.DateTime(required=True)


class GalleryAnswer(Schema):
    images = fields.List(fields.Nested(GalleryImage), required=True)


class GalleryAdded(Schema):
    message = fields.String(required=True)
    image = fields.Nested(GalleryImage, required=True)
