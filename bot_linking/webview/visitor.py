"""Finds who visits an owner's page: by the site's session, by the site's login page, or by our sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from bot_linking.config.settings import Settings
from bot_linking.core.hooks import Hooks
from bot_linking.core.journey import Stage
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.ports import Attempt
from bot_linking.core.ways import SITE_PAGES
from bot_linking.webview.browser import new_attempt_id
from bot_linking.webview.pages import Notice

if TYPE_CHECKING:
    from flask import Response

    from bot_linking.webview.views import Webview


class Visitor:
    """Signs an account's owner in to the owner's pages. Our own sign-in is that of the linking pages, with
    their second factor and limits; it ends after 15 minutes, and makes no link."""

    def __init__(
        self, webview: Webview, settings: Settings, *, linking: Linking, hooks: Hooks, base_url: str
    ) -> None:
        self._webview = webview
        self._linking = linking
        self._settings = settings
        self._knows_sessions = hooks.current_account is not None
        self._can_sign_in = webview.forms.has_sign_in
        self._base_url = base_url

    @property
    def can_come(self) -> bool:
        """Whether the host offers any way to be signed in."""
        return self._knows_sessions or self._can_sign_in

    def account(self) -> Account | None:
        """The account that is signed in, at the site or by our sign-in in this browser; None without one."""
        return self._webview.attempts.account_of_site() or self._signed_in_with_us()

    def _signed_in_with_us(self) -> Account | None:
        for kept in self._webview.attempts.of_browser():
            if kept.way in SITE_PAGES:
                return self._proved_by(kept)
        return None

    def _proved_by(self, kept: Attempt) -> Account | None:
        """The account of a finished sign-in. A second factor that was switched on since must be given
        first."""
        if kept.stage is not Stage.CONSENT_SHOWN or kept.account is None:
            return None
        has_passed = kept.second_factor_at is not None or self._webview.attempts.passes(kept.account)
        return kept.account if has_passed else None

    def has_passed(self, account: Account) -> bool:
        """Whether the account needs no second factor, or gave it in this browser."""
        if self._webview.attempts.passes(account):
            return True
        ours = self._signed_in_with_us()
        return ours is not None and ours.id == account.id

    def ask_second_factor(self, page: str, account: Account) -> Response:
        """The form for the second factor of an account that is signed in at the site. It leads back to
        `page`."""
        return self._first_page(page, account)

    def sign_in(self, page: str) -> Response:
        """The sign-in, which leads back to `page`. Raises `Notice` where the host offers none."""
        if self._settings.login_url:
            back = quote(f"{self._base_url}/{page}", safe="")
            return self._webview.pages.go(self._settings.login_url.replace("{next}", back))
        if not self._can_sign_in:
            raise Notice("sign_in", 403) if self._knows_sessions else Notice("missing", 404)
        return self._first_page(page, None)

    def _first_page(self, page: str, account: Account | None) -> Response:
        browser, secret = self._webview.browser, self._webview.browser.secret()
        attempt = Attempt(new_attempt_id(), None, "", "", self._linking.now(), way=page)
        return browser.remember(self._webview.first_page(attempt, account, secret), secret)
