"""Files in: multipart bodies with one file, which may be larger than JSON may."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import request
from marshmallow import EXCLUDE, Schema, fields
from werkzeug.datastructures import FileStorage

from eventapp.core.errors import TooLarge, UnsupportedMediaType

MAX_FILE_BYTES = 5 * 1024 * 1024
AROUND_IT_BYTES = 64 * 1024  # boundaries, headers, and fields that nobody asked for

View = TypeVar("View", bound=Callable[..., Any])


class UploadBody(Schema):
    """One file; what else is in the form is not looked at."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})

    class Meta:
        unknown = EXCLUDE


def multipart_upload(view: View) -> View:
    """A route that takes `bp.arguments(UploadBody, location="files")`: multipart, 5 MB a file.

    Werkzeug spools what is over 500 kB to the disk, so that it is in memory only once it is read.
    """

    @wraps(view)
    def limited(*args: Any, **kwargs: Any) -> Any:
        request.max_content_length = MAX_FILE_BYTES + AROUND_IT_BYTES
        if request.mimetype != "multipart/form-data":
            raise UnsupportedMediaType("Send multipart/form-data with a file named `file`")
        return view(*args, **kwargs)

    return cast(View, limited)


def read_uploaded_file(files: dict[str, FileStorage]) -> bytes:
    """The bytes of the file. TooLarge where it has more than may be."""
    data: bytes = files["file"].read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise TooLarge
    return data
