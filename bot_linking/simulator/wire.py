"""One post to the bot: sign the exact bytes, send them, return what came back."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests

#: Seconds within which Messenger wants its 200.
ANSWER_WITHIN = 5.0
SIGNATURE_HEADER = "X-Hub-Signature-256"
_LONGEST_ANSWER = 20_000


@dataclass(frozen=True)
class Answer:
    """What came back, after how many seconds. ``status`` is ``None`` for no answer; ``error`` says why."""

    status: int | None
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Delivery:
    """One body and what became of it.

    ``status`` is the HTTP status of the last try, ``None`` when there was no answer (then ``error`` says
    why); ``when`` is in seconds since the epoch, when the last try began, and ``answer`` is the whole of it.
    ``kinds`` and ``people`` name the events inside.
    """

    number: int
    body: bytes
    kinds: tuple[str, ...]
    people: tuple[str, ...]
    signature: str
    status: int | None = None
    when: float = 0.0
    tries: int = 0
    error: str = ""
    given_up: bool = False
    url: str = ""
    answer: Answer = Answer(None)

    @property
    def accepted(self) -> bool:
        """Whether the bot answered 200, the only status that Messenger accepts."""
        return self.status == 200

    @property
    def headers(self) -> dict[str, str]:
        """The headers under which the body is posted."""
        return headers_for(self.signature)


def sign(body: bytes, app_secret: str) -> str:
    """Return the ``X-Hub-Signature-256`` value: lower-case hex HMAC-SHA256 over exactly these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def headers_for(signature: str) -> dict[str, str]:
    """Return the headers of a webhook."""
    return {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: signature,
        "User-Agent": "facebookexternalua",
    }


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Post ``body`` once.

    No redirect is followed and no proxy is used: the bot is on this machine.
    """
    begun = time.perf_counter()
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                url, data=body, headers=headers, timeout=ANSWER_WITHIN, allow_redirects=False
            )
        except requests.Timeout:
            error = f"no answer within {ANSWER_WITHIN:.0f} s"
        except requests.ConnectionError:
            error = "nobody listens there"
        except requests.RequestException as problem:
            error = type(problem).__name__
        else:
            text, seconds = answer.text[:_LONGEST_ANSWER], time.perf_counter() - begun
            return Answer(answer.status_code, "", dict(answer.headers), text, seconds)
        return Answer(None, error, seconds=time.perf_counter() - begun)


def shake_hands(url: str, verify_token: str, challenge: str) -> bool:
    """Verify the webhook: True when it answers 200 with the ``challenge`` as its whole body."""
    query = {"hub.mode": "subscribe", "hub.verify_token": verify_token, "hub.challenge": challenge}
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, params=query, timeout=ANSWER_WITHIN, allow_redirects=False)
        except requests.RequestException:
            return False
        return answer.status_code == 200 and answer.text.strip() == challenge
