"""Where a message is sent: `pymessenger.bot.Bot` with time-outs, one pooled connection, and errors raised.

pymessenger builds the payloads. All of its working `send_*` methods call `send_raw`, which is replaced here,
and so is the profile look-up.
"""

from __future__ import annotations

from typing import Any

from pymessenger.bot import Bot

from bot_linking.core.reading import whole_number
from bot_linking.messenger.graph import Graph, GraphError


class GraphBot(Bot):  # type: ignore[misc]  # pymessenger has no types
    """A pymessenger Bot for one page, over the page's `graph`. Every failure is a `GraphError`; no error text
    holds a token."""

    def __init__(self, access_token: str, app_secret: str, graph: Graph) -> None:
        super().__init__(access_token, app_secret=app_secret, api_version=graph.version.removeprefix("v"))
        self.graph = graph
        self.graph_url = graph.base

    def __repr__(self) -> str:
        return f"GraphBot({self.graph_url!r})"

    def send_raw(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Send one Send API payload; `messaging_type` is `RESPONSE` unless it says otherwise."""
        return self.graph.send(payload)

    def get_user_info(self, recipient_id: str, fields: list[str] | None = None) -> dict[str, Any]:
        """The fields of the person's profile that the page may see."""
        return self.graph.get(recipient_id, **({"fields": ",".join(fields)} if fields else {}))


def send_with(
    bot: Any, psid: str, message: dict[str, Any], *, messaging_type: str = "RESPONSE"
) -> dict[str, Any]:
    """Send through any pymessenger Bot, also one that returns errors rather than raising them.

    `messaging_type` is `RESPONSE` after an event of the person, `UPDATE`, or `UTILITY` for a utility
    template. Raises `GraphError`. The text of another error is left out: it may hold the access token.
    """
    payload = {"recipient": {"id": psid}, "messaging_type": messaging_type, "message": message}
    try:
        answer = bot.send_raw(payload)
    except (OSError, ValueError) as problem:  # requests' errors are OSErrors
        raise GraphError(f"the bot's client failed: {type(problem).__name__}") from None
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        raise GraphError(
            "the bot's client reported an error",
            status=400,
            code=whole_number(error.get("code")),
            subcode=whole_number(error.get("error_subcode")),
            is_transient=error.get("is_transient") is True,
            message=str(error.get("message", "")),
        )
    return answer if isinstance(answer, dict) else {}
