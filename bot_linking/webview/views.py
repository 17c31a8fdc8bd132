"""The linking pages: sign in, second factor, consent, done; sign up, cancel. Where each form leads.

GET and HEAD change nothing. A POST needs the signed ticket of its page and the cookie of the browser that got
the page. It redirects to an address that GET shows. Only the consent button links: it commits a pending code,
and the link is made when Messenger sends that code back, signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote, urlsplit

from flask import Response, request

from bot_linking.config.settings import Settings
from bot_linking.core.errors import SecondFactorLocked
from bot_linking.core.events import LinkingRefused
from bot_linking.core.funnel import Funnel
from bot_linking.core.hooks import Hooks
from bot_linking.core.journey import FINAL, Stage
from bot_linking.core.linking import Linking
from bot_linking.core.links import LOGIN, MENU, WEB, Account
from bot_linking.core.marks import plain_code
from bot_linking.core.ports import Attempt, Refusal, Tell
from bot_linking.core.ways import SITE_PAGES
from bot_linking.doors.callers import Callers
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.messenger.bots import Bots
from bot_linking.messenger.return_url import with_code
from bot_linking.webview.admission import Admission, TooBusy
from bot_linking.webview.attempts import Attempts
from bot_linking.webview.browser import Browser
from bot_linking.webview.fields import canonical_name
from bot_linking.webview.forms import Forms
from bot_linking.webview.held import Form, Held
from bot_linking.webview.identity import Identity
from bot_linking.webview.new_buttons import NewButtons
from bot_linking.webview.opening import is_opened_by_messenger, opened_attempt, query_of
from bot_linking.webview.pages import Notice, Pages
from bot_linking.webview.refusals import LONGEST_PASSWORD, SignUpRefused, wrong_with
from bot_linking.webview.stages import page_of
from bot_linking.webview.stops import LARGEST_FORM, fields
from bot_linking.webview.tickets import Tickets
from bot_linking.webview.trail import Trail
from bot_linking.webview.viewing import Route, view

LONGEST_NAME = 254
LONGEST_CODE = 64
BUSY_S = 2
POSTED = ("second-factor", "consent", "switch", "cancel", "again")
"""Addresses of forms that no page is shown at; GET leads to the attempt's page."""


