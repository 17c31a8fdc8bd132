"""A mail program that keeps the codes it should send, for a site whose people sign in by a code."""

from __future__ import annotations

import threading
from typing import Any

from bot_linking import Account
from tests.bots import Bot, NewBot
from tests.browser import Browser
from tests.people import ADA, GRACE

WAIT_S = 30
ADDRESS = "ada@example.com"


class Mailbox:
    """Codes by address, in the order of sending, and each address that the site was asked about."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.email: account for account in accounts or (ADA, GRACE)}
        self.sent: list[tuple[str, str]] = []
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self._changed = threading.Condition()

    def find_by_email(self, address: str) -> Account | None:
        with self._changed:
            self.asked.append(address)
            self._changed.notify_all()
        return self.accounts.get(address.casefold())

    def send_code(self, address: str, code: str) -> None:
        with self._changed:
            self.sent.append((address, code))
            self._changed.notify_all()
        if self.failure is not None:
            raise self.failure

    def code(self, number: int = 1) -> str:
        """The code of this mail, once it was sent."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.sent) >= number, WAIT_S)
        return self.sent[number - 1][1]

    def wait_until_asked(self, times: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= times, WAIT_S)


def mailing(new_bot: NewBot, mailbox: Mailbox, **given: Any) -> Bot:
    """A bot whose people may sign in by a code."""
    return new_bot(find_by_email=mailbox.find_by_email, send_code=mailbox.send_code, **given)


def ask_for_code(bot: Bot, address: str = ADDRESS) -> Browser:
    """A browser at the page that asks for the code."""
    browser = bot.browser()
    browser.open()
    browser.submit("email", email=address)
    browser.follow()
    return browser


def other_than(code: str) -> str:
    """A wrong code."""
    return f"{(int(code) + 1) % 1_000_000:06d}"
