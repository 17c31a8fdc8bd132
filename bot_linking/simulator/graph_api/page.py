"""The page's node, and what answers each of its edges."""

from __future__ import annotations

from collections.abc import Callable

from ..tokens import TokenState
from .call import Fields, GraphRequest, Messenger, comma_separated, refuse_unknown_fields, unknown_path
from .errors import GraphError
from .profile import MessengerProfile
from .sending import Sending
from .subscriptions import Subscriptions

Edge = Callable[[GraphRequest], Fields]


class PageNode:
    """Answers calls to ``/me`` and ``/<page id>``."""

    def __init__(self, messenger: Messenger, subscriptions: Subscriptions) -> None:
        self._messenger = messenger
        sending, profile = Sending(messenger), MessengerProfile(messenger)
        self._edges: dict[tuple[str, str], Edge] = {
            ("GET", ""): self._read,
            ("POST", "messages"): sending.send,
            ("POST", "unlink_accounts"): sending.unlink,
            ("GET", "messenger_profile"): profile.read,
            ("POST", "messenger_profile"): profile.write,
            ("DELETE", "messenger_profile"): profile.clear,
            ("GET", "subscribed_apps"): subscriptions.read_page,
            ("POST", "subscribed_apps"): subscriptions.write_page,
            ("DELETE", "subscribed_apps"): subscriptions.clear_page,
        }

    def answer(self, call: GraphRequest, edge: str) -> Fields:
        """Answer a call to one edge; the empty one is the page itself. Raises ``GraphError``."""
        answer = self._edges.get((call.method, edge))
        if answer is None:
            raise unknown_path(call)
        return answer(call)

    def _read(self, call: GraphRequest) -> Fields:
        fields = comma_separated(call.get("fields")) or ["id", "name"]
        known: Fields = {"id": self._messenger.page_id, "name": self._messenger.page_name}
        if "recipient" in fields:
            known["recipient"] = self._recipient(str(call.get("account_linking_token") or ""))
        refuse_unknown_fields(fields, known)
        return {name: known[name] for name in dict.fromkeys(["id", *fields])}

    def _recipient(self, token: str) -> str:
        state, psid = self._messenger.tokens.look_up(token)
        if state is not TokenState.LIVE or self._messenger.switches.expired_linking_token:
            raise GraphError(10303, "(#10303) Invalid account_linking_token")
        return psid
