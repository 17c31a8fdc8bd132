"""The owner's control: put back what the newest link of a chat replaced."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from bot_linking.core.codes import digest_of
from bot_linking.core.events import EventIgnored, LinkingRefused, Outcome
from bot_linking.core.links import to_ms
from bot_linking.core.notices import OwnerNotice
from bot_linking.core.ports.owners import UNDO_MAX_AGE_MS, Owners
from bot_linking.core.reading import is_storable


class Undoing:
    """Undoes a link, for an operator or for the bearer of a token from a notice to the owner."""

    def __init__(
        self,
        store: Owners,
        *,
        now: Callable[[], int],
        tell_all: Callable[[Sequence[Outcome]], None],
        allows: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._now = now
        self._tell_all = tell_all
        self._allows = allows

    def undo(self, page_id: str, psid: str, *, change_id: str | None = None, source: str = "undo") -> Outcome:
        """Put back what this chat's newest link replaced: the former account as it was, or no link.

        `change_id` names the change that is meant; `source` is what the history gets.
        `EventIgnored("undone")` where it was undone already, `EventIgnored("newer")` where something newer
        has happened or there is nothing to undo, `LinkingRefused("account_refused")` where `may_link` refuses
        the former account. Raises `StoreUnavailable` when `may_link` fails.
        """
        if not is_storable(page_id + psid):
            return EventIgnored("newer", page_id, psid)
        found = self._store.find_undo(page_id, psid)
        if change_id is None:
            change_id = found.change_id if found else ""
        before = found.before if found and found.change_id == change_id else None
        if before is not None and not self._allows(before.account_id):
            outcomes: list[Outcome] = [LinkingRefused("account_refused", page_id, psid)]
        else:
            outcomes = self._store.undo(page_id, psid, change_id, self._now(), source=source)
        self._tell_all(outcomes)
        return outcomes[0]

    def mint_token(self, notice: OwnerNotice) -> str | None:
        """A token by which the change of this notice can be undone; the store keeps its digest alone.

        None for an unlink, for an undo, and for a change that is no longer the chat's newest.
        """
        link, changed_at = notice.link, to_ms(notice.at)
        undo = self._store.find_undo(link.page_id, link.psid)
        if notice.kind == "unlinked" or notice.source == "undo" or undo is None or undo.undone:
            return None
        if (undo.changed_at, undo.account_id) != (changed_at, link.account_id):
            return None
        token = secrets.token_urlsafe(24)
        self._store.save_undo_token(digest_of(token), undo, changed_at + UNDO_MAX_AGE_MS)
        return token

    def find(self, token: str) -> tuple[str, str, str] | None:
        """The page, the PSID and the change id of a token; None when it is unknown or has expired."""
        return self._store.find_undo_token(digest_of(token), self._now())
