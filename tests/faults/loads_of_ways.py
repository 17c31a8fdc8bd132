"""People who link in the other ways, and Meta's requests to delete or let go, while a process is killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from bot_linking.core.codes import digest_of
from bot_linking.core.ports import ChatLink, WebLink
from tests.wire import PAGE, message_event

from . import processes
from .messenger import PATIENCE_S, PAUSE_S, Lost, now_ms
from .rounds import LIFE_MS, Load, account_for, insist


class LoadOfWays(Load):
    """Each person walks the ways of this place, one after the other, and repeats each step until it is
    acknowledged."""

    def __init__(self, round: Any) -> None:
        super().__init__(round)
        self.gone = set[str]()

    def _plan(self, rng: random.Random) -> Sequence[Callable[[str, random.Random], dict[str, Any] | None]]:
        return [getattr(self, name) for name in PLANS[self.place.name]]

    def link_by_web(self, psid: str, rng: random.Random) -> None:
        account, token = self._new(psid, rng)
        ends = now_ms() + LIFE_MS
        insist(lambda: self.store.save_web_link(WebLink(digest_of(token), PAGE, psid, ends)))
        digits = self.round.outside.walk_web(token, account.id, processes.PASSWORD)
        for _ in range(2):
            self.round.outside.deliver(_at(message_event(digits, psid=psid)))
        self._is_linked(psid, account.id)

    def link_by_chat(self, psid: str, rng: random.Random) -> None:
        account, token = self._new(psid, rng)
        link = ChatLink(digest_of(token), PAGE, account, None, now_ms() + LIFE_MS, used=False)
        insist(lambda: self.store.save_chat_link(link, digest_of(f"code of {token}")))
        opened = message_event("", psid=psid)
        del opened["message"]
        self.round.graph.replies.pop(psid, None)
        self.round.outside.deliver(_at(opened) | {"referral": {"ref": f"bl.{token}", "source": "SHORTLINK"}})
        self._wait(lambda: self._answered(psid, account.id), "the question")
        self._is_linked(psid, account.id)

    def _answered(self, psid: str, account_id: str) -> bool:
        """Tap Connect under the newest question. Where an address was delivered twice, the older question
        links nobody."""
        replies = self.round.graph.replies.get(psid)
        if replies is None:
            return False
        answer = _at(message_event("Connect", psid=psid))
        answer["message"]["quick_reply"] = {"payload": replies["Connect"]}
        for _ in range(2):
            self.round.outside.deliver(answer)
        link = insist(lambda: self.store.find_link(PAGE, psid))
        return link is not None and link.account_id == account_id

    def link_by_menu(self, psid: str, rng: random.Random) -> None:
        account, _ = self._new(psid, rng)
        self.round.outside.walk_menu(psid, account.id, processes.PASSWORD)
        self._is_linked(psid, account.id)

    def log_out(self, psid: str, rng: random.Random) -> dict[str, Any] | None:
        return self._log_out(psid, rng)

    def log_in(self, psid: str, rng: random.Random) -> dict[str, Any] | None:
        return self._log_in(psid, rng)

    def let_go(self, psid: str, rng: random.Random) -> None:
        """Send Meta's word that the person removed the app."""
        self._ask_for("deauthorize", psid)
        self._note_unlink(psid)

    def forget(self, psid: str, rng: random.Random) -> None:
        """Send Meta's request to delete the person's data."""
        self._ask_for("data-deletion", psid)
        self.gone.add(psid)

    def _ask_for(self, callback: str, psid: str) -> None:
        code = self.round.outside.ask_for(callback, psid)

        def is_fulfilled() -> bool:
            found = insist(lambda: self.store.find_deletion(code))
            return found is not None and (found.state, found.user_id) == ("done", None)

        self._wait(is_fulfilled, f"the end of a request for {callback}")

    def _judge(self) -> None:
        for psid in self.gone:
            del self.accounts[psid]
            if held := [table for table, rows in self.store.export(PAGE, psid).items() if rows]:
                self.round.outcome.lost.append(f"{psid} was to be forgotten, and is in {held}")
        requests = self.round.database.ask("select count(*) from deletions where state = 'received'")
        if requests != [(0,)]:
            self.round.outcome.lost.append(f"requests of Meta's wait for ever: {requests}")
        super()._judge()

    # Inside

    def _new(self, psid: str, rng: random.Random) -> tuple[Any, str]:
        """An account other than the one before, and a secret."""
        current = self.model.account_of((PAGE, psid))
        account = account_for(psid, rng)
        while account.id == current:
            account = account_for(psid, rng)
        return account, rng.randbytes(24).hex()[:32]

    def _is_linked(self, psid: str, account_id: str) -> None:
        with self.lock:
            self.model.bound_by_us((PAGE, psid), account_id)
            self._note(psid)

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > deadline:
                raise Lost(f"{what} never came")
            time.sleep(PAUSE_S)


def _at(event: dict[str, Any]) -> dict[str, Any]:
    return event | {"timestamp": now_ms()}


PLANS: dict[str, tuple[str, ...]] = {
    "K15": ("link_by_web", "log_out", "link_by_web"),
    "K16": ("link_by_chat", "link_by_chat"),
    "K17": ("link_by_menu", "log_out", "link_by_menu"),
    "K18": ("log_in", "let_go", "log_in", "forget"),
    "K19": ("log_in", "let_go", "log_in", "forget"),
}
"""What people do while a process dies at a place."""
