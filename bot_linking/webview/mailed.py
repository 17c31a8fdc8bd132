"""Codes that go to an e-mail address: makes, sends and judges them.

A code is six random digits. The store keeps a digest of it, keyed with a secret of the browser that asked and
a key of the site, so that a copy of the database gives no code away. The site is asked for the account, and
the code is sent, after the page has been answered: its time does not tell whether the address has an account.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import threading
import traceback
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from bot_linking.core.codes import digest_for
from bot_linking.core.errors import ConfigurationError
from bot_linking.core.hooks import FindByEmail, Hooks, SendCode
from bot_linking.core.links import Account
from bot_linking.core.log_throttle import log_sparingly
from bot_linking.core.ports import Awaited
from bot_linking.webview.fields import canonical_name
from bot_linking.webview.held import require_account

KIND = "mailed code"
MAX_AGE_MS = 600_000
TRIES = 3
MOST_AT_ONCE = 32  # codes that one process sends at the same time
PAUSE_S = 0.1  # time for the page to be answered first

_LONGEST = 254
_LONGEST_LOCAL = 64
_LOCAL_SIGNS = frozenset(".#$&'*+-/=?^_{}~")
_HOST = re.compile(r"(?!.*\.\.)[^\W_](?:[\w.-]*[^\W_])?")

InContext = Callable[[], AbstractContextManager[object]]

_log = logging.getLogger("bot_linking.webview")


class TooManyCodes(Exception):
    """`MOST_AT_ONCE` codes are being sent already."""


def is_address(text: str) -> bool:
    """Whether this is one plain address. A list, a name beside the address, a header or an option of a
    command in it would reach the site's mail program."""
    local, at, host = text.partition("@")
    if not at or len(text) > _LONGEST or not 0 < len(local) <= _LONGEST_LOCAL:
        return False
    is_local = all(mark.isalnum() or mark in _LOCAL_SIGNS for mark in local)
    is_dotted = not local.startswith((".", "-")) and not local.endswith(".") and ".." not in local
    return is_local and is_dotted and _HOST.fullmatch(host) is not None


def is_impostor(typed: str, account: Account) -> bool:
    """Whether the typed address may be another mailbox than the account's own.

    Many databases find `ada@example.com` by `àda@example.com`, and `ada@163.com` by its digits in another
    script. So an address beyond ASCII must be exactly the account's own.
    """
    own = account.email
    if own is not None and _is_same(own, typed):
        return False
    if not typed.isascii():
        return True
    return own is not None and canonical_name(own) == canonical_name(typed)


def _is_same(one: str, other: str) -> bool:
    return one.isascii() == other.isascii() and _ascii_folded(one) == _ascii_folded(other)


def _ascii_folded(address: str) -> str:
    composed = unicodedata.normalize("NFC", address.strip())
    return "".join(mark.lower() if mark.isascii() else mark for mark in composed)


class MailedCodes:
    """The codes of one app. `keys` are the site's, newest first. `in_context` is entered around each call of
    the host's code in a thread."""

    def __init__(
        self,
        find_by_email: FindByEmail,
        send_code: SendCode,
        *,
        keys: Sequence[str],
        in_context: InContext,
    ) -> None:
        self._find_by_email = find_by_email
        self._send_code = send_code
        self._keys = keys
        self._in_context = in_context
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    # In the request

    def make(self, address: str, attempt_id: str, *, now: int) -> tuple[str, Callable[[str], Awaited]]:
        """A new code, and a function that makes what is kept of it from the browser's secret."""
        code = f"{secrets.randbelow(1_000_000):06d}"

        def awaited(session: str) -> Awaited:
            digest = _digest(self._keys[0], session, attempt_id, code)
            return Awaited(KIND, digest, address, now + MAX_AGE_MS)

        return code, awaited

    def is_right(self, awaited: Awaited, code: str, attempt_id: str, session: str) -> bool:
        """Whether this is the code that was sent for this attempt and this browser's secret."""
        digests = [_digest(key, session, attempt_id, code) for key in self._keys]
        return any(hmac.compare_digest(each, awaited.digest) for each in digests)

    def account_of(self, address: str) -> Account | None:
        """The account of this address, as the site says; None for an address that only looks like its own."""
        account = self._find_by_email(address)
        if account is None or is_impostor(address, require_account(account)):
            return None
        return account

    # After it

    @contextmanager
    def sending(self, address: str, code: str) -> Iterator[None]:
        """Send the code in a thread when the block has ended without an error, if the address has an account.
        Raises `TooManyCodes` before the block, for any address."""
        if not self._places.acquire(blocking=False):
            raise TooManyCodes
        try:
            yield
        except BaseException:
            self._places.release()
            raise
        timer = threading.Timer(PAUSE_S, partial(self._send_in_a_place, address, code))
        timer.daemon, timer.name = True, "bot_linking code"
        timer.start()

    def _send_in_a_place(self, address: str, code: str) -> None:
        try:
            with self._in_context():
                if self.account_of(address) is not None:
                    self._send_code(address, code)
        except Exception as problem:
            # The error's text may hold the address and the code.
            where = where_of(problem)
            log_sparingly(_log, logging.ERROR, f"code {where}", "a code was not sent: %s", where)
        finally:
            self._places.release()


def mailed_codes(hooks: Hooks, *, keys: Sequence[str], in_context: InContext) -> MailedCodes | None:
    """The codes of a host that has both hooks; None for neither. Raises `ConfigurationError` for one of
    them."""
    find, send = hooks.find_by_email, hooks.send_code
    if (find is None) != (send is None):
        raise ConfigurationError("AccountLinking(find_by_email=..., send_code=...)", "go together")
    return None if find is None or send is None else MailedCodes(find, send, keys=keys, in_context=in_context)


def _digest(key: str, session: str, attempt_id: str, code: str) -> str:
    return digest_for(f"mailed code {key} {session}", f"{attempt_id} {code}")


def where_of(problem: Exception) -> str:
    """An exception's type and place, without its text."""
    frame = traceback.extract_tb(problem.__traceback__)[-1]
    return f"{type(problem).__name__} in {frame.name}, line {frame.lineno} of {frame.filename}"
