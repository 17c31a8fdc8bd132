"""Every limit of the linking pages: how often, and how many at once.

A try is counted before it is judged, and a good one is given back. While the store is away no try is allowed.
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
WRONG_CODES_A_DAY = 20  # for one e-mail address from one network
CODES_A_DAY = 20  # to one e-mail address from one network
QUESTIONS_OF_ACCOUNT = 10  # to Messenger, in five minutes
CHAT_LINKS_OF_ACCOUNT = 10  # in five minutes
BUTTONS_OF_CHAT = 3  # in five minutes
MOST_LOOKED_AFTER = 10_000
TIMES_THE_ADDRESS_LIMIT = 6  # several people share an address


class TooBusy(Exception):
    """All places for checking passwords, or for asking the identity provider, are taken."""


class NameLimits:
    """Limits on tries at a name: of one address, of the name from one address, and of the name from all.

    A name is in its canonical spelling. A try that one limit refuses does not count for the next, wider one.
    """

    def __init__(self, throttle: Throttle, by_address: Limit, *by_both: Limit, by_name: Limit) -> None:
        self._throttle = throttle
        self._by_address = by_address
        self._by_both = by_both
        self._by_name = by_name

    def count(self, name: str, address: str) -> None:
        """Count a try before it is judged. Raises `TooManyAttempts`."""
        self._throttle.count(self._by_address, address)
        for limit in self._by_both:
            self._throttle.count(limit, _pair(name, address))
        self._throttle.count(self._by_name, name)

    def refund(self, name: str, address: str) -> None:
        """Give back a try that was not judged."""
        self._throttle.refund(self._by_address, address)
        for limit in self._by_both:
            self._throttle.refund(limit, _pair(name, address))
        self._throttle.refund(self._by_name, name)

    def forgive(self, name: str, address: str) -> None:
        """Give back a right try, and forget the earlier ones at this name from this address."""
        self._throttle.refund(self._by_address, address)
        for limit in self._by_both:
            self._throttle.forget(limit, _pair(name, address))
        self._throttle.refund(self._by_name, name)


class Admission:
    """The limits of one app: `sign_ins` with passwords, `codes` sent by e-mail, `code_tries` at them,
    others."""

    def __init__(self, linking: Linking, settings: Settings) -> None:
        self._throttle = Throttle(linking.counters, linking.now)
        self._looks = Throttle(_InProcess(), linking.now)
        tries, failures = settings.sign_in_limit, settings.address_limit
        # One network cannot reach this limit, so one stranger cannot lock an owner out.
        by_name = max(BY_NAME_AN_HOUR, 20 * tries)
        self.sign_ins = NameLimits(
            self._throttle,
            Limit("address", failures, 60),
            Limit("sign-in", tries, FIVE_MINUTES_S),
            by_name=Limit("sign-in-name", by_name, HOUR_S),
        )
        self.codes = NameLimits(
            self._throttle,
            Limit("code-address", failures, 60),
            Limit("code", tries, FIVE_MINUTES_S),
            Limit("code-day", CODES_A_DAY, DAY_S),
            by_name=Limit("code-name", by_name, HOUR_S),
        )
        self.code_tries = NameLimits(
            self._throttle,
            Limit("code-try", failures, 60),
            Limit("code-try-day", WRONG_CODES_A_DAY, DAY_S),
            by_name=Limit("code-try-name", 10 * WRONG_CODES_A_DAY, DAY_S),
        )
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

    def count_provider(self, address: str) -> None:
        """Count a way to the identity provider: each costs a row of the store."""
        self._throttle.count(self._providers, address)

    def count_sign_up(self, address: str) -> None:
        self._throttle.count(self._sign_ups, address)

    def count_cancel(self, address: str) -> None:
        self._throttle.count(self._cancels, address)

    def count_button(self, page_id: str, psid: str) -> None:
        """Count a new Log In button before it goes to a chat."""
        self._throttle.count(self._buttons, _pair(page_id, psid))

    def count_kept(self, address: str) -> None:
        """Count an attempt before it is kept for a person who has not signed in: each costs a row."""
        self._throttle.count(self._kept, address)

    def count_chat_link(self, account_id: str, address: str) -> None:
        """Count a visit to the page that makes an address and a code for connecting a chat."""
        self._throttle.count(self._chat_links_of_account, account_id)
        self._throttle.count(self._chat_links_of_address, address)

    def count_question(self, account_id: str, address: str) -> None:
        """Count a question to Messenger about whose login it is: each costs the page's quota."""
        self._throttle.count(self._questions_of_account, account_id)
        self._throttle.count(self._questions_of_address, address)

    def count_look(self, account_id: str, address: str) -> None:
        """The same for a GET, which must not write to the store: check its counters, and count the question
        in this process."""
        for limit, key in ((self._questions_of_account, account_id), (self._questions_of_address, address)):
            self._throttle.check(limit, key)
            self._looks.count(limit, key)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for checking one password. There are a few, so that webhooks are answered meanwhile.
        Raises `TooBusy` at once where all are taken."""
        with _a_place_of(self._places):
            yield

    @contextmanager
    def provider_place(self) -> Iterator[None]:
        """A place for asking the identity provider. A slow provider takes no place from passwords."""
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
    """`core.ports.Counters` in the memory of one process. The oldest counter is forgotten first."""

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
    """Both as one key. As JSON, since a name may hold any separator."""
    return json.dumps([name, address])
