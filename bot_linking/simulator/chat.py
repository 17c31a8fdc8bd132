"""One person's chat with the page: what was said, and how the two stand to each other."""

from __future__ import annotations

from dataclasses import dataclass, field

from .conversation import Conversation
from .person import Person


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
