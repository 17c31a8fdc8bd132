"""Reads the form of a request, for the linking pages and Meta's callbacks."""

from __future__ import annotations

from flask import Request
from werkzeug.datastructures import MultiDict

from bot_linking.doors.body import read_body
from bot_linking.doors.charset import ASCII, UTF_8, CharsetRefused, codec_named, codec_of
from bot_linking.doors.content import CHARSET_FIELD, ContentTypeRefused, read_content

_READ = "bot_linking.form"


def form_of(this: Request, most: int) -> MultiDict[str, str]:
    """The fields of the request's form, of at most `most` bytes; empty where the body is no form.

    Raises `CharsetRefused` for a charset that is not read here, `PayloadTooLarge` and `PayloadUnreadable`.
    """
    if _READ not in this.environ:
        this.environ[_READ] = _already_read(this) if "form" in vars(this) else _read(this, most)
    form: MultiDict[str, str] = this.environ[_READ]
    return form


def _read(this: Request, most: int) -> MultiDict[str, str]:
    body = read_body(this, most)
    try:
        return MultiDict(read_content(this.content_type, body).fields)
    except ContentTypeRefused:
        return MultiDict()


def _already_read(this: Request) -> MultiDict[str, str]:
    """The form that a hook of the host has read. Werkzeug reads UTF-8 only, so the form must be that."""
    named = {codec_of(this.content_type), *map(codec_named, this.form.getlist(CHARSET_FIELD))}
    if named - {UTF_8, ASCII}:
        raise CharsetRefused("the charset of the body is not read here: send it in UTF-8")
    return this.form
