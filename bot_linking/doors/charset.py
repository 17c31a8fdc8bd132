"""Finds the charset that a body declares, and decodes it. A charset that is not read here is refused."""

from __future__ import annotations

import re
from encodings.aliases import aliases
from typing import ClassVar

from bot_linking.core.errors import BotLinkingError, PayloadUnreadable

UTF_8, ASCII, LATIN_1 = "utf-8", "ascii", "latin-1"
_CODECS = {"utf_8": UTF_8, "ascii": ASCII, "latin_1": LATIN_1}
# In any spelling that a reader might take: with white space, in quotes, repeated, extended by RFC 2231.
_DECLARED = re.compile(r"(?<![\w-])charset(\*[0-9]*\*?)?\s*[=:]\s*([^;]*)", re.IGNORECASE | re.ASCII)


class CharsetRefused(BotLinkingError):
    """The body declares a charset that is not read here."""

    slug: ClassVar[str] = "charset_refused"


def codec_of(content_type: str | None) -> str:
    """The codec for a body with this `Content-Type`: UTF-8 where no charset is declared. Raises
    `CharsetRefused` for any other than UTF-8, US-ASCII and ISO-8859-1, and for more than one."""
    return declared_codec(content_type) or UTF_8


def declared_codec(content_type: str | None) -> str | None:
    """The same; None where no charset is declared."""
    found = {_codec_in(*each.groups()) for each in _DECLARED.finditer(content_type or "")} - {None}
    if len(found) > 1:
        raise CharsetRefused("the body declares more than one charset: send it in UTF-8")
    return found.pop() if found else None


def _codec_in(extended: str | None, value: str) -> str | None:
    value = value.strip(" \t\"'")
    value = value.rpartition("'")[2] if extended else value
    return codec_named(value) if value else None


def codec_named(charset: str) -> str:
    """The codec for this name of a charset. Raises `CharsetRefused`."""
    if not charset:
        return UTF_8
    plain = re.sub(r"[^a-z0-9]+", "_", charset.lower()).strip("_")
    codec = _CODECS.get(aliases.get(plain, plain))
    if codec is None:
        raise CharsetRefused("the charset of the body is not read here: send it in UTF-8")
    return codec


def decoded(data: bytes, codec: str) -> str:
    """The text of these bytes. Raises `PayloadUnreadable`."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        raise PayloadUnreadable("the body is not in the charset that it declares") from None


def in_utf_8(body: bytes, content_type: str | None) -> bytes:
    """The body in UTF-8, from the charset that it declares. Raises `CharsetRefused` and
    `PayloadUnreadable`."""
    if content_type is None or "charset" not in content_type.lower():
        return body
    codec = codec_of(content_type)
    return body if codec == UTF_8 else decoded(body, codec).encode()
