"""The two URLs of a login: the one that Messenger opens, and the one to which the browser comes back."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import parse_qs, quote, urlsplit

from .safety import is_web_address

#: The path of Messenger's ``redirect_uri``, on the simulator as on facebook.com.
RETURN_PATH = "/messenger_platform/account_linking/"


class Outcome(StrEnum):
    """How a login ended when the browser came back to Messenger."""

    LINKED = "linked"
    CANCELLED = "cancelled"  # no authorization_code: the person declined, or the login failed
    EXPIRED = "expired"
    USED = "used"
    UNKNOWN = "unknown"
    UNSUBSCRIBED = "unsubscribed"  # the page does not subscribe to messaging_account_linking


def bare_url(button_url: str) -> str:
    """Return what a desktop opens: the button's own URL, with neither token nor ``redirect_uri``.

    Raises ``ValueError`` unless it is https, or http on this machine.
    """
    if not is_web_address(button_url):
        raise ValueError("a Log In button opens https, or http on this machine")
    return button_url


def opened_url(button_url: str, *, token: str, messenger_url: str) -> str:
    """Return what Messenger opens: the button's own query, then the token, then ``redirect_uri``.

    Raises ``ValueError`` unless ``button_url`` is https, or http on this machine.
    """
    bare_url(button_url)
    redirect_uri = f"{messenger_url}{RETURN_PATH}?account_linking_token={token}"
    address, hash_mark, fragment = button_url.partition("#")
    glue = "&" if urlsplit(address).query else "" if address.endswith("?") else "?"
    query = f"account_linking_token={token}&redirect_uri={quote(redirect_uri, safe='')}"
    return f"{address}{glue}{query}{hash_mark}{fragment}"


def read_return(url: str, *, messenger_url: str) -> tuple[str, str]:
    """Return token and code from the URL to which the browser came back, each empty when it is not there.

    Raises ``ValueError`` for a URL that is not Messenger's return address.
    """
    parts = urlsplit(url)
    here = f"{parts.scheme}://{parts.netloc}" == messenger_url
    if not here or parts.path.rstrip("/") != RETURN_PATH.rstrip("/"):
        raise ValueError("this is not the return address of the simulator")
    given = parse_qs(parts.query)
    return given.get("account_linking_token", [""])[0], given.get("authorization_code", [""])[0]
