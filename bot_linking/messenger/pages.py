"""The pages that an app serves: those of its configuration, and those that were added while it runs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from bot_linking.core.codes import bytes_of, digest_of
from bot_linking.core.errors import PageUnknown, StoreAbsent, StoreUnavailable
from bot_linking.doors.unconfigured import is_command

if TYPE_CHECKING:
    from bot_linking.config.pages import Page
    from bot_linking.messenger.events import AllowedPages

LOOK_EVERY_S = 2.0
LOOK_AFTER_FAILURE_S = 10.0
ALL_ANEW_AFTER_S = 86_400.0  # long before the store forgets which pages were removed

_log = logging.getLogger("bot_linking")


class Keeper(Protocol):
    """Reads the added pages; implemented by `stores.page_keeper.Keeper`."""

    def revision(self) -> int:
        """The number of the newest change of a page. Raises `StoreUnavailable`."""

    def since(self, revision: int) -> Iterable[tuple[int, str, Page | None]]:
        """Each later change: its number, the page's id, and the page, or None for a page that was removed or
        that no key opens. Raises `StoreUnavailable`."""


class Pages:
    """The pages of one app, by id.

    With a `keeper`, a question two seconds after the last look first asks it for changes, in the thread that
    asks. While the store is away, the known pages stay.

    Before the added pages could be read once, no page can be called unknown: `page`, `names`, `serves` and
    `secrets_of` raise `StoreUnavailable` then. A caller that judges by every secret or token calls
    `require_all` before it refuses.
    """

    def __init__(
        self,
        configured: Iterable[Page],
        keeper: Keeper | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = _Table(configured)
        self.configured = frozenset(self._table.pages)
        self._keeper = keeper
        self._monotonic = monotonic
        self._turn, self._pid = threading.Lock(), os.getpid()
        self._seen = 0
        self._looked_at: float | None = None
        self._failed_at: float | None = None
        self._look_at = 0.0

    # Questions

    @property
    def revision(self) -> int:
        """A number that changes with each change of a page, a token or a secret."""
        return self._now().changes

    def page(self, page_id: str | None) -> Page:
        """A page; without an id, the only one. Raises `PageUnknown` and `StoreUnavailable`."""
        known = self._now().pages
        page = known.get(page_id) or known.get(None)
        if page is None and page_id is None and len(known) == 1:
            (page,) = known.values()
        if page is None:
            self.require_all()
            raise PageUnknown(_why_unknown(page_id, len(known)))
        return page

    def all(self) -> tuple[Page, ...]:
        """Every page."""
        return tuple(self._now().pages.values())

    def sole_id(self) -> str | None:
        """The id of the only page; None where there are several, or where its id is not configured."""
        known = self._now().pages
        return next(iter(known)) if len(known) == 1 else None

    def is_one(self) -> bool:
        """Whether there is one page, with its id or without."""
        return len(self._now().pages) == 1

    def names(self, page_id: str | None) -> bool:
        """Whether the app has a page by this id; false for the page whose id is not configured. Raises
        `StoreUnavailable`."""
        if page_id is None or page_id in self._now().pages:
            return page_id is not None
        self.require_all()
        return False

    def serves(self, page_id: str) -> bool:
        """Whether this page is one of the app's; always true where the configuration names no page. Raises
        `StoreUnavailable`."""
        return None in self._now().pages or self.names(page_id)

    def secrets_of(self, page_id: str | None) -> tuple[bytes, ...]:
        """The app secrets that may sign for this page, the newest first; none for an unknown page. Raises
        `StoreUnavailable`."""
        known = self._now().pages
        page = known.get(page_id) or known.get(None)
        if page is not None:
            return tuple(bytes_of(secret) for secret in page.app_secrets)
        self.require_all()
        return ()

    def require_all(self) -> None:
        """Raise `StoreUnavailable` before the added pages could be read once."""
        self._now()
        if self._keeper is not None and self._looked_at is None:
            raise StoreUnavailable("the pages that were added could not be read yet")

    def pages_by_secret(self) -> Mapping[bytes, AllowedPages]:
        """Every app secret that is known by now, and the pages that it may speak for."""
        return self._now().pages_by_secret

    def verify_tokens(self) -> tuple[bytes, ...]:
        """Every token that is known by now and that Messenger's handshake may name."""
        return tuple({bytes_of(token) for page in self.all() for token in page.verify_tokens})

    def token_name(self, page_id: str | None) -> str:
        """A short digest of the page's access tokens and app secrets; empty for an unknown page. When it
        changes, messages that were held for a bad token may be tried again."""
        try:
            return _name_of(self.page(page_id))
        except (PageUnknown, StoreUnavailable):
            return ""

    # Changes

    def use_next(self, page: Page, cause: Literal["token", "secret"]) -> Page | None:
        """Put the page's next access token or app secret first, after Graph has refused the first one. The
        page as it is then; None where it has no other."""
        with self._lock():
            known = self._table.pages.get(page.id)
            if known is not page:
                return known  # changed meanwhile
            if cause == "token":
                again = replace(page, access_tokens=_next_first(page.access_tokens))
            else:
                again = replace(page, app_secrets=_next_first(page.app_secrets))
            if again == page:
                return None
            self._table.change([(page.id, again)])
            return again

    def refresh(self) -> None:
        """Read the changes from the store now. Raises `StoreUnavailable`."""
        if self._keeper is not None:
            with self._lock():
                self._take_up(self._keeper)

    def refresh_together(self) -> None:
        """The same for threads of which many may ask at once: who asks while another one reads takes what it
        has come to. While the store does not answer they wait for it once, and not one after the other."""
        if self._keeper is None:
            return
        asked = self._monotonic()
        with self._lock():
            if self._looked_at is not None and self._looked_at > asked:
                return
            if self._failed_at is not None and self._failed_at > asked:
                raise StoreUnavailable("the pages that were added could not be read")
            self._take_up(self._keeper)

    def _now(self) -> _Table:
        if self._keeper is not None and self._monotonic() >= self._look_at:
            self._refresh_in_turn(self._keeper)
        return self._table

    def _refresh_in_turn(self, keeper: Keeper) -> None:
        """Read the changes in one thread; other threads go on with the known pages."""
        lock = self._lock()
        if not lock.acquire(blocking=self._looked_at is None):
            return
        try:
            if self._monotonic() >= self._look_at:
                self._take_up(keeper)
        except StoreAbsent:  # a command that only looks: no page was added to a database that is not there
            self._looked_at = self._monotonic()
        except StoreUnavailable as problem:
            self._look_at = self._monotonic() + LOOK_AFTER_FAILURE_S
            if self._looked_at is not None or not is_command():  # which meets the store itself, and says so
                _log.warning("the pages that were added cannot be read: %s", problem)
        finally:
            lock.release()

    def _take_up(self, keeper: Keeper) -> None:
        began = self._monotonic()
        is_anew = self._looked_at is None or began - self._looked_at > ALL_ANEW_AFTER_S
        try:
            newest = keeper.revision()
            if is_anew or newest < self._seen:  # lower: a backup was restored
                self._take_all(keeper)
            elif newest > self._seen:
                self._seen = self._take(keeper.since(self._seen), self._seen)
        except StoreUnavailable:
            self._failed_at = self._monotonic()
            raise
        self._looked_at, self._look_at = began, began + LOOK_EVERY_S

    def _take_all(self, keeper: Keeper) -> None:
        changes = list(keeper.since(0))
        kept = {page_id for _, page_id, _ in changes}
        gone = self._table.pages.keys() - self.configured - kept
        self._table.change((page_id, None) for page_id in gone)
        self._seen = self._take(changes, 0)

    def _take(self, changes: Iterable[tuple[int, str, Page | None]], seen: int) -> int:
        taken: list[tuple[str | None, Page | None]] = []
        for number, page_id, page in changes:
            seen = number
            if page_id not in self.configured:
                taken.append((page_id, page))
        if taken:
            self._table.change(taken)
        return seen

    def _lock(self) -> threading.Lock:
        """This process's lock. After a fork the parent's one may be held for ever."""
        if self._pid != os.getpid():
            self._turn, self._pid = threading.Lock(), os.getpid()
        return self._turn


