"""Why a form was refused: the table of reasons, with a sentence for each in the person's language."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from bot_linking.core.errors import BotLinkingError
from bot_linking.core.ports import Refusal

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024

RECOVERY = frozenset({"recovery_missing", "recovery_wrong", "code_locked"})
"""Reasons after which the page asks for a recovery code."""

Translate = Callable[..., str]


def sentence(refusal: Refusal, *, now: int, _: Translate, _n: Translate, by_email: bool = False) -> str:
    """The sentence that the form shows; the site's own one, where it gave one. `now` is in milliseconds, `_`
    translates, `_n` translates with a number."""
    if refusal.text:
        return refusal.text
    if refusal.reason == "many":
        return _too_many(whole_minutes((refusal.until or now) - now), _n)
    if refusal.reason in _COUNTED:
        return _COUNTED[refusal.reason](_n)
    asked_for = "email" if by_email else "username"
    field = "password" if refusal.field == "password" else asked_for
    keys = (f"{refusal.reason} {field}", f"{refusal.reason} {asked_for}", refusal.reason)
    return next(_SENTENCES[key] for key in keys if key in _SENTENCES)(_)


def whole_minutes(wait_ms: int) -> int:
    """A wait in whole minutes, rounded up, at least one."""
    return max(1, -(-wait_ms // 60_000))


def _too_many(minutes: int, _n: Translate) -> str:
    return _n(
        "Too many attempts. Please try again in a minute.",
        "Too many attempts. Please try again in about {count} minutes.",
        minutes,
    )


_SENTENCES: dict[str, Callable[[Translate], str]] = {
    "missing username": lambda _: _("Enter your user name."),
    "missing email": lambda _: _("Enter your email address."),
    "missing password": lambda _: _("Enter your password."),
    "wrong username": lambda _: _("Wrong user name or password. Please try again."),
    "wrong email": lambda _: _("Wrong email or password. Please try again."),
    "busy": lambda _: _("Too busy right now. Please try again in a few seconds."),
    "new_missing username": lambda _: _("Choose a user name."),
    "new_missing email": lambda _: _("Enter your email address."),
    "new_missing password": lambda _: _("Choose a password."),
    "email_wrong": lambda _: _("That is not an email address. It looks like name@example.com."),
    "mailed_missing": lambda _: _("Enter the code from the email."),
    "mailed_wrong": lambda _: _("Wrong code. Use the code from the newest email."),
    "mailed_over": lambda _: _("Three wrong codes, so the code in the email ended. Ask for a new one."),
    "mailed_late": lambda _: _("The code in the email is too old. Ask for a new one."),
    "provider_denied": lambda _: _("You did not log in there, so nothing was connected."),
    "provider_failed": lambda _: _("The login there did not work. Please try again."),
    "provider_other": lambda _: _("That answer belongs to another login. Please try again."),
    "provider_late": lambda _: _("The login there took too long. Please try again."),
    "provider_away": lambda _: _("We cannot reach that login just now. Please try again in a few minutes."),
    "provider_unknown": lambda _: _("No account here belongs to that login."),
    "code_missing": lambda _: _("Enter the code from your app."),
    "code_wrong": lambda _: _("Wrong code, or it was used already. Wait for the next one and try again."),
    "code_locked": lambda _: _("Too many wrong codes. Use one of your recovery codes."),
    "recovery_missing": lambda _: _("Enter one of your recovery codes."),
    "recovery_wrong": lambda _: _("Wrong recovery code, or it was used already. Please try again."),
}

_COUNTED: dict[str, Callable[[Translate], str]] = {
    "new_short": lambda _n: _n(
        "The password needs {count} character or more.",
        "The password needs {count} characters or more.",
        SHORTEST_PASSWORD,
    ),
    "new_long": lambda _n: _n(
        "The password can have {count} character at most.",
        "The password can have {count} characters at most.",
        LONGEST_PASSWORD,
    ),
}


class SignUpRefused(BotLinkingError):
    """For `create_account` to raise; its text is shown to the person beside the form. `field` names the one
    field in question: `username`, `email` or `password`."""

    slug: ClassVar[str] = "sign_up_refused"

    def __init__(self, text: str = "", *, field: str = "username") -> None:
        super().__init__(text)
        self.field = field


def wrong_with(username: str, password: str) -> tuple[str, str] | None:
    """Why a sign-up is refused: the reason and the field in question; None for a good one."""
    if not username or not password:
        return "new_missing", "password" if username else "username"
    if len(password) < SHORTEST_PASSWORD:
        return "new_short", "password"
    if len(password) > LONGEST_PASSWORD:
        return "new_long", "password"
    return None
