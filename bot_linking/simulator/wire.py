"""One post to the webhook: sign the exact bytes, send them, note what came back."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

import requests

#: Seconds within which Messenger wants its 200.
ANSWER_WITHIN = 5.0
SIGNATURE_HEADER = "X-Hub-Signature-256"


@dataclass(frozen=True)
class Delivery:
    """One body and what became of it.

    ``status`` is the HTTP status of the last try, ``None`` when there was no answer (then ``error`` says
    why); ``when`` is in seconds since the epoch, when the last try began. ``kinds`` and ``people``
    name the events inside.
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

    @property
    def accepted(self) -> bool:
        """Whether the bot said 200, the only answer that Messenger takes for a yes."""
        return self.status == 200


def sign(body: bytes, app_secret: str) -> str:
    """Return the ``X-Hub-Signature-256`` value: lower-case hex HMAC-SHA256 over exactly these bytes."""
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def post(url: str, body: bytes, signature: str) -> tuple[int | None, str]:
    """Post ``body`` once and return the status and, when there was no answer, the reason.

    No redirect is followed and no proxy is used: the bot is on this machine.
    """
    headers = {
        "Content-Type": "application/json",
        SIGNATURE_HEADER: signature,
        "User-Agent": "facebookexternalua",
    }
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.post(
                url, data=body, headers=headers, timeout=ANSWER_WITHIN, allow_redirects=False
            )
        except requests.Timeout:
            return None, f"no answer within {ANSWER_WITHIN:.0f} s"
        except requests.ConnectionError:
            return None, "nobody listens there"
        except requests.RequestException as problem:
            return None, type(problem).__name__
        return answer.status_code, ""


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
