"""Reads a body of JSON, urlencoded or multipart form data, in the charset that it declares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from bot_linking.core.errors import BotLinkingError, PayloadTooLarge, PayloadUnreadable
from bot_linking.core.reading import read_json
from bot_linking.doors.charset import LATIN_1, UTF_8, codec_named, codec_of, declared_codec, decoded

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
MOST_FIELDS = 100
CHARSET_FIELD = "_charset_"
_AS_IT_IS = {"7bit", "8bit", "binary"}

Pairs = list[tuple[str, str]]


class ContentTypeRefused(BotLinkingError):
    """The body is in no form that is read here."""

    slug: ClassVar[str] = "content_type_refused"


@dataclass(frozen=True, slots=True)
class Content:
    """What a body holds: one JSON object, or the fields of a form in their order, without files."""

    json: dict[str, Any] | None
    fields: Pairs


def read_content(content_type: str | None, body: bytes) -> Content:
    """Read a body. One that begins with `{` is JSON under any `Content-Type`; any other is read as its
    `Content-Type` says.

    Raises `ContentTypeRefused` for another type, `CharsetRefused` for a charset that is not read here,
    `PayloadTooLarge` for more than `MOST_FIELDS` fields, and `PayloadUnreadable`.
    """
    kind, options = parse_options_header(content_type)
    kind, declared = kind.lower(), declared_codec(content_type)
    if kind == JSON or body.lstrip(b" \t\r\n").startswith(b"{"):
        return Content(_read_object(body, declared or UTF_8), [])
    if kind == URLENCODED:
        return Content(None, _in_its_charset(partial(_read_urlencoded, body), declared))
    if kind == MULTIPART:
        boundary = options.get("boundary", "")
        return Content(None, _in_its_charset(partial(_read_multipart, body, boundary), declared))
    raise ContentTypeRefused(f"the Content-Type must be {JSON}, {URLENCODED} or {MULTIPART}")


def _read_object(body: bytes, codec: str) -> dict[str, Any]:
    value = read_json(body if codec == UTF_8 else decoded(body, codec).encode())
    if not isinstance(value, dict):
        raise PayloadUnreadable("the body is not a JSON object")
    return value


def _read_urlencoded(body: bytes, codec: str) -> Pairs:
    try:
        return parse_qsl(
            body.decode(codec),
            keep_blank_values=True,
            encoding=codec,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except UnicodeDecodeError:
        raise PayloadUnreadable("the body is not form data in the charset that it declares") from None
    except ValueError:
        raise PayloadTooLarge(f"the body has more than {MOST_FIELDS} fields") from None


def _read_multipart(body: bytes, boundary: str, codec: str) -> Pairs:
    try:
        return list(_parts_of(body, boundary.encode("ascii"), codec))
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"the body has more than {MOST_FIELDS} fields") from None
    except ValueError:
        raise PayloadUnreadable("the body is not multipart form data") from None


def _parts_of(body: bytes, boundary: bytes, codec: str) -> Iterator[tuple[str, str]]:
    """Name and text of each part that is no file."""
    if not boundary:
        raise PayloadUnreadable("the Content-Type names no boundary")
    decoder = MultipartDecoder(boundary, max_parts=MOST_FIELDS)
    decoder.receive_data(body)
    decoder.receive_data(None)
    part: Field | File | None = None
    data = bytearray()
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            part = event
            data.clear()
        elif isinstance(event, Data):
            data += event.data
            if not event.more_data and isinstance(part, Field):
                yield part.name, decoded(bytes(data), _codec_of_part(part, codec))


def _codec_of_part(part: Field, codec: str) -> str:
    if part.headers.get("Content-Transfer-Encoding", "8bit").strip().lower() not in _AS_IT_IS:
        raise PayloadUnreadable("a part of the body is in a transfer encoding that is not read here")
    declared = part.headers.get("Content-Type")
    return codec if declared is None else codec_of(declared)


def _in_its_charset(read: Callable[[str], Pairs], declared: str | None) -> Pairs:
    """The fields of a form. It may also name its charset in a field (HTML, `_charset_`)."""
    found = read(LATIN_1)  # takes any bytes, and reads ASCII names rightly
    named = {codec_named(value) for name, value in found if name == CHARSET_FIELD}
    if declared is not None:
        named.add(declared)
    if len(named) > 1:
        raise PayloadUnreadable("the body names more than one charset")
    return read(named.pop() if named else UTF_8)
