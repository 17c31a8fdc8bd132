"""Which page shows an attempt at each stage of its journey."""

from __future__ import annotations

from bot_linking.core.journey import Stage
from bot_linking.core.links import MENU, WEB
from bot_linking.core.ports import Attempt
from bot_linking.core.ways import SITE_PAGES

PAGES = {
    Stage.OPENED: "login",
    Stage.CODE_SENT: "email-code",
    Stage.PROVIDER_ASKED: "oidc",
    Stage.PASSWORD_GIVEN: "second-factor",
    Stage.SECOND_FACTOR_PASSED: "second-factor",
    Stage.CONSENT_SHOWN: "consent",
    Stage.APPROVED: "consent",
}


def page_of(attempt: Attempt) -> str:
    """The page of an attempt's own address, by its name in the address."""
    if attempt.way in SITE_PAGES and attempt.stage is Stage.CONSENT_SHOWN:
        return attempt.way
    if attempt.stage is Stage.PROVIDER_ASKED and attempt.awaited is None:
        return "login"  # the provider's answer was refused
    if attempt.way in (MENU, WEB) and attempt.stage is Stage.DONE:
        return "linked"
    is_typed = attempt.way == WEB and attempt.stage is Stage.APPROVED
    return "digits" if is_typed else PAGES.get(attempt.stage, "consent")


SIGN_IN_PAGES = ("login", "signup")  # shown at any stage that allows a password
