"""Receive one file in a multipart body, up to a greater size than that of a JSON body."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import request
from marshmallow import Schema, fields
from werkzeug.datastructures import FileStorage

from eventapp.core.errors import TooLarge, UnsupportedMediaType

MAX_FILE_BYTES = 5 * 1024 * 1024
# Room for the boundaries and headers of the multipart body.
MAX_OVERHEAD_BYTES = 64 * 1024
# Only one part is accepted. Another one is parsed, so that the answer can name it. Werkzeug takes
# up to 70 ms for a header of 60 kB, so both the number and the size of headers are limited. It
# parses chunks of 64 kB.
MAX_PARTS, MAX_PARSED_BYTES = 2, 100_000
# Werkzeug compiles boundaries to regular expressions. RFC 2046 allows 70 characters, but there are
# clients that send a few more.
MAX_BOUNDARY = 200

View = TypeVar("View", bound=Callable[..., Any])


class UploadBody(Schema):
    """A form with one file and no other part."""

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary"})


def multipart_upload(view: View) -> View:
    """Let a view with `bp.arguments(UploadBody, location="files")` receive MAX_FILE_BYTES.

    Werkzeug writes files over 500 kB to the disk, so they use memory only when they are read.
    """

    @wraps(view)
    def with_limit(*args: Any, **kwargs: Any) -> Any:
        request.max_content_length = MAX_FILE_BYTES + MAX_OVERHEAD_BYTES
        request.max_form_parts = MAX_PARTS
        request.max_form_memory_size = MAX_PARSED_BYTES
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or len(boundary) > MAX_BOUNDARY:
            raise UnsupportedMediaType("Send multipart/form-data with a file named `file`")
        return view(*args, **kwargs)

    return cast(View, with_limit)


def read_uploaded_file(files: dict[str, FileStorage]) -> bytes:
    """Return the content of the file in a form that UploadBody has loaded.

    Raises:
        TooLarge: the file has more than MAX_FILE_BYTES.
    """
    data: bytes = files["file"].read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise TooLarge
    return data
