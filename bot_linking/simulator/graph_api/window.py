"""When a page may write to a person: within 24 hours of the person's last act, or by an approved template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import GraphError

#: Seconds for which a message, a tap or an m.me link opens the chat to the page. Log In and Log Out do not.
WINDOW = 24 * 3600
#: With the tag HUMAN_AGENT, a person of the business may answer for a week.
HUMAN_AGENT_WINDOW = 7 * WINDOW


def check_window(body: Mapping[str, Any], *, silent_for: float) -> None:
    """Raise ``GraphError`` 10/2018278 when a message comes more than 24 hours after the person's last act.

    ``silent_for`` is in seconds. Utility messages are free of the window.
    """
    kind = body.get("messaging_type")
    allowed = HUMAN_AGENT_WINDOW if kind == "MESSAGE_TAG" else WINDOW
    if kind != "UTILITY" and silent_for >= allowed:
        raise GraphError(10, "(#10) This message is sent outside of allowed window.", subcode=2018278)
