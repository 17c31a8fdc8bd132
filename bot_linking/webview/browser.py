"""Which browser sent this request: its cookies, form and address; and the cookies of the answer.

A browser gets one secret of its own with its first page, and one more for each attempt that the store keeps.
One cookie holds the secrets of all attempts, so that two logins side by side work.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from urllib.parse import urlsplit

from flask import Response, request
from werkzeug.datastructures import MultiDict

from bot_linking.config.settings import Settings
from bot_linking.core.codes import digest_for
from bot_linking.core.events import LinkingRefused
from bot_linking.core.journey import MAX_AGE_MS
from bot_linking.core.ports import Attempt, Tell
from bot_linking.doors.body import address_by
from bot_linking.doors.callers import Callers
from bot_linking.webview.pages import Notice
from bot_linking.webview.stamps import Stamps
from bot_linking.webview.stops import fields
from bot_linking.webview.tickets import BROWSER, SESSION, Ticket, Tickets, ticket_for

MOST_SESSIONS = 8  # attempts at once in one browser; the oldest is dropped
COOKIE_AGE_S = 2 * MAX_AGE_MS // 1000

_SECRET = re.compile(r"[A-Za-z0-9_-]{32}")
_SESSION = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


def new_attempt_id() -> str:
    return secrets.token_urlsafe(16)


def new_session() -> str:
    """A new secret for one attempt. Each step that proves something gets another."""
    return secrets.token_urlsafe(32)


def digest_of_session(session: str) -> str:
    return digest_for("session", session)


class Browser:
    """Reads this request's cookies and form, and sets the answer's cookies. One object serves one app."""

    def __init__(self, settings: Settings, tickets: Tickets, callers: Callers, *, tell: Tell) -> None:
        self._settings = settings
        self._tickets = tickets
        self._callers = callers
        self._tell = tell
        self._origin = _origin_of(settings.public_url)
        prefix = "__Host-" if settings.is_https else ""
        self._cookie = prefix + "bot_linking"
        self._sessions_cookie = prefix + "bot_linking_session"

    # What comes in

    def ticket(self, *, max_age_ms: int = MAX_AGE_MS) -> Ticket:
        """The ticket of the form in this request. Raises `Notice` unless we gave it to this browser within
        `max_age_ms`, with a page for each cause."""
        self.require_same_site()
        signed = fields().getlist("ticket")
        ticket = self._tickets.read(signed[0]) if len(signed) == 1 else None
        if ticket is None:
            raise Notice("expired")
        if not self._tickets.is_fresh(ticket, max_age_ms):
            raise Notice("expired", back=ticket.return_url, ticket=ticket)
        if not self.is_holder(ticket):
            name = "elsewhere" if self._has_cookies() else "cookies"
            raise Notice(name, back=ticket.return_url, ticket=ticket)
        return ticket

    def secret(self) -> str:
        """This browser's own secret, or a new one for a browser that has none."""
        return self.own_secret() or secrets.token_urlsafe(24)

    def holds(self, attempt: Attempt) -> bool:
        """Whether this browser has the present secret of a kept attempt."""
        session = self._sessions().get(attempt.attempt_id)
        return session is not None and _same(digest_of_session(session), attempt.session_digest)

    def attempt_ids(self) -> list[str]:
        """The attempts that this browser has a secret for, newest first."""
        return list(reversed(self._sessions()))

    def field(self, name: str, longest: int) -> str:
        """A field of the form, stripped of white space; a password as it was typed. Raises `Notice` for one
        that is too long."""
        value = fields().get(name, "")
        if len(value) > longest or "\0" in value:
            raise Notice("form")
        return value if name == "password" else value.strip()

    def address(self) -> str:
        return address_by(self._callers)

    def is_holder(self, ticket: Ticket) -> bool:
        """Whether this browser was given the ticket. The caller must still compare an attempt's secret with
        the kept one, which may be newer."""
        if ticket.holder == SESSION:
            return ticket.attempt_id in self._sessions()
        secret = self.own_secret()
        return secret is not None and _same(digest_for(BROWSER, secret), ticket.bound_to)

    def had_page_of(self, ticket: Ticket) -> bool:
        """Whether this browser has the very secret that the ticket is bound to. For an attempt that the store
        does not keep any more."""
        if ticket.holder != SESSION:
            return self.is_holder(ticket)
        session = self.session_of(ticket.attempt_id)
        return session is not None and _same(digest_of_session(session), ticket.bound_to)

    def own_secret(self) -> str | None:
        """This browser's own secret; None before its first page."""
        value = request.cookies.get(self._cookie, "")
        return value if _SECRET.fullmatch(value) else None

    def _sessions(self) -> dict[str, str]:
        """Secrets by attempt id, oldest first. Entries of another shape than ours are ignored."""
        parts = request.cookies.get(self._sessions_cookie, "").split("~")[-MOST_SESSIONS:]
        return dict(match.groups() for part in parts if (match := _SESSION.fullmatch(part)))  # type: ignore[misc]

    def _has_cookies(self) -> bool:
        return not request.cookies.keys().isdisjoint({self._cookie, self._sessions_cookie})

    def require_same_site(self) -> None:
        """Raise `Notice` when the browser says that another site sent the form.

        `Origin` is `null` for our forms, since our pages have no referrer.
        """
        site = request.headers.get("Sec-Fetch-Site", "same-origin") in {"same-origin", "none"}
        if not site or request.headers.get("Origin", "null") not in {"null", self._origin}:
            self._tell(LinkingRefused("cross_site"))
            raise Notice("form", 403)

    def require_stamp(
        self, stamps: Stamps, form: MultiDict[str, str], purpose: str, about: str, *, status: int = 403
    ) -> None:
        """Raise `Notice` unless a page of ours gave this form, for this purpose and thing, to this
        browser."""
        self.require_same_site()
        tickets = form.getlist("ticket")
        stamp = tickets[0] if len(tickets) == 1 else ""
        if not stamps.is_good(stamp, purpose, about, self.own_secret()):
            raise Notice("form", status)

    # What goes out

    def signed(self, ticket: Ticket) -> str:
        """A ticket that we read before, signed again."""
        return self._tickets.sign(ticket)

    def sign(self, attempt: Attempt, secret: str | None = None, *, replaces: str | None = None) -> str:
        """The signed ticket of a form for this attempt, bound to the attempt's secret, or to this browser's
        own while the store does not keep the attempt. `replaces` is the account that the page says would be
        replaced."""
        holder, bound_to = SESSION, attempt.session_digest
        if bound_to is None:
            holder, bound_to = BROWSER, digest_for(BROWSER, secret or self.secret())
        return self._tickets.sign(ticket_for(attempt, holder=holder, bound_to=bound_to, replaces=replaces))

    def session_of(self, attempt_id: str) -> str | None:
        """This browser's secret of an attempt; None without one."""
        return self._sessions().get(attempt_id)

    def first_session(self, attempt_id: str, kept: Attempt | None) -> str:
        """The secret of an attempt that the store keeps from its last step on. It is computed from the
        browser's own secret: a button that is pressed twice, or again after a lost answer, gives the same."""
        if kept is not None and self.holds(kept):
            return self._sessions()[attempt_id]
        mac = hmac.digest((self.own_secret() or "").encode("ascii"), attempt_id.encode("ascii"), "sha256")
        return base64.urlsafe_b64encode(mac).rstrip(b"=").decode("ascii")

    def remember(self, response: Response, secret: str) -> Response:
        """Set the cookie with the browser's own secret."""
        self._set_cookie(response, self._cookie, secret)
        return response

    def hold(self, response: Response, attempt_id: str, session: str | None) -> Response:
        """Set the cookie with the new secret of an attempt, if there is one. Other attempts keep theirs."""
        if session is not None:
            held = self._sessions()
            held.pop(attempt_id, None)
            held[attempt_id] = session
            entries = [f"{each}.{held[each]}" for each in list(held)[-MOST_SESSIONS:]]
            self._set_cookie(response, self._sessions_cookie, "~".join(entries))
        return response

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name,
            value,
            max_age=COOKIE_AGE_S,
            path="/",
            secure=self._settings.is_https,
            httponly=True,
            samesite="Lax",
        )


def _same(one: str, other: str | None) -> bool:
    return other is not None and hmac.compare_digest(one, other)


def _origin_of(address: str) -> str:
    """The origin as browsers spell it: in lower case, and without the scheme's usual port."""
    parts = urlsplit(address)
    port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(port)}"
