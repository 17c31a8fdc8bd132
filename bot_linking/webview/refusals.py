"""Why a form was not taken: the one table of reasons, and what each says in the person's language."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from bot_linking.core.errors import BotLinkingError
from bot_linking.core.ports import Refusal

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024

Translate = Callable[..., str]


def sentence(refusal: Refusal, *, now: int, _: Translate) -> str:
    """What the form says. The site's own sentence comes first; `now` is in milliseconds."""
    if refusal.text:
        return refusal.text
    if refusal.reason == "many":
        return too_many((refusal.until or now) - now, _)
    return _SENTENCES[refusal.reason](_)


def too_many(wait_ms: int, _: Translate) -> str:
    minutes = max(1, -(-wait_ms // 60_000))
    return _("Too many attempts. Please try again in about {minutes} minutes.", minutes=str(minutes))


_SENTENCES: dict[str, Callable[[Translate], str]] = {
    "missing": lambda _: _("Enter your user name and password."),
    "wrong": lambda _: _("That user name or password is not right."),
    "busy": lambda _: _("Many people are logging in just now. Please try again in a moment."),
    "new_missing": lambda _: _("Choose a user name and a password."),
    "new_short": lambda _: _("The password needs {count} characters or more.", count=str(SHORTEST_PASSWORD)),
    "new_long": lambda _: _("The password may have {count} characters at most.", count=str(LONGEST_PASSWORD)),
    "email_wrong": lambda _: _("That is not an email address. It looks like name@example.com."),
    "mailed_missing": lambda _: _("Enter the code from the email."),
    "mailed_wrong": lambda _: _("That code is not right. Use the code from the newest email."),
    "mailed_over": lambda _: _("Three codes were wrong, so the code in the email ended. Ask for a new one."),
    "mailed_late": lambda _: _("The code in the email is too old. Ask for a new one."),
    "code_missing": lambda _: _("Enter the code from your app."),
    "code_wrong": lambda _: _("That code is not right, or was used already. Wait for the next one."),
    "code_locked": lambda _: _("Too many wrong codes. Use one of your recovery codes."),
}


class SignUpRefused(BotLinkingError):
    """For `create_account` to raise; its text is shown to the person beside the form. `field` names the one
    field in question: `username`, `email` or `password`."""

    slug: ClassVar[str] = "sign_up_refused"

    def __init__(self, text: str = "", *, field: str = "username") -> None:
        super().__init__(text)
        self.field = field


def wrong_with(username: str, password: str) -> tuple[str, str] | None:
    """What a sign-up lacks: the reason and the field in question."""
    if not username or not password:
        return "new_missing", "password" if username else "username"
    if len(password) < SHORTEST_PASSWORD:
        return "new_short", "password"
    if len(password) > LONGEST_PASSWORD:
        return "new_long", "password"
    return None
