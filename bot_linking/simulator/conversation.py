"""What one person and the page have said, as the chat page shows it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

#: How many entries of a conversation are remembered.
KEEP = 500
#: Seconds after which a typing indicator goes away, as in Messenger.
TYPING_SECONDS = 20


class Conversation:
    """Entries in order, each a plain ``dict`` with ``seq``, ``from`` (person, bot or note) and its content.

    Not thread-safe: the simulator holds its lock.
    """

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEEP)
        self._sent: deque[dict[str, Any]] = deque(maxlen=KEEP)
        self._seq = 0
        self._typing_until = 0.0
        self.seen_at = 0.0

    def add_words(self, at: float, text: str) -> None:
        """Add what the person said or tapped."""
        self._add({"at": at, "from": "person", "text": text})

    def add_note(self, at: float, text: str) -> None:
        """Add a line of the simulator's own between the bubbles."""
        self._add({"at": at, "from": "note", "text": text})

    def add_message(self, at: float, mid: str, message: Mapping[str, Any]) -> None:
        """Add a message of the bot; it ends the typing."""
        self._typing_until = 0.0
        self._sent.append({"mid": mid, "at": at, "message": dict(message)})
        self._add({"at": at, "from": "bot", "mid": mid, "message": dict(message)})

    def add_action(self, at: float, action: str) -> None:
        """Note a sender action: typing, or that the page has seen what the person wrote."""
        self._sent.append({"mid": None, "at": at, "sender_action": action})
        if action == "mark_seen":
            self.seen_at = at
        elif action.startswith("typing_"):
            self._typing_until = at + TYPING_SECONDS if action == "typing_on" else 0.0

    def typing(self, now: float) -> bool:
        """Tell whether the bot said that it is typing, and has not written or stopped since."""
        return now < self._typing_until

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Everything the bot sent, oldest first."""
        return list(self._sent)

    def after(self, seq: int) -> list[dict[str, Any]]:
        """Return the entries that came after the one numbered ``seq``."""
        return [entry for entry in self._entries if entry["seq"] > seq]

    def _add(self, entry: dict[str, Any]) -> None:
        self._seq += 1
        self._entries.append({"seq": self._seq, **entry})
