"""Shows each page with a form: for which attempt, with which fields, and why the form was refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from bot_linking.config.settings import Settings
from bot_linking.core.conflicts import Foresight
from bot_linking.core.hooks import Hooks
from bot_linking.core.journey import MAX_AGE_MS
from bot_linking.core.links import LOGIN, MENU
from bot_linking.core.ports import Attempt, Refusal
from bot_linking.core.ways import SITE_PAGES, label_of, masked
from bot_linking.webview.browser import Browser
from bot_linking.webview.opening import asked_kind, query_of, query_with, token_of_web_link
from bot_linking.webview.pages import Notice, Pages
from bot_linking.webview.refusals import RECOVERY, SHORTEST_PASSWORD, sentence, whole_minutes

if TYPE_CHECKING:
    from flask import Response

NOTHING: Mapping[str, str] = MappingProxyType({})


class Forms:
    """The forms of one app. A `secret` is the browser's own one, when this answer sets its cookie."""

    def __init__(
        self,
        settings: Settings,
        pages: Pages,
        browser: Browser,
        *,
        login_url: str,
        hooks: Hooks,
        now: Callable[[], int],
        foresee: Callable[..., Foresight],
    ) -> None:
        self._foresee = foresee
        self._settings = settings
        self._pages = pages
        self._browser = browser
        self._login_url = login_url
        self._hooks = hooks
        self._now = now

    @property
    def has_sign_in(self) -> bool:
        """Whether people can sign in on these pages, and not at the site alone."""
        hooks = self._hooks
        return any((hooks.authenticate, hooks.find_by_email, hooks.oidc))

    def again(self, attempt: Attempt, status: int) -> Response:
        """The page of the form that the attempt's refusal is about."""
        pages = {
            "signup": self.sign_up,
            "second-factor": self.second_factor,
            "email-code": self.email_code,
        }
        page = pages.get(attempt.refusal.form if attempt.refusal else "", self.login)
        return page(attempt, status=status)

    def login(
        self,
        attempt: Attempt,
        *,
        status: int = 200,
        secret: str | None = None,
        name: str = "login",
        shown: Mapping[str, str] = NOTHING,
    ) -> Response:
        """The sign-in page, or by its template's `name` another page with its form; `shown` are that one's
        values."""
        return self._pages.show(
            name,
            status,
            **shown,
            **self._filled_in("login", attempt, secret),
            has_password=self._hooks.authenticate is not None,
            provider=self._hooks.oidc.label if self._hooks.oidc else None,
            has_email=self._hooks.find_by_email is not None,
            site_login=self.site_login(attempt),
            forgot_url=self._settings.forgot_url,
            signup_url=self._address_of("signup", attempt) if self._hooks.create_account else None,
        )

    def sign_up(self, attempt: Attempt, *, status: int = 200, secret: str | None = None) -> Response:
        return self._pages.show(
            "signup",
            status,
            **self._filled_in("signup", attempt, secret),
            shortest_password=SHORTEST_PASSWORD,
            login_url=self._address_of("login", attempt),
        )

    def second_factor(self, attempt: Attempt, *, status: int = 200, secret: str | None = None) -> Response:
        is_recovery, is_other = self._kind_of_code(attempt)
        filled_in = self._filled_in("second-factor", attempt, secret)
        if is_other:
            filled_in |= {"error": None, "field": ""}
        return self._pages.show(
            "second_factor",
            status,
            **filled_in,
            is_recovery=is_recovery,
            other_kind=self._address_of_kind("app" if is_recovery else "recovery", attempt),
        )

    def _kind_of_code(self, attempt: Attempt) -> tuple[bool, bool]:
        """Whether the page asks for a recovery code, and whether the refused code was of the other kind."""
        refused = attempt.refusal.reason if attempt.refusal else ""
        was_recovery = refused in RECOVERY
        asked = asked_kind()
        is_recovery = was_recovery if asked is None else asked == "recovery"
        return is_recovery, is_recovery != was_recovery

    def _address_of_kind(self, kind: str, attempt: Attempt) -> str:
        """The address of the same page with the field for this kind of code."""
        if attempt.session_digest is None:
            return query_with("kind", kind)
        return f"{self._pages.root}/second-factor/{quote(attempt.attempt_id)}?kind={kind}"

    def email_code(self, attempt: Attempt, *, status: int = 200) -> Response:
        """The page to type a code from an e-mail. It names the typed address."""
        awaited, filled_in = attempt.awaited, self._filled_in("email-code", attempt, None)
        ends = min(awaited.expires_at, attempt.opened_at + MAX_AGE_MS) if awaited else 0
        return self._pages.show(
            "email_code",
            status,
            **filled_in | {"email": awaited.about if awaited else ""},
            minutes=whole_minutes(ends - self._now()),
            login_url=f"{self._pages.root}/login/{quote(attempt.attempt_id)}",
        )

    def consent(self, attempt: Attempt, *, secret: str | None = None) -> Response:
        """The page with the only button that links. It names the account that the link would replace and the
        chats that it would end, by the host's policy. Raises `Notice` where the policy refuses."""
        foresight = self._foresight(attempt)
        if foresight is not None and foresight.is_refused:
            raise Notice("conflict", 409, back=attempt.return_url or None)
        replaced = foresight.replaces if foresight else None
        return self._pages.show(
            "consent",
            ticket=self._browser.sign(attempt, secret, replaces=replaced.account_id if replaced else None),
            account=attempt.account,
            profile_name=attempt.profile_name,
            replaced=masked(label_of(replaced)) if replaced else None,
            ended=len(foresight.ends) if foresight else 0,
        )

    def _foresight(self, attempt: Attempt) -> Foresight | None:
        """What the host's policy says about the link; None while the chat is unknown."""
        if attempt.page_id is None or attempt.psid is None or attempt.account is None:
            return None
        return self._foresee(attempt.page_id, attempt.psid, attempt.account, source=attempt.way)

    def site_login(self, attempt: Attempt) -> str | None:
        """The address of the site's own login page with the way back in it. None where the site has none, and
        for a kept attempt of a web link, which only the link's own address could begin anew."""
        back = self._way_back(attempt)
        if back is None or not self._settings.login_url:
            return None
        return self._settings.login_url.replace("{next}", quote(back, safe=""))

    def _way_back(self, attempt: Attempt) -> str | None:
        """The address that begins this login anew, with the account that is signed in at the site by then."""
        base = self._login_url.removesuffix("/login")
        if attempt.way == LOGIN:
            return f"{self._login_url}?{query_of(attempt)}&returned=1"
        if attempt.way in SITE_PAGES:
            return f"{base}/{attempt.way}"
        if attempt.way == MENU:  # that page asks Messenger again who opened it
            return f"{base}/menu"
        token = token_of_web_link()
        return f"{base}/web/{token}?returned=1" if token else None

    def _address_of(self, form: str, attempt: Attempt) -> str | None:
        """The address of this login's sign-in or sign-up page, for the other one to lead to."""
        root = self._pages.root
        if attempt.way == LOGIN:
            return f"{root}/{form}?{query_of(attempt)}"
        if attempt.session_digest is not None:
            return f"{root}/{form}/{quote(attempt.attempt_id)}"
        if attempt.way in SITE_PAGES:
            return f"{root}/{attempt.way}" + ("?signup=1" if form == "signup" else "")
        token = token_of_web_link()
        return f"{root}/web/{token}" + ("?signup=1" if form == "signup" else "") if token else None

    def _filled_in(self, form: str, attempt: Attempt, secret: str | None) -> dict[str, Any]:
        """The values of a form: its ticket, and what the person typed before with the reason of the
        refusal."""
        refusal = attempt.refusal if attempt.refusal and attempt.refusal.form == form else None
        return {
            "ticket": self._browser.sign(attempt, secret),
            "username": refusal.username if refusal else "",
            "email": refusal.email if refusal else "",
            "error": self._sentence(refusal) if refusal else None,
            "field": refusal.field if refusal else "",
            "by_email": self.by_email,
        }

    def _sentence(self, refusal: Refusal) -> str:
        pages = self._pages
        return sentence(refusal, now=self._now(), _=pages.text, _n=pages.count, by_email=self.by_email)

    @property
    def by_email(self) -> bool:
        """Whether people log in with their e-mail address."""
        return self._settings.sign_in_with == "email"
