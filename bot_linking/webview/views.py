"""The linking pages: sign in, consent, done; sign up, cancel.

Nothing happens on GET or HEAD. A POST needs the signed ticket of its page and the cookie of the browser
that the page was given to. The only thing that links is the consent button, and what it commits is a
pending code: the link itself is made when Messenger sends that code back, signed.
"""

from __future__ import annotations

import logging
import secrets
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from flask import Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from bot_linking.config.settings import Settings
from bot_linking.core.errors import BotLinkingError, SecondFactorLocked, StoreUnavailable
from bot_linking.core.events import LinkingRefused
from bot_linking.core.hooks import Authenticate, Hooks
from bot_linking.core.linking import ATTEMPT_MAX_AGE_S, Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt, Tell
from bot_linking.doors.callers import Callers
from bot_linking.doors.neighbour import SecondFactor
from bot_linking.doors.throttle import Limit, Throttle, TooManyAttempts
from bot_linking.messenger.graph import Graph
from bot_linking.messenger.return_url import ReturnURLRefused, check_return_url, with_code
from bot_linking.webview.identity import Identity, Profile, TokenExpired
from bot_linking.webview.pages import Pages, brand_stylesheet
from bot_linking.webview.tickets import Ticket, Tickets

LARGEST_FORM = 64 * 1024
LONGEST_TOKEN = 2048
LONGEST_NAME = 254
LONGEST_PASSWORD = 1024
SHORTEST_PASSWORD = 8
LONGEST_CODE = 64
LINKING_TOKEN_AGE_S = 300

View = Callable[..., Response]
Route = tuple[str, str, View, list[str]]

_log = logging.getLogger("bot_linking.webview")


class SignUpRefused(BotLinkingError):
    """For `create_account` to raise; its text is shown to the person beside the form."""

    slug: ClassVar[str] = "sign_up_refused"


class _Stop(Exception):
    """Leave the view with this page."""

    def __init__(self, response: Response) -> None:
        self.response = response


def _view(method: Callable[..., Response]) -> View:
    """Turns what stops a view into its page; anything unforeseen stays the host's to handle."""

    @wraps(method)
    def view(self: Webview, *args: Any, **kwargs: Any) -> Response:
        try:
            request.max_content_length = request.max_form_memory_size = LARGEST_FORM
            return method(self, *args, **kwargs)
        except _Stop as stop:
            return stop.response
        except RequestEntityTooLarge:
            return self._notice("broken", 413)
        except StoreUnavailable as problem:
            _log.error("linking page not served: %s", problem)
            return self._notice("busy", 503, retry_after=10)

    return view


