"""Calls to the provider: to https addresses, bounded in time and size, without redirects."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from bot_linking.core.addresses import is_guarded
from bot_linking.oidc.errors import ProviderAway

if TYPE_CHECKING:
    import requests

TIMEOUT_S = (3.05, 5.0)  # to connect, and for each part of an answer
LONGEST_S = 8.0
LARGEST = 256 * 1024


def ask(method: str, url: str, **given: Any) -> tuple[int, dict[str, Any]]:
    """Make a call. Returns the answer's status and JSON object. Raises `ProviderAway`."""
    import requests
    from urllib3.exceptions import HTTPError

    if not isinstance(url, str) or not is_guarded(url):
        raise ProviderAway("an address of the provider is not https")
    try:
        with requests.request(
            method, url, timeout=TIMEOUT_S, allow_redirects=False, stream=True, **given
        ) as answer:
            return answer.status_code, _object(_body(answer))
    except (OSError, HTTPError) as problem:  # requests' errors, and those while the body is read
        raise ProviderAway(f"no answer ({type(problem).__name__})") from None


def _body(answer: requests.Response) -> bytes:
    ends, body = time.monotonic() + LONGEST_S, bytearray()
    while part := answer.raw.read1(8192, decode_content=True):  # read() waits for all
        body += part
        if len(body) > LARGEST or time.monotonic() > ends:
            raise ProviderAway("an answer is too large or too slow")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise ProviderAway("an answer is not JSON") from None
    if not isinstance(found, dict):
        raise ProviderAway("an answer is no JSON object")
    return found
