"""m.me links: how a person comes into the chat from a site, an e-mail or a QR code."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

#: The simulator's path in place of m.me.
M_ME_PATH = "/m.me/"
#: Longest ``ref`` that Messenger passes on.
REF_LIMIT = 2083


def read_link(url: str, *, messenger_url: str) -> tuple[str, str | None]:
    """Return the page and the ``ref`` of an m.me link, which is ``None`` where it has none.

    It may be on ``m.me``, or on the simulator below ``/m.me/``. Raises ``ValueError`` for any other address.
    """
    parts = urlsplit(url)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path
    if origin == messenger_url and path.startswith(M_ME_PATH):
        path = path.removeprefix(M_ME_PATH.rstrip("/"))
    elif parts.scheme not in ("https", "http") or parts.hostname not in ("m.me", "www.m.me"):
        raise ValueError("this is not an m.me link")
    page = unquote(path.strip("/"))
    ref = parse_qs(parts.query).get("ref", [""])[0]
    if not page or "/" in page or len(ref) > REF_LIMIT:
        raise ValueError("this is not an m.me link")
    return page, ref or None
