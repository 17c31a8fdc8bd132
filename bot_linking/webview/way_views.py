"""The pages of the other ways to link: a web link in any browser, the menu's webview, and from the site.

They prove a chat or an account, and then go on with the pages of the Log In button.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from bot_linking.config.settings import Settings
from bot_linking.core.codes import digest_of
from bot_linking.core.errors import PageUnknown, StoreUnavailable
from bot_linking.core.events import LinkingRefused
from bot_linking.core.journey import Stage
from bot_linking.core.linking import Linking
from bot_linking.core.links import CHAT, MENU, WEB, Account, Link
from bot_linking.core.ports import Attempt, Tell
from bot_linking.core.ways import CONNECT, MAX_AGE_MS, PREFIX, Ways, label_of, shown
from bot_linking.doors.throttle import TooManyAttempts
from bot_linking.messenger.m_me import m_me
from bot_linking.messenger.pages import Pages as ServedPages
from bot_linking.messenger.signed_request import (
    Context,
    Flaw,
    SignedRequestRefused,
    context_of,
    read_signed,
)
from bot_linking.webview.browser import new_attempt_id
from bot_linking.webview.pages import Notice
from bot_linking.webview.qr import qr_code
from bot_linking.webview.refusals import whole_minutes
from bot_linking.webview.stamps import Stamps
from bot_linking.webview.stops import fields
from bot_linking.webview.viewing import Route, view
from bot_linking.webview.views import Webview
from bot_linking.webview.visitor import Visitor

NameOfPage = Callable[[str], str]


class WayPages:
    """The pages of one app."""

    def __init__(
        self,
        linking: Linking,
        settings: Settings,
        *,
        webview: Webview,
        ways: Ways,
        visitor: Visitor,
        tell: Tell,
        served: ServedPages,
        name_of_page: NameOfPage,
    ) -> None:
        self._linking = linking
        self._settings = settings
        self.webview = webview
        self.pages, self.lead_to = webview.pages, webview.lead_to
        self._ways = ways
        self._tell = tell
        self._served = served
        self._visitor = visitor
        self._name_of_page = name_of_page
        self._stamps = Stamps(settings.secret_key, linking.now)

    def routes(self) -> list[Route]:
        return [
            ("/web/<token>", "web", self.show_web, ["GET"]),
            ("/digits/<attempt_id>", "digits", self.show_digits, ["GET"]),
            ("/linked/<attempt_id>", "linked", self.show_linked, ["GET"]),
            ("/menu", "menu", self.show_menu, ["GET"]),
            ("/menu", "menu_context", self.enter_menu, ["POST"]),
            ("/menu/log-out", "menu_log_out", self.log_out, ["POST"]),
            ("/connect", "connect", self.show_connect, ["GET"]),
        ]

    # A web link, in any browser

    @view
    def show_web(self, token: str) -> Response:
        """The sign-in page of a web link. Nothing is kept: a preview may open the address, too."""
        link = self._ways.open_web(token)
        if link is None:
            self._tell(LinkingRefused("web_link_unknown", way=WEB))
            raise Notice("web_over", 404)
        made_at = link.expires_at - MAX_AGE_MS
        return self._begin(WEB, link.page_id, link.psid, proof=link.digest, made_at=made_at)

    @view
    def show_digits(self, attempt_id: str) -> Response:
        """Six digits to type in the chat. The page reloads until the chat has answered."""
        kept = self._linking.attempt_of(attempt_id)
        if kept is not None and self._has_linked(kept):
            return self.webview.pages.show("linked", sdk=None)
        attempt = self.webview.attempts.shown(attempt_id, "digits")
        assert attempt.page_id is not None, "a web link proves a page"
        try:
            name = self._name_of_page(attempt.page_id)
        except (PageUnknown, StoreUnavailable):  # it was removed meanwhile, or cannot be read yet
            name = attempt.page_id
        return self.webview.pages.show(
            "digits",
            digits=self.webview.attempts.digits(attempt),
            minutes=whole_minutes(attempt.expires_at - self._linking.now()),
            chat_url=m_me(name),
        )

    @view
    def show_linked(self, attempt_id: str) -> Response:
        """The end of an attempt that links without an answer of the chat, as the menu's does."""
        kept = self._linking.attempt_of(attempt_id)
        if kept is None or kept.stage is not Stage.DONE or not self.webview.browser.holds(kept):
            raise Notice("expired")
        if not self._has_linked(kept):  # the policy refused it, or it has ended since
            raise Notice("done", 200)
        if kept.way != MENU:
            return self.webview.pages.show("linked", sdk=None)
        return self.webview.pages.show_in_webview("linked")

    def _has_linked(self, attempt: Attempt) -> bool:
        """Whether this browser's attempt is over, and its chat linked to its account now."""
        is_done = attempt.stage is Stage.DONE and self.webview.browser.holds(attempt)
        if not is_done or attempt.psid is None or attempt.account is None:
            return False
        link = self._linking.link_of(attempt.psid, attempt.page_id)
        return link is not None and link.account_id == attempt.account.id

    def _begin(
        self, way: str, page_id: str, psid: str, *, proof: str, made_at: int | None = None
    ) -> Response:
        """The first page of an attempt whose chat is proved."""
        attempt = self._proved_attempt(way, page_id, psid, proof)
        self.webview.trail.opened(attempt, since=made_at)
        browser, secret = self.webview.browser, self.webview.browser.secret()
        account = self.webview.attempts.account_of_site()
        return browser.remember(self.webview.first_page(attempt, account, secret), secret)

    def _proved_attempt(self, way: str, page_id: str, psid: str, proof: str) -> Attempt:
        now = self._linking.now()
        return Attempt(new_attempt_id(), None, "", "", now, page_id, psid, way=way, proof=proof)

    # The menu's webview

    @view
    def show_menu(self) -> Response:
        """The page that runs Messenger's script, which says who opened the webview."""
        if self._settings.app_id is None:
            raise Notice("missing", 404)
        secret = self.webview.browser.secret()
        ticket = self._stamps.make("menu", "", secret)
        page = self.webview.pages.show_in_webview("menu", app_id=self._settings.app_id, ticket=ticket)
        return self.webview.browser.remember(page, secret)

    @view
    def enter_menu(self) -> Response:
        """Take the `signed_request`, which proves the chat. A refusal is a page that says what to mend."""
        self._require_stamp()
        try:
            context, proof = self._context()
            if self._linking.store.is_proof_used(proof):
                raise SignedRequestRefused(Flaw.USED)
        except SignedRequestRefused as refusal:
            return self._refused(refusal)
        link = self._linking.link_of(context.psid, context.page_id)
        if link is None:
            return self._begin(MENU, context.page_id, context.psid, proof=proof)
        return self._show_linked_chat(link, proof)

    @view
    def log_out(self) -> Response:
        """Log Out on the menu's page of a linked chat, proved by the same `signed_request`."""
        self._require_stamp()
        try:
            context, _ = self._context()
        except SignedRequestRefused as refusal:
            return self._refused(refusal)
        self._linking.unlink(context.psid, context.page_id, source=MENU)
        return self.webview.pages.show_in_webview("logged_out")

    def _show_linked_chat(self, link: Link, proof: str) -> Response:
        """The page of a linked chat: its account, Log Out, and the sign-in for another account."""
        account = self.webview.attempts.account_of_site()
        if account is not None and account.id != link.account_id:
            return self._begin(MENU, link.page_id, link.psid, proof=proof)
        browser, secret = self.webview.browser, self.webview.browser.secret()
        attempt = self._proved_attempt(MENU, link.page_id, link.psid, proof)
        shown = {
            "linked": label_of(link),
            "stamp": self._stamps.make("menu", "", secret),
            "signed_request": fields()["signed_request"],
        }
        return browser.remember(
            self.webview.forms.login(attempt, secret=secret, name="menu_linked", shown=shown), secret
        )

    def _require_stamp(self) -> None:
        self.webview.browser.require_stamp(self._stamps, fields(), "menu", "", status=400)

    def _refused(self, refusal: SignedRequestRefused) -> Response:
        flaw = refusal.flaw
        self._tell(LinkingRefused(str(flaw), way=MENU))
        return self.webview.pages.show("menu_refused", 400, sentence=flaw.sentence, flaw=str(flaw))

    def _context(self) -> tuple[Context, str]:
        given = fields().getlist("signed_request")
        text = given[0] if len(given) == 1 else None
        self._served.require_all()
        signed = read_signed(text, self._served.pages_by_secret())
        context = context_of(signed, self._linking.now() / 1000)
        if signed.secret not in self._served.secrets_of(context.page_id):
            raise SignedRequestRefused(Flaw.PAGE)
        return context, digest_of((text or "").partition(".")[2])

    # From the site

    @view
    def show_connect(self) -> Response:
        """An address, a QR code and a code to type, which connect a chat with the account that is signed
        in."""
        account = self._visitor.account()
        if account is None:
            return self._visitor.sign_in(CONNECT)
        if not self._visitor.has_passed(account):  # a chat link would pass its second factor over
            return self._visitor.ask_second_factor(CONNECT, account)
        page_id = self._page_asked_for()
        if page_id is None:
            return self._choose_page(account)
        try:
            self.webview.admission.count_chat_link(account.id, self.webview.browser.address())
        except TooManyAttempts as refusal:
            self._tell(LinkingRefused(refusal.slug, way=CHAT))
            raise Notice("many", 429, retry_after=refusal.retry_after) from None
        made = self._ways.make_chat_link(account, page_id)
        url = m_me(self._name_of_page(page_id), ref=PREFIX + made.token)
        link = {"url": url, "code": shown(made.code)}
        return self.webview.pages.show(
            "connect", account=account.label, choices=[], link=link, svg=qr_code(url)
        )

    def _page_asked_for(self) -> str | None:
        """The Facebook page of the chat; None where the person has to choose among several."""
        asked = request.args.get("page_id")
        self._served.require_all()  # or the page that is known by now would pass for the only one
        try:
            if asked is not None and self._served.page(asked).id == asked:
                return asked
            if asked is None and len(self._served.all()) > 1:
                return None
            return self._linking.only_page()
        except PageUnknown:
            raise Notice("missing", 404) from None

    def _choose_page(self, account: Account) -> Response:
        ids = [page.id for page in self._served.all() if page.id is not None]
        choices = [{"id": each, "name": self._name_of_page(each)} for each in ids]
        return self.webview.pages.show("connect", account=account.label, choices=choices, link=None, svg=None)
