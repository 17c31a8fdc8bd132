"""Pages that are added while the bot runs, for a platform that adds one for each of its customers.

The store keeps their tokens and secrets encrypted with `BOT_LINKING_PAGE_KEYS`. Every process sees a change
within seconds. Pages of the configuration can be changed in the configuration only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from bot_linking.config.pages import Page, read_page
from bot_linking.core.errors import BotLinkingError, ConfigurationError
from bot_linking.core.reading import read_id

if TYPE_CHECKING:
    from bot_linking.core.ports import KeptPage, KeptPages
    from bot_linking.messenger.pages import Pages

KEPT_VALUES = 2  # the newest, and the one that it replaces


class PageRefused(BotLinkingError, ValueError):
    """A page cannot be added, changed or removed: the configuration has it, it is there already or missing,
    or a value is not a secret. The text says which, and holds no value."""

    slug: ClassVar[str] = "page_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPage:
    """A page as it is listed: the numbers of its good tokens and secrets, without their values.

    `source` is `configuration` or `store`. Times are milliseconds since the epoch, None for a page of the
    configuration. The three counts are 0 for a page of the store that no key opens.
    """

    page_id: str | None
    source: str
    access_tokens: int
    app_secrets: int
    verify_tokens: int
    added_at: int | None = None
    changed_at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


class PageKeeper(Protocol):
    """Encrypts and decrypts the pages of the store; implemented by `stores.page_keeper.Keeper`."""

    def all(self) -> list[KeptPage]:
        """Every page of the store, in the order of their last changes."""

    def find(self, page_id: str) -> KeptPage | None:
        """A page of the store; None when it is not there."""

    def open(self, kept: KeptPage) -> Page | None:
        """Decrypt a page; None where no key opens it."""

    def close(self, page: Page) -> str:
        """Encrypt a page. Raises `ConfigurationError` without a key."""


class RuntimePages:
    """`linking.pages`: add, list, replace and remove pages while the bot runs.

    `judge` raises `ConfigurationError` for a page whose values the configuration would refuse.
    """

    def __init__(
        self,
        pages: Pages,
        keeper: PageKeeper,
        store: KeptPages,
        *,
        judge: Callable[[Page], None],
        now: Callable[[], int],
    ) -> None:
        self._pages = pages
        self._keeper = keeper
        self._store = store
        self._judge = judge
        self._now = now

    def add(self, page_id: str, *, access_token: str, app_secret: str, verify_token: str) -> None:
        """Serve a page: in this process at once, in every other within seconds.

        Raises `PageRefused`, `ConfigurationError` without `BOT_LINKING_PAGE_KEYS`, and `StoreUnavailable`.
        """
        page_id = self._own(page_id)
        page = self._read(page_id, access_token, app_secret, verify_token)
        if not self._store.add_page(page_id, self._keeper.close(page), self._now()):
            raise PageRefused(f"page {page_id} is there already")
        self._pages.refresh()

    def list(self) -> list[KnownPage]:
        """Every page: those of the configuration, then those of the store."""
        configured = [page for page in self._pages.all() if page.id in self._pages.configured]
        known = [_known(page, page.id, "configuration") for page in configured]
        return known + [
            _known(self._keeper.open(kept), kept.page_id, "store", kept) for kept in self._keeper.all()
        ]

    def remove(self, page_id: str) -> bool:
        """Stop serving a page, and delete its tokens and secrets. False when it is not there.

        Its links and history stay; waiting messages are given up after a day. `erase` deletes people.
        Raises `PageRefused` for a page of the configuration.
        """
        page_id = self._own(page_id)
        is_removed = self._store.remove_page(page_id, self._now())
        self._pages.refresh()
        return is_removed

    def rotate(
        self,
        page_id: str,
        *,
        access_token: str | None = None,
        app_secret: str | None = None,
        verify_token: str | None = None,
    ) -> None:
        """Replace the given values. The value before stays good until the next `rotate` or `finish`, for
        requests that are under way. Messages that wait for a better token go on automatically.

        Raises as `add` does.
        """
        page_id = self._own(page_id)
        given = (access_token, app_secret, verify_token)

        def rotated(page: Page) -> Page:
            new = self._read(page_id, *(each or old for each, old in zip(given, _newest(page), strict=True)))
            return replace(
                page,
                access_tokens=_before(new.access_tokens, page.access_tokens),
                app_secrets=_before(new.app_secrets, page.app_secrets),
                verify_tokens=_before(new.verify_tokens, page.verify_tokens),
            )

        self._change(page_id, rotated)

    def finish(self, page_id: str) -> None:
        """End the values that were replaced: only the newest of each kind is good from now on."""
        self._change(
            self._own(page_id),
            lambda page: replace(
                page,
                access_tokens=page.access_tokens[:1],
                app_secrets=page.app_secrets[:1],
                verify_tokens=page.verify_tokens[:1],
            ),
        )

    def reseal(self) -> int:
        """Encrypt every page with the newest key, so that older keys can be removed. The number of pages."""
        page_ids = [kept.page_id for kept in self._keeper.all()]
        for page_id in page_ids:
            self._change(page_id, lambda page: page)
        return len(page_ids)

    def _change(self, page_id: str, change: Callable[[Page], Page]) -> None:
        """Change a page, and do it again on the page as it is by then when another process was faster."""
        while (kept := self._keeper.find(page_id)) is not None:
            page = self._keeper.open(kept)
            if page is None:
                raise PageRefused(f"no key of BOT_LINKING_PAGE_KEYS opens page {page_id}")
            sealed = self._keeper.close(change(page))
            if self._store.replace_page(page_id, sealed, self._now(), before=kept.sealed or ""):
                self._pages.refresh()
                return
        raise PageRefused(f"there is no page {page_id} in the store")

    def _own(self, page_id: str) -> str:
        """The id, when it may name a page of the store. Raises `PageRefused`."""
        known = read_id(page_id)
        if known is None:
            raise PageRefused("this is not a page id")
        if known in self._pages.configured:
            raise PageRefused(f"page {known} is in the configuration: change it there")
        return known

    def _read(self, page_id: str, access_token: str, app_secret: str, verify_token: str) -> Page:
        values = {
            "access_token": [access_token],
            "app_secret": [app_secret],
            "verify_token": [verify_token],
        }
        try:
            page = read_page(page_id, values)
            self._judge(page)
        except (ValueError, ConfigurationError) as problem:
            raise PageRefused(str(problem).removeprefix("of ")) from None
        return page


def _newest(page: Page) -> tuple[str, str, str]:
    return page.access_tokens[0], page.app_secrets[0], page.verify_tokens[0]


def _before(new: tuple[str, ...], old: tuple[str, ...]) -> tuple[str, ...]:
    """The new value, then the one that it replaces."""
    return tuple(dict.fromkeys((*new, *old)))[:KEPT_VALUES]


def _known(page: Page | None, page_id: str | None, source: str, kept: KeptPage | None = None) -> KnownPage:
    return KnownPage(
        page_id=page_id,
        source=source,
        access_tokens=len(page.access_tokens) if page else 0,
        app_secrets=len(page.app_secrets) if page else 0,
        verify_tokens=len(page.verify_tokens) if page else 0,
        added_at=kept.added_at if kept else None,
        changed_at=kept.changed_at if kept else None,
    )