class _Table:
    """Pages by id, and the pages of each app secret. Other threads read both while they change, so a change
    builds new mappings and assigns them at its end."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self.pages: Mapping[str | None, Page] = {}
        self.pages_by_secret: Mapping[bytes, AllowedPages] = {}
        self.changes = 0
        self.change((page.id, page) for page in pages)

    def change(self, changes: Iterable[tuple[str | None, Page | None]]) -> None:
        """Replace the page of each id; None removes it."""
        pages, by_secret = dict(self.pages), _PagesBySecret(self.pages_by_secret)
        for page_id, page in changes:
            before = pages.pop(page_id, None)
            for secret in before.app_secrets if before else ():
                by_secret.remove(bytes_of(secret), page_id)
            if page is not None:
                pages[page_id] = page
                for secret in page.app_secrets:
                    by_secret.add(bytes_of(secret), page_id)
        self.pages, self.pages_by_secret, self.changes = pages, by_secret.known, self.changes + 1


class _PagesBySecret:
    """The pages of each app secret during a change. Each set of pages is copied once at most."""

    def __init__(self, known: Mapping[bytes, AllowedPages]) -> None:
        self.known = dict(known)
        self._fresh: dict[bytes, set[str]] = {}

    def add(self, secret: bytes, page_id: str | None) -> None:
        if page_id is None:
            self.known[secret] = None
        elif self.known.get(secret, ()) is not None:
            self._pages_of(secret).add(page_id)

    def remove(self, secret: bytes, page_id: str | None) -> None:
        """Take a page from a secret. A secret of every page stays: the configuration names it."""
        if page_id is not None and self.known.get(secret) is not None:
            pages = self._pages_of(secret)
            pages.discard(page_id)
            if not pages:
                del self.known[secret], self._fresh[secret]

    def _pages_of(self, secret: bytes) -> set[str]:
        if secret not in self._fresh:
            self._fresh[secret] = self.known[secret] = set(self.known.get(secret) or ())
        return self._fresh[secret]


def _next_first(values: tuple[str, ...]) -> tuple[str, ...]:
    return (*values[1:], *values[:1])


def _why_unknown(page_id: str | None, count: int) -> str:
    if page_id is not None:
        return "this page is not configured"
    return "several pages are configured; say which with page_id=" if count else "no page is configured"


def _name_of(page: Page) -> str:
    return digest_of("\n".join(sorted((*page.access_tokens, *page.app_secrets))))[:16]