class Webview:
    """The linking pages of one app. The host's `hooks` say who a person is."""

    def __init__(
        self,
        linking: Linking,
        settings: Settings,
        *,
        login_url: str,
        bots: Bots,
        tell: Tell,
        hooks: Hooks,
        funnel: Funnel,
    ) -> None:
        self._now = linking.now
        self._settings = settings
        self._tell = tell
        self.trail = Trail(funnel)
        self._names_page = bots.pages.names
        self._linking = linking
        self._authenticate = hooks.authenticate
        self._create_account = hooks.create_account
        self.pages = Pages(settings, urlsplit(login_url).path.removesuffix("/login"))
        callers = Callers(linking.counters, linking.now, settings.trusted_proxies)
        self.browser = Browser(settings, Tickets(settings.secret_key, linking.now), callers, tell=tell)
        self.forms = Forms(
            settings,
            self.pages,
            self.browser,
            login_url=login_url,
            hooks=hooks,
            now=linking.now,
            foresee=linking.foresee,
        )
        self.admission = Admission(linking, settings)
        self.new_buttons = NewButtons(linking, self.browser, self.admission)
        self.pages.offer = self.new_buttons.offer
        self.attempts = Attempts(
            linking,
            settings,
            hooks=hooks,
            tell=tell,
            browser=self.browser,
            admission=self.admission,
            identity=Identity(bots, linking.now),
            trail=self.trail,
        )

    def routes(self) -> list[Route]:
        """A form has one address for its POST, and one for each attempt's GET."""
        return [
            ("/login", "login", self.show_login, ["GET"]),
            ("/login/<attempt_id>", "login_again", self.show_login_again, ["GET"]),
            ("/login", "sign_in", self.sign_in, ["POST"]),
            ("/signup", "signup", self.show_sign_up, ["GET"]),
            ("/signup/<attempt_id>", "signup_again", self.show_sign_up_again, ["GET"]),
            ("/signup", "sign_up", self.sign_up, ["POST"]),
            ("/second-factor/<attempt_id>", "second_factor", self.show_second_factor, ["GET"]),
            ("/second-factor", "check_second_factor", self.check_second_factor, ["POST"]),
            ("/consent/<attempt_id>", "consent", self.show_consent, ["GET"]),
            ("/consent", "approve", self.approve, ["POST"]),
            ("/switch", "switch", self.switch, ["POST"]),
            ("/cancel", "cancel", self.cancel, ["POST"]),
            ("/again", "again", self.send_button, ["POST"]),
            *((f"/{form}", f"{form}_posted", self.show_posted, ["GET"]) for form in POSTED),
            ("/brand.css", "brand", self.pages.show_brand, ["GET"]),
        ]

    # Sign in

    @view
    def show_login(self) -> Response:
        """The page that the Log In button opens."""
        if not is_opened_by_messenger():
            return self._come_back("login")
        attempt, secret = self._opened(), self.browser.secret()
        account = self.attempts.account_of_site() if "switch" not in request.args else None
        return self.browser.remember(self.first_page(attempt, account, secret), secret)

    def first_page(self, attempt: Attempt, account: Account | None, secret: str) -> Response:
        """The first page of a new attempt. `account` is the one that is signed in at the site, if any."""
        if account is not None and not self.attempts.passes(account):
            return self.forms.second_factor(replace(attempt, account=account), secret=secret)
        if account is not None:
            return self.forms.consent(self.attempts.with_account_of_site(attempt, account), secret=secret)
        if self._create_account is not None and "signup" in request.args:
            return self.forms.sign_up(attempt, secret=secret)
        come_back = request.args.keys() & {"returned", "switch"}
        site_login = self.forms.site_login(attempt)
        if not self.forms.has_sign_in and site_login is not None and not come_back:
            return self.pages.go(site_login)
        if attempt.way == MENU and self._create_account is not None:
            # The link to the sign-up needs a kept attempt: this page's address cannot be opened again.
            held = self.attempts.begin(attempt)
            return self._hand(self.forms.login(held.attempt, secret=secret), held)
        return self.forms.login(attempt, secret=secret)

    @view
    def show_login_again(self, attempt_id: str) -> Response:
        return self.forms.login(self.attempts.shown(attempt_id, "login"))

    @view
    def sign_in(self) -> Response:
        form = self.attempts.form()
        if self._authenticate is None:
            raise Notice("form", back=form.ticket.return_url)
        username = self.browser.field("username", LONGEST_NAME)
        password = self.browser.field("password", LONGEST_PASSWORD)
        refusal = Refusal("login", "wrong", username, field="password")
        if not username or not password:
            missing = "password" if username else "username"
            return self.again(form, replace(refusal, reason="missing", field=missing))
        try:
            account = self._verified(username, password, self._authenticate)
        except TooManyAttempts as limit:
            return self.too_many(form, refusal, limit)
        except TooBusy:
            return self.too_busy(form, refusal)
        if account is None:
            return self.again(form, refusal)
        return self.lead_to(self.attempts.sign_in(form, account))

    def _verified(
        self, username: str, password: str, authenticate: Callable[[str, str], Account | None]
    ) -> Account | None:
        """Ask the site about a password, within the limits."""
        name, address = canonical_name(username), self.browser.address()
        self.admission.sign_ins.count(name, address)
        try:
            with self.admission.place():
                account = authenticate(username, password)
        except TooBusy:
            self.admission.sign_ins.refund(name, address)
            raise
        if account is not None:
            self.admission.sign_ins.forgive(name, address)
        return account

    # Sign up

    @view
    def show_sign_up(self) -> Response:
        if self._create_account is None:
            raise Notice("missing", 404)
        if not is_opened_by_messenger():
            return self._come_back("signup")
        attempt, secret = self._opened(), self.browser.secret()
        return self.browser.remember(self.forms.sign_up(attempt, secret=secret), secret)

    @view
    def show_sign_up_again(self, attempt_id: str) -> Response:
        if self._create_account is None:
            raise Notice("missing", 404)
        return self.forms.sign_up(self.attempts.shown(attempt_id, "signup"))

    @view
    def sign_up(self) -> Response:
        form = self.attempts.form()
        if self._create_account is None:
            raise Notice("missing", 404)
        username = self.browser.field("username", LONGEST_NAME)
        email = username if self.forms.by_email else self.browser.field("email", LONGEST_NAME)
        password = self.browser.field("password", LARGEST_FORM)
        refusal = Refusal("signup", "", username, email)
        if wrong := wrong_with(username, password):
            return self.again(form, replace(refusal, reason=wrong[0], field=wrong[1]))
        try:
            self.admission.count_sign_up(self.browser.address())
            with self.admission.place():
                account = self._create_account(username, email or None, password)
        except TooManyAttempts as limit:
            return self.too_many(form, refusal, limit)
        except TooBusy:
            return self.too_busy(form, refusal)
        except SignUpRefused as refused:
            reason = replace(refusal, reason=refused.slug, text=str(refused), field=refused.field)
            return self.again(form, reason)
        return self.lead_to(self.attempts.sign_in(form, account))

    # The second factor

    @view
    def show_second_factor(self, attempt_id: str) -> Response:
        return self.forms.second_factor(self.attempts.shown(attempt_id, "second-factor"))

    @view
    def check_second_factor(self) -> Response:
        """Check the code of a second factor. The room that keeps it counts the tries of all doors."""
        form = self.attempts.form()
        account = self.attempts.account_asked_for_code(form)
        code = plain_code(self.browser.field("code", LONGEST_CODE))
        kind = "recovery" if fields().get("kind") == "recovery" else "code"
        refusal = Refusal("second-factor", f"{kind}_wrong", field="code")
        if not code:
            return self.again(form, replace(refusal, reason=f"{kind}_missing"), account)
        try:
            held = self.attempts.pass_code(form, account, code)
        except TooManyAttempts as limit:
            return self.too_many(form, refusal, limit, account)
        except SecondFactorLocked:
            return self.again(form, replace(refusal, reason="code_locked"), account)
        return self.lead_to(held) if held else self.again(form, refusal, account)

    # Consent

    @view
    def show_consent(self, attempt_id: str) -> Response:
        return self.forms.consent(self.attempts.shown(attempt_id, "consent"))

    @view
    def approve(self) -> Response:
        """The consent button: commit a pending code, then lead the browser back to Messenger."""
        form = self.attempts.form(again_at=Stage.DONE)
        if form.attempt.stage is Stage.DONE:  # pressed again
            if form.ticket.way == LOGIN:
                raise Notice("done", back=form.ticket.return_url, ticket=form.ticket)
            return self.lead_to(Held(form.attempt))
        code, held = self.attempts.approve(form, locale=self.pages.locale())
        if held.attempt.way != LOGIN:
            return self._hand(self._proved_end(held.attempt, code), held)
        target = with_code(form.ticket.return_url, code)
        if self._settings.confirmation_page:
            return self._hand(self.pages.show("done", target=target), held)
        return self._hand(self.pages.go(target), held)

    def _proved_end(self, attempt: Attempt, code: str) -> Response:
        """The end of a way whose chat is proved: show the digits to type in the chat, or link now."""
        if attempt.way == WEB and self._settings.web_proof == "digits":
            return self.pages.go(self._address_of("digits", attempt))
        self.attempts.link_at_once(attempt, code)
        return self.pages.go(self._address_of("linked", attempt))

    @view
    def switch(self) -> Response:
        """Use another account: back to the sign-in page, which ignores the site's own session."""
        form = self.attempts.form()
        if form.ticket.way != LOGIN and form.is_of_session:
            return self.pages.go(self._address_of("login", form.attempt))
        held = self.attempts.leave(form)
        if form.ticket.way != LOGIN:
            return self._hand(self.pages.notice(Notice("left", 200, ticket=form.ticket)), held)
        return self._hand(self.pages.go(f"login?{query_of(form.attempt)}&switch=1"), held)

    @view
    def cancel(self) -> Response:
        """Back to Messenger by the return URL, without a code. The button may be pressed again."""
        form = self.attempts.form(again_at=Stage.LEFT)
        held = self.attempts.leave(form)
        who = self.attempts.profile(form)
        self._linking.cancel(who.page_id, who.psid)
        self.trail.cancelled(form.attempt)
        if form.ticket.way != LOGIN:
            return self._hand(self.pages.notice(Notice("left", 200, ticket=form.ticket)), held)
        return self._hand(self.pages.go(form.ticket.return_url), held)

    @view
    def send_button(self) -> Response:
        """Send a new Log In button to the chat, and lead back there."""
        return self.pages.go(self.new_buttons.send())

    @view
    def show_posted(self) -> Response:
        """A GET of a form's address ("open in browser", a webview that was restored): lead to this browser's
        newest attempt."""
        newest = next(self.attempts.of_browser(), None)
        if newest is None:
            raise Notice("expired", 405)
        return self.lead_to(Held(newest))

    # Where it leads

    def lead_to(self, held: Held) -> Response:
        """303 to the attempt's own page."""
        attempt = held.attempt
        return self._hand(self.pages.go(self._address_of(page_of(attempt), attempt)), held)

    def again(self, form: Form, refusal: Refusal, account: Account | None = None) -> Response:
        """303 to the same form with the reason. Where the attempt may not be kept, the page itself with
        429."""
        held = self.attempts.refuse(form, refusal, account)
        if held.attempt.session_digest is None:
            return self.forms.again(held.attempt, 429)
        return self._hand(self.pages.go(self._address_of(refusal.form, held.attempt)), held)

    def too_many(
        self, form: Form, refusal: Refusal, limit: TooManyAttempts, account: Account | None = None
    ) -> Response:
        self._tell(LinkingRefused(limit.slug, way=form.attempt.way))
        many = replace(refusal, reason="many", until=self._now() + limit.retry_after * 1000)
        return self._refused_at_once(form, many, 429, limit.retry_after, account)

    def too_busy(self, form: Form, refusal: Refusal) -> Response:
        return self._refused_at_once(form, replace(refusal, reason="busy"), 503, BUSY_S)

    def _refused_at_once(
        self, form: Form, refusal: Refusal, status: int, retry_after: int, account: Account | None = None
    ) -> Response:
        """The form again with this status and `Retry-After`. A GET of the same address shows it, too."""
        held = self.attempts.refuse(form, replace(refusal, field=""), account)
        page = self._hand(self.forms.again(held.attempt, status), held)
        page.headers["Retry-After"] = str(retry_after)
        return page

    def _come_back(self, form: str) -> Response:
        """A GET without Messenger's parameters: the form that was refused at once, else how to begin."""
        newest = next(self.attempts.of_browser(), None)
        if newest is None or newest.stage in FINAL or not newest.refusal or newest.refusal.form != form:
            raise Notice("phone")
        return self.forms.again(newest, 200)

    def _address_of(self, page: str, attempt: Attempt) -> str:
        """A relative address, which is right behind a proxy that strips a path."""
        up = "../" if request.view_args else ""
        return f"{up}{page}" + ("" if page in SITE_PAGES else f"/{quote(attempt.attempt_id)}")

    def _hand(self, response: Response, held: Held) -> Response:
        return self.browser.hold(response, held.attempt.attempt_id, held.session)

    def _opened(self) -> Attempt:
        attempt = opened_attempt(
            self._settings, now=self._now(), tell=self._tell, names_page=self._names_page
        )
        self.trail.opened(attempt)
        return attempt
