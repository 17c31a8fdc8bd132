"""What the simulated Messenger knows: its page, its people, and what has happened between them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import safety
from .chat import Chat
from .clock import Clock
from .conversation import Conversation
from .person import Device, Person, new_psid, newcomer
from .switches import Switches
from .tokens import LinkingTokens

APP_ID = "908070605040302"


class State:
    """The facts, and how to wait until they change. Each method takes the lock itself."""

    app_id = APP_ID

    def __init__(
        self,
        *,
        page_id: str,
        page_name: str,
        people: Sequence[Person],
        clock: Callable[[], float],
        host: str,
        port: int,
    ) -> None:
        self.host = safety.require_loopback_host(host)
        self.page_id = page_id
        self.page_name = page_name
        #: The page's name in m.me links.
        self.page_username = "".join(filter(str.isalnum, page_name.lower())) or page_id
        self.clock = clock if isinstance(clock, Clock) else Clock(clock)
        self.profile: dict[str, Any] = {}
        self.switches = Switches(self._switched)
        self.tokens = LinkingTokens(self.clock)
        self._changed = threading.Condition()
        self._port = port
        self._running = False
        self._version = 0
        self._last_stamp = 0
        self._newcomers = 0
        self._chats = {person.psid: self._new_chat(person) for person in people}

    @property
    def url(self) -> str:
        """The address of the chat page and of the Graph API, without a slash at the end."""
        if not self._port:
            raise RuntimeError("the address is known once the simulator has been started")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._running

    # --- people

    @property
    def people(self) -> tuple[Person, ...]:
        """The people who can chat with the page, in the order in which they came."""
        with self._changed:
            return tuple(chat.person for chat in self._chats.values())

    def person(self, psid: str) -> Person | None:
        """Return the person with this PSID, or ``None``."""
        with self._changed:
            chat = self._chats.get(psid)
            return chat.person if chat else None

    def person_of_app(self, asid: str) -> Person | None:
        """Return the person whom the app knows by this app-scoped id, or ``None``."""
        return next((person for person in self.people if person.asid == asid), None)

    def add_person(
        self,
        first_name: str = "",
        last_name: str = "",
        *,
        locale: str = "en_US",
        device: Device = "phone",
        european: bool = False,
        begun: bool = False,
    ) -> Person:
        """Add a person, with a made-up name by default. Unless ``begun``, they have never written."""
        with self._changed:
            if not first_name and not last_name:
                first_name, last_name = newcomer(self._newcomers)
                self._newcomers += 1
            person = Person(new_psid(), first_name, last_name, locale, device, european, begun)
            self._chats[person.psid] = self._new_chat(person)
        self._touch()
        return person

    def forget(self, psid: str) -> None:
        """Let a person leave for good: Graph does not know this PSID any more, and the bot is not told."""
        with self._changed:
            self._chat(psid)
            del self._chats[psid]
        self._touch()

    # --- what can be seen

    def is_linked(self, psid: str) -> bool:
        """Tell whether Messenger takes this person's account for linked."""
        with self._changed:
            chat = self._chats.get(psid)
            return chat is not None and chat.is_linked

    def silent_for(self, psid: str) -> float:
        """Return for how many seconds the person has neither written nor tapped; infinite if never.

        The page may write for 24 hours after such an act. Logging in or out does not count.
        """
        with self._changed:
            acted_at = self._chat(psid).acted_at
            return math.inf if acted_at is None else self.clock() - acted_at

    def messages(self, psid: str) -> list[dict[str, Any]]:
        """Return what the bot sent to the person, oldest first.

        Each is a ``dict`` with ``mid``, ``at`` (seconds) and either ``message`` or ``sender_action``.
        """
        with self._changed:
            return self._talk(psid).sent

    def wait_until(self, predicate: Callable[[], Any], timeout: float = 60.0) -> bool:
        """Wait until ``predicate()`` is true, at most ``timeout`` seconds; returns whether it became true."""
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def wait_for_change(self, version: int, timeout: float) -> int:
        """Wait until something visible has changed since ``version``; returns the present version."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version or not self.running, timeout)
            return self._version

    # --- inside

    def _new_chat(self, person: Person) -> Chat:
        return Chat(person, acted_at=self.clock() if person.begun else None)

    def _known(self, psid: str) -> Person:
        with self._changed:
            return self._chat(psid).person

    def _chat(self, psid: str) -> Chat:
        chat = self._chats.get(psid)
        if chat is None:
            raise ValueError(f"nobody here has the PSID {psid!r}")
        return chat

    def _talk(self, psid: str) -> Conversation:
        return self._chat(psid).talk

    def _mark_linked(self, psid: str) -> None:
        with self._changed:
            chat = self._chat(psid)
            chat.is_linked = True
            chat.talk.add_note(self.clock(), f"Account linked to {self.page_name}")
            chat.note_link_change(self.clock())

    def _mark_unlinked(self, psid: str) -> bool:
        """Return whether the person was linked until now."""
        with self._changed:
            chat = self._chat(psid)
            if chat.is_linked:
                chat.is_linked = False
                chat.talk.add_note(self.clock(), "Account no longer linked")
                chat.note_link_change(self.clock())
                return True
            return False

    def _stamp(self) -> int:
        """Return a time in milliseconds, each later than the one before: people do one thing at a time."""
        with self._changed:
            self._last_stamp = max(self._last_stamp + 1, int(self.clock() * 1000))
            return self._last_stamp

    def _switched(self, name: str) -> None:
        self._touch()

    def _touch(self) -> None:
        with self._changed:
            self._version += 1
            self._changed.notify_all()
