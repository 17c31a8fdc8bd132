"""One person's chat with the page: what was said, whether they are linked, when the person last acted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .conversation import Conversation
from .person import Person

HOUR = 3600
#: bot_linking confirms at most so many links and unlinks to one person within an hour.
QUIET_AFTER = 5
QUIET = (
    "That was more than five times within an hour, and bot_linking confirms five. To hear it again, chat as "
    "a new person, turn the clock forward by an hour where the bot shares it, or start the bot with "
    "BOT_LINKING_MESSAGE_LIMIT=100."
)


@dataclass
class Chat:
    """Not thread-safe: the simulator holds its lock.

    ``acted_at`` is when the person last did something that opens the page's 24 hours, in seconds since the
    epoch; ``None`` when the person has never written to the page.
    """

    person: Person
    acted_at: float | None
    talk: Conversation = field(default_factory=Conversation)
    is_linked: bool = False
    #: The ``ref`` of the m.me link by which a newcomer has come, until Get Started is tapped.
    came_by: str | None = None
    link_changes: deque[float] = field(default_factory=lambda: deque(maxlen=QUIET_AFTER + 1))

    def note_link_change(self, now: float) -> None:
        """Note that the person was linked or unlinked, and why the bot may not confirm it."""
        self.link_changes.append(now)
        if len(self.link_changes) > QUIET_AFTER and now - self.link_changes[0] < HOUR:
            self.talk.add_note(now, QUIET)
