"""The verbs of this room, for the endpoint, the commands and the host's own code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bot_linking.config.settings import SiteSettings
from bot_linking.core.codes import digest_of
from bot_linking.core.errors import SecondFactorLocked, StoreUnavailable
from bot_linking.core.events import LinkingRefused
from bot_linking.core.linking import Linking
from bot_linking.core.links import Account
from bot_linking.core.log_throttle import log_failure
from bot_linking.core.marks import plain_code
from bot_linking.core.ports import Tell
from bot_linking.core.reading import has_hidden_marks, is_storable
from bot_linking.doors.callers import Callers
from bot_linking.doors.throttle import Limit, Throttle, TooManyAttempts
from bot_linking.external_account import tokens, two_factor
from bot_linking.external_account.accounts import Accounts
from bot_linking.external_account.apps import Apps
from bot_linking.external_account.errors import (
    AppKeyRefused,
    BindRefused,
    ExternalAccountUnknown,
    LinkDecides,
    SecondFactorRefused,
    SecondFactorUnreadable,
    TokenRefused,
)
from bot_linking.external_account.link_mirror import LARGEST_USER_ID, PLATFORM, LinkMirror
from bot_linking.external_account.second_factors import SecondFactors
from bot_linking.external_account.tokens import Token
from bot_linking.external_account.two_factor import Enrolment, Vault

if TYPE_CHECKING:
    from bot_linking.external_account.models import BindRequest, SignInRequest
    from bot_linking.stores.store import SQLStore

LONGEST_APP_KEY = 128
LONGEST_AGE_S = 10 * 365 * 86_400
UPKEEP_MS = 3_600_000

MIGRATIONS = "bot_linking_external_account"
ROOM = "bot_linking.external_account"

MayBind = Callable[[str, int, str, str], bool]
ReadSignIn = Callable[[], "SignInRequest"]

_log = logging.getLogger("bot_linking.external_account")


class Service:
    """The ExternalAccount service of one app, without HTTP. `pages` returns the page ids of the app's bot."""

    def __init__(
        self,
        linking: Linking,
        store: SQLStore,
        mirror: LinkMirror,
        settings: SiteSettings,
        *,
        tell: Tell,
        may_bind: MayBind | None,
        pages: Callable[[], Collection[str]],
        sees_to_upkeep: bool,
    ) -> None:
        store.engine.extend(MIGRATIONS, ROOM)
        self.apps = Apps(store.engine)
        self.second_factors = SecondFactors(store.engine, Vault(settings.external_keys))
        self.accounts = Accounts(store.engine, self.second_factors)
        self.mirror = mirror
        self.settings = settings
        self._linking = linking
        self._store = store
        self._tell = tell
        self._may_bind = may_bind
        self._pages = pages
        self._upkeep_at = linking.now() if sees_to_upkeep else None
        self._throttle = Throttle(linking.counters, linking.now)
        self.callers = Callers(linking.counters, linking.now, settings.trusted_proxies)
        self._by_union = Limit("external-union", settings.external_sign_in_limit, 60)
        self._by_address = Limit("external-address", settings.external_address_limit, 60)
        self._by_app = Limit("external-app", settings.external_app_limit, 60)

    def now(self) -> int:
        return self._linking.now()

    # Applications and tokens

    def create_app(self, app_key: str, *, expires_in: int = tokens.BACK_END_AGE_S) -> str:
        """Make an application. Returns its back end's token. Raises `AppKeyRefused`.

        People who are linked already are bound first. After an error in between, call it again to finish.
        """
        visible = app_key.strip() and not has_hidden_marks(app_key) and "/" not in app_key
        if not visible or len(app_key) > LONGEST_APP_KEY:
            raise AppKeyRefused(f"an appKey has 1 to {LONGEST_APP_KEY} visible characters and no slash")
        token, now = tokens.mint_token(), self.now()
        expires_at = _end(now, expires_in)
        if self.apps.begin_app(app_key, now):
            self.mirror.catch_up(self._store, app_key, now)
            if self.apps.finish_app(app_key, token, tokens.BACK_END, now, expires_at):
                return token.text
        raise AppKeyRefused("there is an application with this appKey already")

    def create_token(
        self, app_key: str, user_id: int | None, scopes: Sequence[str], *, expires_in: int
    ) -> str:
        """Make a token of a user, or of the back end. Raises `AppKeyRefused` for an unknown application."""
        if user_id is not None:
            _check_user(user_id)
        _check_app(app_key)
        token, now = tokens.mint_token(), self.now()
        if not self.apps.save_token(token, app_key, user_id, scopes, now, _end(now, expires_in)):
            raise AppKeyRefused("there is no application with this appKey")
        return token.text

    def find_token(self, given: str | None) -> Token | None:
        return self.apps.find_token(digest_of(given), self.now()) if given else None

    def token_for(self, app_key: str, header: str | None) -> Token:
        """The good token of this application in an `Authorization` header. Raises `TokenRefused`, alike for a
        missing token and for an unknown, expired or other application's one."""
        token = self.find_token(tokens.bearer_of(header))
        if token is None or token.app_key != app_key:
            raise TokenRefused("a valid token of this application is needed: Authorization: Bearer ...")
        return token

    def revoke(self, token_or_id: str) -> bool:
        return is_storable(token_or_id) and self.apps.revoke_token(token_or_id, digest_of(token_or_id)) > 0

    # The calls

    def logins_of(self, token: Token, page_id: str | None) -> list[dict[str, Any]]:
        """The accounts of the token's user; with a page, only those that links on this page made. Raises
        `ExternalAccountUnknown` for a page that the bot does not serve."""
        logins = self.accounts.logins_of(token.app_key, token.needs_user("accounts"), page_id)
        if not logins and page_id is not None and not self._is_page(page_id):
            raise ExternalAccountUnknown("there is no page with this pageID")
        return logins

    def _is_page(self, page_id: str) -> bool:
        return page_id in self._pages() or page_id in self._store.find_pages()

    def bind(self, token: Token, user_id: int, wanted: BindRequest) -> None:
        """Bind a pair to the token's user, if the site allows it. Raises `LinkDecides` for platform
        `messenger`, `BindRefused` and `BoundToAnother`."""
        if wanted.platform == PLATFORM:
            raise LinkDecides("platform messenger is bound by linking in Messenger, never by a call")
        self._ask_site(token.app_key, user_id, wanted)
        self.accounts.bind(
            token.app_key,
            user_id,
            wanted.platform,
            wanted.unionID,
            self.now(),
            platform_name=wanted.platformName or "",
            avatar=wanted.avatar or "",
            data=wanted.data or "",
        )

    def _ask_site(self, app_key: str, user_id: int, wanted: BindRequest) -> None:
        if self._may_bind is None:
            return
        try:
            allowed = self._may_bind(app_key, user_id, wanted.platform, wanted.unionID)
        except Exception as problem:
            log_failure(_log, "may_bind failed; the call is refused and may be repeated")
            raise StoreUnavailable("may_bind did not answer") from problem
        if not allowed:
            raise BindRefused("the site does not let this account be bound")

    def sign_in(self, app_key: str, header: str | None, address: str, read: ReadSignIn) -> tuple[str, int]:
        """A token for the user of a pair, and how many seconds it lives.

        Each try is counted before it is judged, by address, application and pair, so that a burst cannot
        outrun a limit; a good one is given back. Raises what `token_for` and `Accounts.sign_in` raise,
        `ScopeMissing` and `TooManyAttempts`.
        """
        counted: list[tuple[Limit, str]] = []
        self._count(counted, self._by_address, address)
        token = self.token_for(app_key, header)
        token.needs("signin")
        self._count(counted, self._by_app, app_key)
        wanted = read()
        self._count(counted, self._by_union, f"{app_key} {wanted.platform} {wanted.unionID}")
        signed_in = self._sign_in(app_key, wanted)
        with suppress(StoreUnavailable):  # the token is kept: an error here must not fail the sign-in
            for limit, key in counted:
                self._throttle.refund(limit, key)
            self._see_to_upkeep(self.now())
        return signed_in

    def _sign_in(self, app_key: str, wanted: SignInRequest) -> tuple[str, int]:
        token, now, age_s = tokens.mint_token(), self.now(), self.settings.external_token_age
        try:
            self.accounts.sign_in(
                app_key,
                wanted.platform,
                wanted.unionID,
                wanted.twoFactorCode,
                token,
                now,
                now + age_s * 1000,
                page_id=wanted.pageID,
            )
        except (SecondFactorRefused, SecondFactorLocked) as refusal:
            self._tell(LinkingRefused(refusal.slug))
            raise
        return token.text, age_s

    def _count(self, counted: list[tuple[Limit, str]], limit: Limit, key: str) -> None:
        self._throttle.check(limit, key)  # a flood costs no write
        self._throttle.count(limit, key)
        counted.append((limit, key))

    def _see_to_upkeep(self, now: int) -> None:
        """Delete old counters once an hour: without a bot, no delivery worker does."""
        if self._upkeep_at is not None and now - self._upkeep_at >= UPKEEP_MS:
            self._upkeep_at = now
            self._store.purge(now)

    # The second factor

    def enable_two_factor(self, app_key: str, user_id: int, secret: str | None = None) -> Enrolment:
        """Save this secret or a new one in place of any other. Raises `AppKeyRefused`,
        `ConfigurationError`."""
        _check_user(user_id)
        _check_app(app_key)
        secret = two_factor.new_secret() if secret is None else two_factor.checked_secret(secret)
        codes = two_factor.new_recovery_codes()
        digests = [two_factor.recovery_digest(code) or "" for code in codes]
        if not self.second_factors.save(app_key, user_id, secret, digests, self.now()):
            raise AppKeyRefused("there is no application with this appKey")
        issuer = self.settings.brand_name or app_key
        address = two_factor.address_of(secret, app_key=app_key, user_id=user_id, issuer=issuer)
        return Enrolment(address, codes)

    def check_code(self, app_key: str, user_id: int, code: str) -> None:
        """Check a code. Raises `SecondFactorRefused`, `SecondFactorLocked` and `TooManyAttempts`."""
        _check_app(app_key)
        self.second_factors.check(app_key, user_id, plain_code(code), self.now())

    def passes(self, account: Account, code: str | None) -> bool:
        """Whether an account may go on to the consent page, with this code or None.

        Raises `TooManyAttempts` and `SecondFactorLocked`.
        """
        user_id = self._user_id_of(account)
        app_key = self._guarding_app(user_id) if user_id is not None else None
        if user_id is None or app_key is None:
            return True
        if code is None:
            return False
        try:
            self.check_code(app_key, user_id, code)
        except SecondFactorRefused:
            return False
        except TooManyAttempts:
            self._tell(LinkingRefused(TooManyAttempts.slug))
            raise
        return True

    def _user_id_of(self, account: Account) -> int | None:
        try:
            return self.mirror.user_id_of(account)
        except Exception as problem:  # it may have a second factor, so it must not pass
            raise SecondFactorUnreadable(f"user_id_of failed: {type(problem).__name__}") from problem

    def _guarding_app(self, user_id: int) -> str | None:
        """The application that has this user's second factor, of those in which links are bound."""
        apps = self.second_factors.apps_of(user_id)
        return next(filter(self.mirror.is_meant, apps), None)


def _check_app(app_key: str) -> None:
    if not is_storable(app_key):
        raise AppKeyRefused("there is no application with this appKey")


def _check_user(user_id: int) -> None:
    if not 0 <= user_id <= LARGEST_USER_ID:
        raise ValueError("a user id is a whole number of 63 bits")


def _end(now: int, expires_in: int) -> int:
    if not 0 < expires_in <= LONGEST_AGE_S:
        raise ValueError(f"a token lives between 1 and {LONGEST_AGE_S} seconds")
    return now + expires_in * 1000
