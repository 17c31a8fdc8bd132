"""Errors with slugs. They know no HTTP: each door maps slug to status in its own table."""

from __future__ import annotations

from typing import ClassVar, Literal


class ConfigurationError(Exception):
    """Settings are missing or unsafe. The message names each key and never shows a value. `key` is the first
    of them, and `problems` has one sentence for each."""

    def __init__(self, key: str, problem: str, *more: tuple[str, str]) -> None:
        self.key = key
        self.problems = tuple(f"{name} {what}" for name, what in ((key, problem), *more))
        super().__init__("\n".join(self.problems))


class BotLinkingError(Exception):
    """Every refusal of this package. `slug` is stable and safe to log, count and compare."""

    slug: ClassVar[str] = "error"


class SignatureRefused(BotLinkingError):
    """The bytes were not signed by an app secret that we know."""

    slug = "signature_refused"


class PayloadTooLarge(BotLinkingError):
    """The body, or the number of events in it, is over the limit."""

    slug = "payload_too_large"


class PayloadUnreadable(BotLinkingError):
    """The body is not the JSON or the form that is expected."""

    slug = "payload_unreadable"


class StoreUnavailable(BotLinkingError):
    """The database did not answer in time, is full, read-only or damaged. Nothing was stored."""

    slug = "store_unavailable"


class StoreAbsent(StoreUnavailable):
    """There is no database yet, and none is made, as the caller only looks. So nobody is linked."""


class PageUnknown(BotLinkingError):
    """Several pages are possible and none was named. Say which with `page_id=`."""

    slug = "page_unknown"


class AccountUnknown(BotLinkingError):
    """`resolve_account` knows no account with these identifiers."""

    slug = "account_unknown"


class IdentifierRefused(BotLinkingError, ValueError):
    """A user name, e-mail address or phone number is missing, too long, or holds control characters."""

    slug = "identifier_refused"


class SecondFactorLocked(BotLinkingError):
    """Too many wrong codes in a row: only a recovery code or the operator unlocks the second factor."""

    slug = "second_factor_locked"


class DeliveryFailed(BotLinkingError):
    """A message or call did not get through. The error says what the outbox should do with the entry.

    `advice` is `"later"` (try again), `"never"` (give up), `"page"` (keep it until the page or the app is
    mended; `cause` names what) or `"window"` (keep it until the person writes). `whole_page` is true when
    every call for that page would fail in the same way. `retry_after` is the least number of seconds to wait.
    `held_for` sets the entry aside, so that the person's other entries do not wait for it.
    """

    slug = "delivery_failed"
    advice: Literal["later", "never", "page", "window"] = "later"
    whole_page: bool = False
    cause: str | None = None
    retry_after: float | None = None
    held_for: str | None = None


class GiveUp(DeliveryFailed):
    """For a handler of the bot that a login had interrupted to raise: it is not run again.

    The text becomes the reason in the dead letters and in the log; the person gets one sentence of regret.
    """

    slug = "given_up"
    advice = "never"
