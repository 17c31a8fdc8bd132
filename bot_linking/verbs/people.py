"""The verbs about people: who is linked, and how that ends."""

from __future__ import annotations

from typing import Any

from bot_linking.core.events import EventIgnored, LinkingRefused
from bot_linking.core.funnel_report import funnel_of
from bot_linking.core.history import Change
from bot_linking.core.links import Connection, Link
from bot_linking.core.rights import export_account
from bot_linking.verbs.registered import Registered


class People(Registered):
    """Look up, unlink, erase."""

    def link_of(self, psid: str, page_id: str | None = None) -> Link | None:
        """The person's link, or None. It is one indexed read: ask on every message.

        `page_id` is needed with several pages only. Raises `PageUnknown` when the PSID is linked on several
        pages and none is named, and `StoreUnavailable`.
        """
        return self._here().linking.link_of(psid, page_id)

    def links_of(self, account_id: str) -> list[Link]:
        """Every link of an account: a person may write to several pages, or from several profiles."""
        return self._here().linking.links_of(account_id)

    def history_of(self, psid: str, page_id: str | None = None) -> list[Change]:
        """Every change of a person's links, oldest first: what, when, and who made it. Changes are kept for
        400 days, or until `erase`."""
        return self._here().linking.history_of(psid, page_id)

    def unlink(self, psid: str, page_id: str | None = None) -> bool:
        """Unlink here at once, and at Messenger through the outbox, which tries until it works.

        False when there was no link. The person gets a short farewell.
        """
        return self._here().linking.unlink(psid, page_id)

    def erase(self, psid: str, page_id: str | None = None) -> int:
        """Remove everything about a person from every table, on every page unless one is named. Returns the
        number of rows."""
        return self._here().linking.erase(psid, page_id)

    def drop_pending(self, account_id: str) -> None:
        """End the logins of an account that are under way: call it when its password changes or it is
        disabled."""
        self._here().linking.drop_pending(account_id)

    def unlink_account(self, account_id: str) -> int:
        """End every link of an account and its logins under way: call it when the account is deleted, locked
        or recovered.

        Returns the number of links that ended. Each person gets a short farewell. Tokens of the
        ExternalAccount module that came from the links end with them; `ExternalAccount.revoke_tokens` ends
        all others.
        """
        return self._here().linking.unlink_account(account_id)

    def undo(self, psid: str, page_id: str | None = None) -> bool:
        """Put back what the newest link of this chat replaced: no link, or the former account as it was.

        It works once, within seven days of that link. The chat cannot be linked to the undone account for a
        day, and every login of the chat under way ends. False where there is nothing to undo, or where
        `may_link` refuses the former account.
        """
        here = self._here().linking
        outcome = here.undoing.undo(page_id or here.only_page(), psid)
        return not isinstance(outcome, EventIgnored | LinkingRefused)

    def funnel(self, days: int = 30, *, page_id: str | None = None, way: str | None = None) -> dict[str, Any]:
        """How many people came to which stage of linking in the last days, and how long that took.

        `{"days": 30, "stages": {"prompted": 5, ..., "confirmed": 3}, "ways": {"login": {"stages": ...}},
        "seconds": {"opened": {"median": 8.0, "ninetieth": 30.0}, ...}}`; beside `stages` also `cancelled`,
        `abandoned` (opened half an hour ago and not ended) and `refused` (slug to number). `way` is a value
        of `Link.source`. Counts of other processes arrive a few seconds later.
        """
        here = self._here()
        here.funnel.write()
        unnamed = page_id is not None and here.pages.is_one()
        return funnel_of(here.store, here.linking.now(), days=days, page_id=page_id, way=way, unnamed=unnamed)

    def connections_of(self, account_id: str) -> list[Connection]:
        """The chats that are linked to an account, for a page of your own: the last changed comes first.

        The blueprint's `/connections` shows the same to a person who is signed in at the site. Each is a
        `Link` with a `profile_name`, None where Messenger does not tell it. Messenger is asked at most once
        in five minutes, and for at most three seconds.
        """
        return self._here().owner_pages.connections_of(account_id)

    def export(self, psid: str, page_id: str | None = None) -> dict[str, Any]:
        """Everything that is held about a person, as plain JSON values: table to rows, times in RFC 3339.

        It holds link, history, outbox, logins under way and external accounts, without secrets, tokens and
        digests. Without `page_id` it is of every page.
        """
        return self._here().linking.store.export(page_id, psid)

    def export_account(self, account_id: str) -> dict[str, Any]:
        """Everything that is held about an account of your site: its chats, its history and its external
        accounts, in the form of `export`."""
        return export_account(self._here().store, account_id)

    def erase_account(self, account_id: str) -> int:
        """Remove everything about an account and about the people who are linked to it. Returns the number of
        rows."""
        return self._here().linking.erase_account(account_id)
