"""Mirrors links: binds a linked person's PSID to the account's user, whichever door linked them.

The binding is written in the link's own transaction, so that no reader sees one without the other.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from bot_linking.core.events import AccountLinked, AccountUnlinked, LinkChanged, Outcome
from bot_linking.core.links import Account, Link
from bot_linking.core.log_throttle import log_failure

if TYPE_CHECKING:
    from bot_linking.stores.engine import Read, Row, Tx
    from bot_linking.stores.store import SQLStore

PLATFORM = "messenger"
PLATFORM_NAME = "Messenger"
LARGEST_USER_ID = 2**63 - 1
PEOPLE_AT_ONCE = 200  # in one transaction, so that no webhook waits for long
_UNION_ID = re.compile("[A-Za-z0-9_-]{1,50}")

UserIdOf = Callable[[Account], int | None]

_log = logging.getLogger("bot_linking.external_account")


def decimal_user_id(account: Account) -> int | None:
    """The account's id as a number, when it is one: ASCII digits that fit 63 bits."""
    text = account.id
    if not (text.isascii() and text.isdigit() and len(text) <= 19) or text != str(int(text)):
        return None
    return int(text) if int(text) <= LARGEST_USER_ID else None


class LinkMirror:
    """The `stores.engine.Follower` of this room. `named` are the applications that the setting names; none
    means every application."""

    only_tells = False

    def __init__(self, named: Sequence[str], user_id_of: UserIdOf) -> None:
        self._named = tuple(named)
        self._user_id_of = user_id_of

    def follow(self, tx: Tx, outcome: Outcome, now: int) -> None:
        match outcome:
            case AccountLinked(link=link) | LinkChanged(link=link):
                self._bind(tx, link, now, self._apps(tx))
            case AccountUnlinked(page_id=page_id, psid=psid):
                _unbind(tx, page_id, psid)

    def erase(self, tx: Tx, page_id: str | None, psid: str) -> int:
        return tx.run("external_erase", platform=PLATFORM, psid=psid, page_id=page_id)

    def export(self, read: Read, page_id: str | None, psid: str) -> dict[str, list[Row]]:
        rows = read("external_export", platform=PLATFORM, psid=psid, page_id=page_id)
        return {"external_accounts": rows}

    def export_account(self, read: Read, account_id: str) -> dict[str, list[Row]]:
        user_id = self._user_of(account_id)
        apps = [row["app_key"] for row in read("external_list_apps")] if user_id is not None else []
        rows = [
            {"app_key": app_key, **row}
            for app_key in apps
            for row in read("external_list_accounts", app_key=app_key, user_id=user_id, page_id=None)
        ]
        return {"external_accounts": rows}

    def catch_up(self, store: SQLStore, app_key: str, now: int) -> None:
        """Bind the people who are linked already in a new application."""
        links = store.list_links() if self.is_meant(app_key) else iter(())
        while some := list(islice(links, PEOPLE_AT_ONCE)):
            store.engine.write(partial(self._bind_all, some, app_key, now))

    def _bind_all(self, links: Sequence[Link], app_key: str, now: int, tx: Tx) -> None:
        """Bind those of these links that still stand."""
        tx.hold(psids=[link.psid for link in links])
        for link in links:
            still = tx.one("find_person", page_id=link.page_id, psid=link.psid)
            if still is not None and still["account_id"] == link.account_id:
                self._bind(tx, link, now, [app_key])

    def _bind(self, tx: Tx, link: Link, now: int, apps: Sequence[str]) -> None:
        """Bind a link's PSID to its user. Another user's binding of this PSID ends, with its tokens."""
        user_id = self._user_of_link(link)
        if user_id is None or not _UNION_ID.fullmatch(link.psid):
            _unbind(tx, link.page_id, link.psid)
            return
        whose = {"platform": PLATFORM, "psid": link.psid, "page_id": link.page_id}
        for app_key in apps:
            tx.put("external_unbind_other_user", app_key=app_key, user_id=user_id, **whose)
        for app_key in apps:
            tx.put("external_claim_for_link", app_key=app_key, **whose)
        for app_key in apps:
            tx.put(
                "external_bind_link",
                app_key=app_key,
                user_id=user_id,
                platform_name=PLATFORM_NAME,
                now=now,
                **whose,
            )

    def user_id_of(self, account: Account) -> int | None:
        """The number that the host returns; None for one that does not fit. Raises what the host raises."""
        user_id = self._user_id_of(account)
        fits = isinstance(user_id, int) and not isinstance(user_id, bool) and 0 <= user_id <= LARGEST_USER_ID
        return user_id if fits else None

    def _user_of(self, account_id: str) -> int | None:
        """The user of an account id; None also for a text that is no such id. Raises what the host raises."""
        try:
            account = Account(account_id)
        except (TypeError, ValueError):
            return None
        return self.user_id_of(account)

    def _user_of_link(self, link: Link) -> int | None:
        """The user of a link; None also when the host's hook fails, which must not fail the link."""
        try:
            account = Account(link.account_id, link.username, link.email, link.phone_number)
            return self.user_id_of(account)
        except Exception:
            log_failure(_log, "user_id_of failed; the link is not bound")
            return None

    def _apps(self, tx: Tx) -> list[str]:
        known = [row["app_key"] for row in tx.all("external_list_apps")]
        return [app_key for app_key in known if self.is_meant(app_key)]

    def is_meant(self, app_key: str) -> bool:
        """Whether links are bound in this application: the setting names it, or names none."""
        return not self._named or app_key in self._named


def _unbind(tx: Tx, page_id: str, psid: str) -> None:
    """Remove a PSID's accounts. The database ends their tokens."""
    tx.put("external_unbind_link", platform=PLATFORM, psid=psid, page_id=page_id)
