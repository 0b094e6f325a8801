"""Read and write the messages of MongoDB's wire protocol that PyMongo uses without compression."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

# Its fields are the length, the id of the message, the id of the request and the kind.
HEADER = struct.Struct("<iiii")
REPLY_FIELDS = struct.Struct("<iqii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
# A date outside of the range of Python must not stop a message.
CODEC = CodecOptions[dict[str, Any]](datetime_conversion=DatetimeConversion.DATETIME_MS)


@dataclass(frozen=True)
class Message:
    """A request, or a reply to one.

    Attributes:
        body: the command or its result. Its first field is the name of the command.
        sequences: the documents of a write that are not part of `body`, still encoded.
    """

    data: bytes
    kind: int
    id: int
    body: dict[str, Any]
    sequences: bytes

    @property
    def name(self) -> str:
        """The name of the command."""
        return next(iter(self.body))


def receive(source: socket.socket) -> Message | None:
    """Return the next message, or None at the end of the connection."""
    head = _receive_exactly(source, HEADER.size)
    if head is None:
        return None
    length, id_, _, kind = HEADER.unpack(head)
    rest = _receive_exactly(source, length - HEADER.size)
    if rest is None:
        return None
    # Four bytes of flags come first. An old query names a collection and two numbers then; a new
    # message begins its first section, which is the body, with a byte for the kind of section.
    start = rest.index(b"\0", 4) + 9 if kind == OP_QUERY else 5
    end = start + int.from_bytes(rest[start : start + 4], "little")
    body = bson.decode(rest[start:end], CODEC)
    return Message(head + rest, kind, id_, body, rest[end:])


def _receive_exactly(source: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        if not (part := source.recv(size - len(parts))):
            return None
        parts += part
    return bytes(parts)


def encode_request(request: Message, body: Mapping[str, Any]) -> bytes:
    """Return the request with another body. Its kind is OP_MSG."""
    rest = bytes(5) + bson.encode(body, codec_options=CODEC) + request.sequences
    return HEADER.pack(HEADER.size + len(rest), request.id, 0, OP_MSG) + rest


def encode_reply(request: Message, body: Mapping[str, Any]) -> bytes:
    """Return the reply to a request."""
    document = bson.encode(body, codec_options=CODEC)
    is_old = request.kind == OP_QUERY
    rest = (REPLY_FIELDS.pack(8, 0, 0, 1) if is_old else bytes(5)) + document
    kind = OP_REPLY if is_old else OP_MSG
    return HEADER.pack(HEADER.size + len(rest), 0, request.id, kind) + rest