class Webview:
    """The pages of one app. Who a person is, the host's `hooks` say."""

    def __init__(
        self,
        linking: Linking,
        settings: Settings,
        *,
        login_url: str,
        graphs: Sequence[Graph],
        tell: Tell,
        hooks: Hooks,
    ) -> None:
        self._linking = linking
        self._settings = settings
        self._login_url = login_url
        self._identity = Identity(graphs, settings.pages)
        self._tell = tell
        self._authenticate = hooks.authenticate
        self._current_account = hooks.current_account
        self._create_account = hooks.create_account
        #: Whether an account may go on, with this code or with none; set by whoever keeps second factors.
        self.second_factor: SecondFactor | None = None
        self._pages = Pages(settings)
        self._origin = _origin_of(settings.public_url)
        self._tickets = Tickets(settings.secret_key, lambda: linking.now() / 1000)
        self._throttle = Throttle(linking.counters, linking.now)
        self._callers = Callers(linking.counters, linking.now, settings.trusted_proxies)
        self._by_name = Limit("sign-in", settings.sign_in_limit, 300)
        self._by_address = Limit("address", settings.address_limit, 60)
        self._sign_ups = Limit("sign-up", settings.address_limit, 60)
        self._cancels = Limit("cancel", settings.address_limit, 60)
        self._admission = threading.BoundedSemaphore(settings.sign_in_concurrency)
        host_prefix = "__Host-" if settings.is_https else ""
        self._browser_cookie = host_prefix + "bot_linking"
        self._session_cookie = host_prefix + "bot_linking_session"

    def routes(self) -> list[Route]:
        """Rule, endpoint, view, methods."""
        return [
            ("/login", "login", self.show_login, ["GET"]),
            ("/login", "sign_in", self.sign_in, ["POST"]),
            ("/signup", "signup", self.show_sign_up, ["GET"]),
            ("/signup", "sign_up", self.sign_up, ["POST"]),
            ("/second-factor/<attempt_id>", "second_factor", self.show_second_factor, ["GET"]),
            ("/second-factor", "check_second_factor", self.check_second_factor, ["POST"]),
            ("/consent/<attempt_id>", "consent", self.show_consent, ["GET"]),
            ("/consent", "approve", self.approve, ["POST"]),
            ("/switch", "switch", self.switch, ["POST"]),
            ("/cancel", "cancel", self.cancel, ["POST"]),
            ("/brand.css", "brand", self.show_brand, ["GET"]),
        ]

    # Sign in

    @_view
    def show_login(self) -> Response:
        """What the Log In button opens."""
        ticket, cookie = self._enter()
        account = self._account_of_site() if "switch" not in request.args else None
        if account is not None and not self._passes(account):
            waiting = replace(ticket, account_id=account.id)
            return self._with_browser(self._second_factor_page(waiting), cookie)
        if account is not None:
            return self._with_browser(self._consent_of_session(ticket, account), cookie)
        come_back = request.args.keys() & {"returned", "switch"}
        if self._authenticate is None and self._settings.login_url and not come_back:
            return self._with_browser(self._pages.go(self._site_login(ticket)), cookie)
        return self._with_browser(self._login_page(ticket), cookie)

    @_view
    def sign_in(self) -> Response:
        ticket = self._ticket(self._browser_cookie)
        if self._authenticate is None:
            raise self._stop("broken", 400)
        username, password = self._field("username", LONGEST_NAME), self._field("password", LONGEST_PASSWORD)
        if not username or not password:
            missing = self._pages.text("Enter your user name and password.")
            return self._login_page(ticket, username, missing, 422)
        account = self._verify(ticket, username, password, self._authenticate)
        if account is None:
            wrong = self._pages.text("That user name or password is not right.")
            return self._login_page(ticket, username, wrong, 401)
        return self._go_on(ticket, account)

    def _verify(
        self, ticket: Ticket, username: str, password: str, authenticate: Authenticate
    ) -> Account | None:
        """Ask the site, within the limits. Counted before it is verified; a good one is taken back."""
        name, address = _canonical(username), self._address()
        try:
            self._throttle.count(self._by_address, address)
            self._throttle.count(self._by_name, name)
        except TooManyAttempts as refusal:
            self._tell(LinkingRefused(refusal.slug))
            minutes = str(-(-refusal.retry_after // 60))
            text = self._pages.text(
                "Too many attempts. Please try again in about {minutes} minutes.", minutes=minutes
            )
            page = self._login_page(ticket, username, text, 429)
            page.headers["Retry-After"] = str(refusal.retry_after)
            raise _Stop(page) from None
        with self._admitted() as admitted:
            if not admitted:
                self._refund(name, address)
                raise _Stop(self._too_busy(self._login_page, ticket, username))
            account = authenticate(username, password)
        if account is not None:
            self._throttle.forget(self._by_name, name)
            self._throttle.refund(self._by_address, address)
        return account

    @contextmanager
    def _admitted(self) -> Iterator[bool]:
        """Passwords are slow to check: only so many at once, so that webhooks are answered meanwhile."""
        admitted = self._admission.acquire(blocking=False)
        try:
            yield admitted
        finally:
            if admitted:
                self._admission.release()

    def _too_busy(self, form: Callable[..., Response], *filled_in: Any) -> Response:
        text = self._pages.text("Many people are logging in just now. Please try again in a moment.")
        page = form(*filled_in, error=text, status=503)
        page.headers["Retry-After"] = "2"
        return page

    def _login_page(
        self, ticket: Ticket, username: str = "", error: str | None = None, status: int = 200
    ) -> Response:
        return self._pages.show(
            "login",
            status,
            ticket=self._tickets.sign(ticket),
            username=username,
            error=error,
            has_password=self._authenticate is not None,
            site_login=self._site_login(ticket) if self._settings.login_url else None,
            signup_query=_query_of(ticket) if self._create_account else None,
        )

    # Sign up

    @_view
    def show_sign_up(self) -> Response:
        ticket, cookie = self._enter()
        if self._create_account is None:
            raise self._stop("broken", 404)
        return self._with_browser(self._sign_up_page(ticket), cookie)

    @_view
    def sign_up(self) -> Response:
        ticket = self._ticket(self._browser_cookie)
        if self._create_account is None:
            raise self._stop("broken", 404)
        username, email = self._field("username", LONGEST_NAME), self._field("email", LONGEST_NAME)
        password = self._field("password", LARGEST_FORM)
        text = self._pages.text
        if not username or not password:
            missing = text("Choose a user name and a password.")
            return self._sign_up_page(ticket, username, email, missing, 422)
        if len(password) < SHORTEST_PASSWORD:
            short = text("The password needs {count} characters or more.", count=str(SHORTEST_PASSWORD))
            return self._sign_up_page(ticket, username, email, short, 422)
        if len(password) > LONGEST_PASSWORD:
            long = text("The password may have {count} characters at most.", count=str(LONGEST_PASSWORD))
            return self._sign_up_page(ticket, username, email, long, 422)
        try:
            self._throttle.count(self._sign_ups, self._address())
            with self._admitted() as admitted:
                if not admitted:
                    return self._too_busy(self._sign_up_page, ticket, username, email)
                account = self._create_account(username, email or None, password)
        except TooManyAttempts as refusal:
            self._tell(LinkingRefused(refusal.slug))
            minutes = str(-(-refusal.retry_after // 60))
            late = text("Too many attempts. Please try again in about {minutes} minutes.", minutes=minutes)
            page = self._sign_up_page(ticket, username, email, late, 429)
            page.headers["Retry-After"] = str(refusal.retry_after)
            return page
        except SignUpRefused as refusal:
            return self._sign_up_page(ticket, username, email, str(refusal), 422)
        return self._go_on(ticket, account)

    def _sign_up_page(
        self,
        ticket: Ticket,
        username: str = "",
        email: str = "",
        error: str | None = None,
        status: int = 200,
    ) -> Response:
        return self._pages.show(
            "signup",
            status,
            ticket=self._tickets.sign(ticket),
            username=username,
            email=email,
            error=error,
            shortest_password=SHORTEST_PASSWORD,
            login_query=_query_of(ticket),
        )

    # The second factor

    def _go_on(self, ticket: Ticket, account: Account) -> Response:
        """To the consent page, or first to the second factor of an account that has one."""
        return self._begin(ticket, account) if self._passes(account) else self._wait_for_code(ticket, account)

    def _passes(self, account: Account, code: str | None = None) -> bool:
        return self.second_factor is None or self.second_factor(account, code)

    def _wait_for_code(self, ticket: Ticket, account: Account) -> Response:
        """Keep who gave the right password, under a session that opens nothing but the next step."""
        attempt = Attempt(
            ticket.attempt_id, account, ticket.linking_token, ticket.return_url, int(ticket.issued_at * 1000)
        )
        session = secrets.token_urlsafe(32)
        self._linking.begin(attempt, _half(session))
        response = self._pages.go(f"second-factor/{quote(ticket.attempt_id)}")
        self._set_cookie(response, self._session_cookie, session)
        return response

    @_view
    def show_second_factor(self, attempt_id: str) -> Response:
        session = request.cookies.get(self._session_cookie, "")
        attempt = self._linking.attempt_of(attempt_id, _half(session))
        if attempt is None:
            raise self._stop("expired", 400)
        return self._second_factor_page(self._ticket_of(attempt, session))

    @_view
    def check_second_factor(self) -> Response:
        """Counted and judged by whoever keeps second factors, with every other way in."""
        ticket = self._ticket(self._session_cookie, self._browser_cookie)
        account = self._waiting(ticket)
        code, text = self._field("code", LONGEST_CODE), self._pages.text
        if not code:
            return self._second_factor_page(ticket, text("Enter the code from your app."), 422)
        try:
            if self._passes(account, code):
                return self._begin(ticket, account)
        except TooManyAttempts as refusal:
            minutes = str(-(-refusal.retry_after // 60))
            late = text("Too many attempts. Please try again in about {minutes} minutes.", minutes=minutes)
            page = self._second_factor_page(ticket, late, 429)
            page.headers["Retry-After"] = str(refusal.retry_after)
            return page
        except SecondFactorLocked:
            locked = text("Too many wrong codes. Use one of your recovery codes.")
            return self._second_factor_page(ticket, locked, 403)
        wrong = text("That code is not right, or was used already. Wait for the next one.")
        return self._second_factor_page(ticket, wrong, 401)

    def _waiting(self, ticket: Ticket) -> Account:
        """Who has given a right password in this attempt, or is signed in at the site."""
        session = request.cookies.get(self._session_cookie, "")
        attempt = self._linking.attempt_of(ticket.attempt_id, _half(session))
        account = attempt.account if attempt else self._account_of_site()
        if account is None or ticket.account_id != account.id:
            raise self._stop("expired", 400)
        return account

    def _second_factor_page(self, ticket: Ticket, error: str | None = None, status: int = 200) -> Response:
        return self._pages.show("second_factor", status, ticket=self._tickets.sign(ticket), error=error)

    # Consent

    def _begin(self, ticket: Ticket, account: Account) -> Response:
        """Signed in: a session of its own for this attempt, and on to the consent page."""
        _insist(account)
        attempt = Attempt(
            ticket.attempt_id, account, ticket.linking_token, ticket.return_url, int(ticket.issued_at * 1000),
            *self._identify(ticket),
        )  # fmt: skip
        session = secrets.token_urlsafe(32)
        self._linking.begin(attempt, session)
        response = self._pages.go(f"consent/{quote(ticket.attempt_id)}")
        self._set_cookie(response, self._session_cookie, session)
        return response

    @_view
    def show_consent(self, attempt_id: str) -> Response:
        session = request.cookies.get(self._session_cookie, "")
        attempt = self._linking.attempt_of(attempt_id, session)
        if attempt is None:
            raise self._stop("expired", 400)
        return self._consent_page(self._ticket_of(attempt, session), attempt.account, attempt.profile_name)

    def _ticket_of(self, attempt: Attempt, session: str) -> Ticket:
        """The ticket of an attempt that is kept, for the browser that holds its session."""
        return replace(
            self._tickets.begin(attempt.linking_token, attempt.return_url, session),
            attempt_id=attempt.attempt_id,
            account_id=attempt.account.id,
            issued_at=attempt.opened_at / 1000,
        )

    def _consent_of_session(self, ticket: Ticket, account: Account) -> Response:
        """The consent page for somebody who is signed in at the site already: nothing is stored for it."""
        _insist(account)
        page_id, psid, name = self._identify(ticket)
        ticket = replace(ticket, page_id=page_id, psid=psid, account_id=account.id)
        return self._consent_page(ticket, account, name)

    def _consent_page(self, ticket: Ticket, account: Account, profile_name: str | None) -> Response:
        return self._pages.show(
            "consent", ticket=self._tickets.sign(ticket), account=account, profile_name=profile_name
        )

    @_view
    def approve(self) -> Response:
        """The consent button: commit a pending code, then lead the browser back to Messenger."""
        ticket, attempt = self._signed_in()
        if attempt.psid is None or self._linking.now() / 1000 - ticket.issued_at > LINKING_TOKEN_AGE_S:
            profile = self._identify(ticket, with_name=False)
            if profile.psid is None and self._settings.strict:
                self._tell(LinkingRefused("messenger_silent"))
                raise self._stop("silent", 503, retry_after=10, back=ticket.return_url)
            if profile.psid is not None:
                attempt = replace(attempt, page_id=profile.page_id, psid=profile.psid)
        if attempt.page_id is None:
            attempt = replace(attempt, page_id=self._linking.page_id)
        code = self._linking.approve(attempt, locale=self._pages.locale())
        if code is None:
            raise self._stop("expired", 400, back=ticket.return_url)
        target = with_code(ticket.return_url, code)
        if not self._settings.confirmation_page:
            return self._pages.go(target)
        return self._pages.show("done", target=target)

    @_view
    def switch(self) -> Response:
        """Use another account: back to the sign-in page, which passes over any session of the site."""
        ticket, _ = self._signed_in()
        self._linking.leave(ticket.attempt_id, request.cookies.get(self._session_cookie, ""))
        response = self._pages.go(f"login?{_query_of(ticket)}&switch=1")
        self._drop_cookie(response, self._session_cookie)
        return response

    @_view
    def cancel(self) -> Response:
        """Back to Messenger by the very same return URL, without a code."""
        ticket = self._ticket(self._session_cookie, self._browser_cookie)
        page_id, psid = ticket.page_id, ticket.psid
        session = request.cookies.get(self._session_cookie, "")
        for kept in (session, _half(session)):
            if attempt := self._linking.attempt_of(ticket.attempt_id, kept):
                page_id, psid = attempt.page_id, attempt.psid
                self._linking.leave(ticket.attempt_id, kept)
        if psid is None:
            page_id, psid = self._who_cancelled(ticket)
        self._linking.cancel(page_id, psid)
        response = self._pages.go(ticket.return_url)
        self._drop_cookie(response, self._session_cookie)
        return response

    def _who_cancelled(self, ticket: Ticket) -> tuple[str | None, str | None]:
        """Ask Messenger, unless somebody makes us ask too often."""
        try:
            self._throttle.count(self._cancels, self._address())
            profile = self._identity.of(ticket.linking_token, with_name=False)
        except (TooManyAttempts, TokenExpired):
            return None, None
        return profile.page_id, profile.psid

    @_view
    def show_brand(self) -> Response:
        response = Response(brand_stylesheet(self._settings), mimetype="text/css")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "public, max-age=3600"
        return response

    # What comes in

    def _enter(self) -> tuple[Ticket, str]:
        """A ticket for what Messenger opened, and the browser's cookie. Nothing is stored."""
        tokens = request.args.getlist("account_linking_token")
        urls = request.args.getlist("redirect_uri")
        if not any(tokens) or not any(urls):
            raise self._stop("phone", 400)
        if len(tokens) != 1 or len(urls) != 1 or not _is_token(tokens[0]):
            raise self._refuse_entry()
        try:
            url = check_return_url(urls[0], tokens[0], self._settings.origins, strict=self._settings.strict)
        except ReturnURLRefused:
            raise self._refuse_entry() from None
        cookie = request.cookies.get(self._browser_cookie) or secrets.token_urlsafe(24)
        return self._tickets.begin(tokens[0], url, cookie), cookie

    def _refuse_entry(self) -> _Stop:
        self._tell(LinkingRefused("return_url_refused"))
        return self._stop("broken", 400)

    def _ticket(self, *cookies: str) -> Ticket:
        """The ticket of a form that this browser got from us, or the page that says it has expired."""
        if not self._is_same_site():
            self._tell(LinkingRefused("cross_site"))
            raise self._stop("broken", 403)
        signed = request.form.get("ticket", "")
        for cookie in cookies:
            ticket = self._tickets.read(signed, request.cookies.get(cookie))
            if ticket is not None:
                return ticket
        raise self._stop("expired", 400)

    def _signed_in(self) -> tuple[Ticket, Attempt]:
        """The ticket of a consent page and the attempt it stands for, of the account that it named."""
        ticket = self._ticket(self._session_cookie, self._browser_cookie)
        session = request.cookies.get(self._session_cookie, "")
        attempt = self._linking.attempt_of(ticket.attempt_id, session)
        if attempt is None and (account := self._account_of_site()) and self._passes(account):
            attempt = Attempt(
                ticket.attempt_id, account, ticket.linking_token, ticket.return_url,
                int(ticket.issued_at * 1000), ticket.page_id, ticket.psid,
            )  # fmt: skip
        if attempt is None or ticket.account_id is None or attempt.account.id != ticket.account_id:
            raise self._stop("expired", 400)
        return ticket, attempt

    def _account_of_site(self) -> Account | None:
        return self._current_account() if self._current_account else None

    def _is_same_site(self) -> bool:
        """Beside the ticket: a browser that says the form came from elsewhere is believed.

        `Origin` is `null` for forms of pages without a referrer, which ours are.
        """
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            return False
        return request.headers.get("Origin", "null") in {"null", self._origin}

    def _field(self, name: str, longest: int) -> str:
        value = request.form.get(name, "")
        if len(value) > longest or "\0" in value:
            raise self._stop("broken", 400)
        return value if name == "password" else value.strip()

    def _address(self) -> str:
        forwarded_for = request.headers.getlist("X-Forwarded-For")
        return self._callers.address_of(request.remote_addr, forwarded_for)

    def _identify(self, ticket: Ticket, *, with_name: bool = True) -> Profile:
        """Whose Messenger this is, or the page that says it took too long."""
        try:
            return self._identity.of(ticket.linking_token, with_name=with_name)
        except TokenExpired:
            raise self._stop("expired", 400, back=ticket.return_url) from None

    # What goes out

    def _site_login(self, ticket: Ticket) -> str:
        """The site's own login page, told where to come back to."""
        back = f"{self._login_url}?{_query_of(ticket)}&returned=1"
        return (self._settings.login_url or "").replace("{next}", quote(back, safe=""))

    def _notice(
        self, name: str, status: int, *, retry_after: int | None = None, back: str | None = None
    ) -> Response:
        page = self._pages.show("notice", status, notice=name, back=back)
        if retry_after is not None:
            page.headers["Retry-After"] = str(retry_after)
        return page

    def _stop(
        self, notice: str, status: int, *, retry_after: int | None = None, back: str | None = None
    ) -> _Stop:
        """Leave with a notice; `back` is a checked return URL, which leads back without a code."""
        return _Stop(self._notice(notice, status, retry_after=retry_after, back=back))

    def _refund(self, name: str, address: str) -> None:
        self._throttle.refund(self._by_name, name)
        self._throttle.refund(self._by_address, address)

    def _with_browser(self, response: Response, cookie: str) -> Response:
        self._set_cookie(response, self._browser_cookie, cookie)
        return response

    def _set_cookie(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            name, value, max_age=ATTEMPT_MAX_AGE_S * 2, path="/", secure=self._settings.is_https,
            httponly=True, samesite="Lax",
        )  # fmt: skip

    def _drop_cookie(self, response: Response, name: str) -> None:
        response.delete_cookie(name, path="/", secure=self._settings.is_https, httponly=True, samesite="Lax")


def _half(session: str) -> str:
    """The name under which a session is kept that has passed the password alone."""
    return f"second factor {session}"


def _insist(account: object) -> None:
    """The host's own code said who it is: a wrong answer is its author's to mend, and says so."""
    if not isinstance(account, Account):
        raise TypeError(f"authenticate and its like return an Account or None, not {type(account).__name__}")


def _query_of(ticket: Ticket) -> str:
    """What Messenger opened us with, to come to this attempt's pages again."""
    return urlencode({"account_linking_token": ticket.linking_token, "redirect_uri": ticket.return_url})


def _origin_of(address: str) -> str:
    """The origin as browsers spell it: in lower case, without the port that goes without saying."""
    parts = urlsplit(address)
    port = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(port)}"


def _canonical(username: str) -> str:
    """One spelling for each name that a site may take for the same."""
    return unicodedata.normalize("NFKC", username).casefold().strip()


def _is_token(value: str) -> bool:
    """Opaque to us: only its length and the absence of control characters are judged."""
    return 0 < len(value) <= LONGEST_TOKEN and value.isascii() and value.isprintable()
