"""How often, and how many at once: every limit of the linking pages.

An attempt is counted before it is judged, and a good one is taken back. When the store is away nothing is
allowed.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bot_linking.config.settings import Settings
from bot_linking.core.linking import Linking
from bot_linking.doors.throttle import Limit, Throttle

FIVE_MINUTES_S, HOUR_S, DAY_S = 300, 3600, 86_400
BY_NAME_AN_HOUR = 100
WRONG_CODES_A_DAY = 20  # for one e-mail address from one network: of six digits each guess counts
CODES_A_DAY = 20  # to one e-mail address from one network, whose mailbox it need not be
QUESTIONS_OF_ACCOUNT = 10  # to Messenger, in five minutes
CHAT_LINKS_OF_ACCOUNT = 10  # in five minutes
BUTTONS_OF_CHAT = 3  # in five minutes
MOST_LOOKED_AFTER = 10_000
TIMES_THE_ADDRESS_LIMIT = 6  # several people share an address


class TooBusy(Exception):
    """As many passwords as may be checked at once are being checked."""


class Admission:
    """The limits of one app."""

    def __init__(self, linking: Linking, settings: Settings) -> None:
        self._throttle = Throttle(linking.counters, linking.now)
        self._looks = Throttle(_InProcess(), linking.now)
        tries, failures = settings.sign_in_limit, settings.address_limit
        self._by_address = Limit("address", failures, 60)
        self._by_name_and_address = Limit("sign-in", tries, FIVE_MINUTES_S)
        # One address cannot reach it: a stranger who guesses locks no owner out.
        self._by_name = Limit("sign-in-name", max(BY_NAME_AN_HOUR, 20 * tries), HOUR_S)
        self._codes_by_address = Limit("code-address", failures, 60)
        self._codes_by_name_and_address = Limit("code", tries, FIVE_MINUTES_S)
        self._codes_of_day = Limit("code-day", CODES_A_DAY, DAY_S)
        self._codes_by_name = Limit("code-name", max(BY_NAME_AN_HOUR, 20 * tries), HOUR_S)
        self._code_tries = Limit("code-try", failures, 60)
        self._code_tries_by_name_and_address = Limit("code-try-day", WRONG_CODES_A_DAY, DAY_S)
        self._code_tries_by_name = Limit("code-try-name", 10 * WRONG_CODES_A_DAY, DAY_S)
        self._providers = Limit("provider", TIMES_THE_ADDRESS_LIMIT * failures, 60)
        self._sign_ups = Limit("sign-up", failures, 60)
        self._cancels = Limit("cancel", failures, 60)
        self._kept = Limit("kept", TIMES_THE_ADDRESS_LIMIT * failures, 60)
        self._questions_of_address = Limit("graph-address", TIMES_THE_ADDRESS_LIMIT * failures, 60)
        self._questions_of_account = Limit("graph-account", QUESTIONS_OF_ACCOUNT, FIVE_MINUTES_S)
        self._chat_links_of_account = Limit("chat-link-account", CHAT_LINKS_OF_ACCOUNT, FIVE_MINUTES_S)
        self._chat_links_of_address = Limit("chat-link-address", TIMES_THE_ADDRESS_LIMIT * failures, 60)
        self._buttons = Limit("new-button", BUTTONS_OF_CHAT, FIVE_MINUTES_S)
        self._places = threading.BoundedSemaphore(settings.sign_in_concurrency)
        self._provider_places = threading.BoundedSemaphore(settings.sign_in_concurrency)

    def count_sign_in(self, name: str, address: str) -> None:
        """Count a try before its outcome is known. Raises `TooManyAttempts`; a try that one limit refuses
        does not count for the next, wider one."""
        self._throttle.count(self._by_address, address)
        self._throttle.count(self._by_name_and_address, _pair(name, address))
        self._throttle.count(self._by_name, name)

    def refund_sign_in(self, name: str, address: str) -> None:
        """The try was no guess after all: it was never judged."""
        self._throttle.refund(self._by_address, address)
        self._throttle.refund(self._by_name_and_address, _pair(name, address))
        self._throttle.refund(self._by_name, name)

    def forgive_sign_in(self, name: str, address: str) -> None:
        """The password was right: who mistyped it before begins anew."""
        self._throttle.refund(self._by_address, address)
        self._throttle.forget(self._by_name_and_address, _pair(name, address))
        self._throttle.refund(self._by_name, name)

    def count_code(self, name: str, address: str) -> None:
        """Before a code is sent to the e-mail address `name`, in its canonical spelling: counted like a try
        at a password, and by the day. Raises `TooManyAttempts`."""
        self._throttle.count(self._codes_by_address, address)
        self._throttle.count(self._codes_by_name_and_address, _pair(name, address))
        self._throttle.count(self._codes_of_day, _pair(name, address))
        self._throttle.count(self._codes_by_name, name)

    def refund_code(self, name: str, address: str) -> None:
        """No code was sent after all."""
        self._throttle.refund(self._codes_by_address, address)
        self._throttle.refund(self._codes_by_name_and_address, _pair(name, address))
        self._throttle.refund(self._codes_of_day, _pair(name, address))
        self._throttle.refund(self._codes_by_name, name)

    def count_code_try(self, name: str, address: str) -> None:
        """Before a code that was typed is judged; each code has tries of its own beside. `name` is the e-mail
        address that it went to, in its canonical spelling."""
        self._throttle.count(self._code_tries, address)
        self._throttle.count(self._code_tries_by_name_and_address, _pair(name, address))
        self._throttle.count(self._code_tries_by_name, name)

    def forgive_code(self, name: str, address: str) -> None:
        """The code was right: its address begins anew."""
        self._throttle.refund(self._code_tries, address)
        self._throttle.forget(self._code_tries_by_name_and_address, _pair(name, address))
        self._throttle.refund(self._code_tries_by_name, name)
        self._throttle.refund(self._codes_by_address, address)
        self._throttle.forget(self._codes_by_name_and_address, _pair(name, address))
        self._throttle.forget(self._codes_of_day, _pair(name, address))
        self._throttle.refund(self._codes_by_name, name)

    def count_provider(self, address: str) -> None:
        """Before a person is led to the identity provider: each costs a row."""
        self._throttle.count(self._providers, address)

    def count_sign_up(self, address: str) -> None:
        self._throttle.count(self._sign_ups, address)

    def count_cancel(self, address: str) -> None:
        self._throttle.count(self._cancels, address)

    def count_button(self, page_id: str, psid: str) -> None:
        """Before a new Log In button goes to a chat."""
        self._throttle.count(self._buttons, _pair(page_id, psid))

    def count_kept(self, address: str) -> None:
        """Before an attempt of a person who has not signed in is kept: each costs a row."""
        self._throttle.count(self._kept, address)

    def count_chat_link(self, account_id: str, address: str) -> None:
        """Before the page that connects a chat makes a new address and code."""
        self._throttle.count(self._chat_links_of_account, account_id)
        self._throttle.count(self._chat_links_of_address, address)

    def count_question(self, account_id: str, address: str) -> None:
        """Before Messenger is asked whose login it is, which costs the page's quota."""
        self._throttle.count(self._questions_of_account, account_id)
        self._throttle.count(self._questions_of_address, address)

    def count_look(self, account_id: str, address: str) -> None:
        """The same for GET, which writes nothing: what was counted is looked at, and what it asks is counted
        in this process."""
        for limit, key in ((self._questions_of_account, account_id), (self._questions_of_address, address)):
            self._throttle.check(limit, key)
            self._looks.count(limit, key)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Passwords are slow to check: only so many at once, so that webhooks are answered meanwhile. Raises
        `TooBusy` at once where all places are taken."""
        with _a_place_of(self._places):
            yield

    @contextmanager
    def provider_place(self) -> Iterator[None]:
        """The same for answers that are exchanged at the identity provider: while it is slow, passwords are
        checked all the same."""
        with _a_place_of(self._provider_places):
            yield


@contextmanager
def _a_place_of(places: threading.BoundedSemaphore) -> Iterator[None]:
    if not places.acquire(blocking=False):
        raise TooBusy
    try:
        yield
    finally:
        places.release()


class _InProcess:
    """`core.ports.Counters` in the memory of one process, the oldest forgotten first."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, expires_at: int, now: int) -> int:
        with self._lock:
            hits, until = self._counts.pop(key, (0, expires_at))
            hits, until = (hits + 1, until) if now < until else (1, expires_at)
            self._counts[key] = (hits, until)
            if len(self._counts) > MOST_LOOKED_AFTER:
                del self._counts[next(iter(self._counts))]
            return hits

    def refund(self, key: str, now: int) -> None:
        with self._lock:
            hits, until = self._counts.get(key, (0, now))
            if hits:
                self._counts[key] = (hits - 1, until)

    def find_limit(self, key: str, now: int, window: int) -> tuple[int, int]:
        hits, until = self._counts.get(key, (0, now))
        return (hits, until) if now < until else (0, now)

    def drop_limit(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)


def _pair(name: str, address: str) -> str:
    """Both as one key. A name may hold any mark, so that no separator could keep them apart."""
    return json.dumps([name, address])
