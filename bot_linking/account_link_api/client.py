"""The client: tells a bot that a person is linked to an account, or is linked no longer.

The same call again changes nothing. So a call without an answer is repeated a few times, never sooner than
the bot asked.
"""

from __future__ import annotations

import random
import time
import uuid
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot_linking.account_link_api.codes import error_of
from bot_linking.account_link_api.errors import (
    AccountLinkError,
    CallNotAccepted,
    NoAnswer,
    ServiceUnavailable,
    TooManyRequests,
)
from bot_linking.core.addresses import is_guarded

if TYPE_CHECKING:
    import requests

TRIES = 4
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 10.0
LARGEST_ANSWER = 1 << 16


class Client:
    """Calls one bot's account_link API.

    `url` is the address of the endpoint, `https://bot.example.com/linking/api`; `/api` is added where it is
    missing at the end. It must be https, or plain http on loopback: `ValueError` otherwise. `timeout` is
    (connect, read) in seconds for one try, and `tries` is the number of tries.
    """

    def __init__(
        self, url: str, api_key: str, *, timeout: tuple[float, float] = (3.05, 10.0), tries: int = TRIES
    ) -> None:
        self.url = _endpoint(url)
        self._api_key = api_key
        self._timeout = timeout
        self._tries = max(1, tries)
        if not api_key.isascii() or not api_key.isprintable():
            raise ValueError("the API key holds characters that no key has")

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def link(
        self,
        psid: str,
        *,
        username: str | None = None,
        email: str | None = None,
        phone_number: str | None = None,
        request_id: str | None = None,
        meta: str = "",
    ) -> str:
        """Link a person, or add an identifier to their link. At least one is needed; others stay.

        Returns the request id: yours, or a new one. Raises `AccountLinkError`.
        """
        given = {"username": username, "email": email, "phone_number": phone_number}
        identifiers = {name: value for name, value in given.items() if value is not None}
        return self._call(psid, {"status": "linked", **identifiers}, request_id, meta)

    def unlink(self, psid: str, *, request_id: str | None = None, meta: str = "") -> str:
        """Unlink a person, however they were linked. Nothing happens to a person who is not linked.

        Returns the request id. Raises `AccountLinkError`.
        """
        return self._call(psid, {"status": "unlinked"}, request_id, meta)

    def _call(self, psid: str, account_linking: dict[str, str], request_id: str | None, meta: str) -> str:
        request_id = uuid.uuid4().hex if request_id is None else request_id
        body = {
            "request": {"method": "account_link", "id": request_id, "meta": meta},
            "recipient": {"id": psid},
            "account_linking": account_linking,
            "timestamp": str(int(time.time())),
        }
        for attempt in count(1):
            problem, wait = self._try(body, attempt)
            if problem is None:
                break
            if wait is None or attempt == self._tries:
                raise problem
            time.sleep(wait)
        return request_id

    def _try(self, body: dict[str, Any], attempt: int) -> tuple[AccountLinkError | None, float | None]:
        """The error of one try, and the seconds to wait before the next; no wait where a try would not
        help."""
        import requests
        from urllib3.exceptions import HTTPError

        wait = FIRST_WAIT_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.0)  # noqa: S311  # not a secret
        try:
            with requests.post(
                self.url,
                json=body,
                headers={"APIKEY": self._api_key},
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = _read(response)
        except (requests.ConnectionError, requests.Timeout, HTTPError) as problem:  # HTTPError by the body
            # The error's text may hold the whole request, and the key with it.
            return NoAnswer(f"no answer from {self.url}: {type(problem).__name__}"), wait
        except requests.RequestException as problem:
            return CallNotAccepted(f"{self.url} cannot be called: {type(problem).__name__}"), None
        if response.status_code == 200 and answer.get("result") is True:
            return None, None
        error = _error_of(response.status_code, answer)
        if response.status_code != 429 and response.status_code < 500:
            return error, None
        return error, _wait_asked_for(response, wait)


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_guarded(url):
        raise ValueError("the url must be https, as the key travels with every call")
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("the url is not an address like https://bot.example.com/linking/api")
    url = url.rstrip("/")
    return url if url.lower().endswith("/api") else url + "/api"


def _read(response: requests.Response) -> dict[str, Any]:
    """The answer's JSON object; empty for any other body."""
    import json

    from urllib3.exceptions import DecodeError

    try:
        answer = json.loads(response.raw.read(LARGEST_ANSWER, decode_content=True))
    except (ValueError, RecursionError, DecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _error_of(status: int, answer: dict[str, Any]) -> AccountLinkError:
    code = answer.get("error_code")
    code = code if isinstance(code, int) and code else status
    kind = error_of(code) if answer else None
    if kind is None:
        kind = ServiceUnavailable if status >= 500 else TooManyRequests if status == 429 else CallNotAccepted
    said = str(answer.get("error_message") or f"the answer was {status}")[:300]
    request_id = str(answer.get("request_id") or "")
    return kind(f"{said} ({code})", code=code, status=status, request_id=request_id)


def _wait_asked_for(response: requests.Response, wait: float) -> float | None:
    """The wait, but never less than `Retry-After`; None where that is over `LONGEST_WAIT_S`."""
    asked = response.headers.get("Retry-After", "")
    seconds = float(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 10 else 0.0
    return None if seconds > LONGEST_WAIT_S else max(wait, seconds)
